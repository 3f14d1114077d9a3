//! Stage 4: sends an armed request to a checked address.

mod decode;
