//! The isolation levels a caller may choose.

use crate::error::{Error, ErrorCode, Result};

/// How far the values are from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// A process of its own holds the values; this one holds names and a socket.
    Broker,
    /// The engine runs in this process, whose native memory any code in it can read.
    InProcess,
}

impl Isolation {
    /// The level's name in `status`, records and `AGENTSECRETS_ISOLATION`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::InProcess => "in-process",
        }
    }

    /// Parses a level's name.
    ///
    /// # Errors
    /// `invalid_call` for any other text.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "broker" => Ok(Self::Broker),
            "in-process" => Ok(Self::InProcess),
            _ => Err(Error::new(ErrorCode::InvalidCall, "isolation is \"broker\" or \"in-process\"")),
        }
    }
}
