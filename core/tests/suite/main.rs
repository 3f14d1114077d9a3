//! The promises of the core through its public API, each on both isolation levels and over both HTTP versions.
//!
//! One binary, so that one home and two upstreams serve most of it; what changes a policy has a home of its own.

#[path = "../kit/mod.rs"]
mod kit;

mod addresses;
mod audit;
mod bad_input;
mod bodies;
mod broker;
mod calls;
mod doors;
mod egress;
mod placeholders;
mod policy;
mod redaction;
mod responses;
mod shares;
mod surface;
mod vectors;
mod websockets;
