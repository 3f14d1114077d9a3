//! The daemon: one process a home that holds the open use key and answers on a socket.
//!
//! `lifecycle` is how it begins and ends, `listener` who is let in, `shares` the sockets beyond this user, `serving` what
//! every connection gets, `notify` what a service manager hears.

mod lifecycle;
mod listener;
mod notify;
mod serving;
mod shares;

pub(crate) use lifecycle::{run, run_system, serve};
pub(crate) use shares::make_folder;
