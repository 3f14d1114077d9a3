//! The policy against its vectors, and against what no vector thought of.

mod acts;
mod agents;
mod egress;
mod kit;
mod limits;
mod properties;
mod refusals;
mod vectors;
