//! The daemon: one process a home that holds the open use key and answers on a socket.
//!
//! `lifecycle` is how it begins and ends, `listener` who is let in, `shares` the sockets beyond this user, `serving` what
//! every connection gets.

mod lifecycle;
mod listener;
mod serving;
mod shares;

pub(crate) use lifecycle::{run, serve};
pub(crate) use shares::make_folder;
