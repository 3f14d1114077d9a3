//! The doors by which a value may leave other than by the wire: to a child of the broker, and to an exec provider.
//!
//! Each asks for a human's grant first, and each discloses: whoever may read the process that was given a value has it.
//! `pin` is what the owner saw of a command, `interpreter` which commands cannot be pinned, `process` the child and its
//! life, `pump` its output on the way through the scanner, `exec_provider` the answer of a provider, `message` what is
//! said over the socket, `open_files` how many files it may open.
//!
//! The other way round, `manager` asks another manager for a value, in a child of the same kind, and `answer` reads it.

mod answer;
mod exec_provider;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod interpreter;
mod manager;
mod message;
mod open_files;
mod pin;
mod process;
mod pump;
mod running;
mod sealed;
mod surroundings;

pub(crate) use exec_provider::{ExecAnswer, write_answer};
pub(crate) use manager::{NoAnswer, Question};
pub(crate) use message::{DoorRequest, Event, Order, Terminal};
pub use open_files::raise_open_files;
pub(crate) use pin::{Ready, pin_command};
pub(crate) use process::{Finished, Launch, run, tell};
pub(crate) use pump::is_closed;
pub(crate) use running::Running;
pub(crate) use surroundings::bends;
