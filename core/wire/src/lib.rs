//! The sync protocol: what members of a workspace and its server say to each other.
//!
//! Everything that a member must not be able to forge is a [`Signed`] statement over exact bytes; everything that the server must
//! not read is a [`Blob`] that only `agentsecrets` opens. This crate has no cryptography and no I/O: the server links it and
//! nothing that could decrypt. The rules of the membership chain are here because both sides enforce the same ones; they are
//! given a [`Verifier`] by whoever runs them.

mod api;
mod bytes;
pub mod chain;
pub mod limits;
pub mod opaque;
#[cfg(feature = "openapi")]
mod openapi;
mod problem;
mod record;
mod signed;

pub use api::*;
pub use bytes::{Blob, Fixed, Hash, PublicKey, Signature};
pub use problem::{Code, Problem};
pub use record::{Heartbeat, Record};
pub use signed::{Malformed, Signed, Statement, Verifier};
