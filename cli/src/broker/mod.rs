//! The daemon: one process a home that holds the open use key and answers on a socket.
//!
//! `lifecycle` is how it begins and ends, `listener` who is let in.

mod lifecycle;
mod listener;

pub(crate) use lifecycle::{run, serve};
