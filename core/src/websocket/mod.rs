//! The WebSocket protocol (RFC 6455) and its compression (RFC 7692), without any I/O.
//!
//! A [`Reader`] makes events of the bytes of one side, a [`Writer`] makes frames for the other. What is in between is
//! redaction's business: nothing here knows of values, and nothing here holds a message as a whole.

mod close;
mod deflate;
mod extension;
mod fault;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod handshake;
mod reader;
mod utf8;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use close::{Close, code};
#[cfg(any(test, fuzzing))]
pub(crate) use extension::Agreed;
pub(crate) use fault::Fault;
pub(crate) use frame::MAX_CONTROL;
pub(crate) use handshake::{Offered, Opened, strip};
pub(crate) use reader::{Event, Reader};
pub(crate) use utf8::Mender;
pub(crate) use writer::Writer;

/// What the upgrade is called (RFC 6455, section 11.2).
pub(crate) const PROTOCOL: &str = "websocket";

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// What a frame between those of messages is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// The last frame of its side.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping, or nothing.
    Pong,
}
