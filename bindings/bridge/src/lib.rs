//! What the Python and Node bindings share: one runtime per process that survives `fork`, clients that do too, the
//! description of a call, bodies fed by the host, and the guard that turns a panic into an error.
//!
//! A binding converts the host's objects to these types and back, and decides nothing.

mod ask;
mod batch;
mod child;
mod client;
mod describe;
mod drive;
mod feed;
mod fork;
mod guard;
mod header;
mod runtime;

pub use agentsecrets::response::Buffered;
pub use agentsecrets::{Body, Call, Error, ErrorCode, Result, SecretRef};
pub use ask::{Ask, LogsFilter};
pub use batch::Batch;
pub use child::{Child, Ended, SpawnDescription, StreamDescription};
pub use client::{Client, Options, Stream};
pub use describe::{BodyDescription, CallDescription, PartDescription, Place};
pub use drive::{Step, drive};
pub use feed::{Feed, feed};
pub use fork::ProcessBound;
pub use guard::{guard, guarded, install};
pub use header::header_pairs;
pub use runtime::{InFlight, Task, end, ending, enter, settle, spawn};
