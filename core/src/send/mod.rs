//! Stage 4: sends an armed request to a checked address.

pub(crate) mod address;
