//! The policy against its vectors, and against what no vector thought of.

mod acts;
mod kit;
mod properties;
mod refusals;
mod vectors;
