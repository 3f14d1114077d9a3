//! The engine behind a socket, and the way to it.
//!
//! `protocol` is what crosses the socket, `link` the client side with its pool, `start` how a broker comes to be,
//! `serve` the engine's side, `peer` what the kernel says of who is there, `shared` the sockets beyond the home's user, `door` the conversation around a child and
//! `descriptors` what crosses with it.

mod connection;
mod descriptors;
mod door;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod incoming;
mod link;
mod peer;
mod protocol;
mod serve;
mod shared;
mod start;
mod stream;

pub use crate::release::raise_open_files;
pub(crate) use door::Door;
pub(crate) use link::Link;
pub use peer::{check_peer, socket_address};
pub use protocol::Finish;
pub use serve::{AnswerBody, Look, Service};
pub use shared::{SharedSocket, check_shared_folder};
pub use start::lock;
pub use start::{connect_or_start, socket_path, stop_running};
