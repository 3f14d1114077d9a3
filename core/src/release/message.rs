//! What a caller and the broker say to each other about a door, over a connection that carries descriptors too.

use serde::{Deserialize, Serialize};

use crate::context::Selection;
use crate::control::WireError;
use crate::secret_ref::{Label, SecretName};

/// Which door is to be opened. Names and words; descriptors follow.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "door", rename_all = "snake_case")]
pub(crate) enum DoorRequest {
    /// A command of the owner's grants. Stdin, stdout, stderr and the working directory follow.
    Env {
        selection: Selection,
        /// None named: every one granted to this command.
        secrets: Vec<SecretName>,
        argv: Vec<String>,
        /// The caller's environment.
        variables: Vec<(String, String)>,
        terminal: Option<Terminal>,
    },
    /// The names an exec provider wants. Stdout follows.
    Exec { selection: Selection, provider: Label, ids: Vec<String> },
}

impl DoorRequest {
    /// How many descriptors follow.
    pub(crate) fn descriptors(&self) -> usize {
        match self {
            Self::Env { .. } => 4,
            Self::Exec { .. } => 1,
        }
    }
}

/// Which of the three streams are the caller's terminal, and how large it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terminal {
    pub(crate) streams: [bool; 3],
    pub(crate) rows: u16,
    pub(crate) columns: u16,
}

/// What a caller says while its child runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    Signal(i32),
    Size { rows: u16, columns: u16 },
}

/// What the broker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    /// The child runs.
    Started { pid: u32 },
    /// Somebody typed the suspend character: the caller is to stop itself.
    Suspended,
    /// It is over: an exit code, or the signal that ended it.
    Ended { code: Option<i32>, signal: Option<i32> },
    /// It was not done.
    Refused(WireError),
}
