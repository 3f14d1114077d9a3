//! An error on its way between processes.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode, Stage};

/// An error as it crosses a socket: the whole of it, so that no host sees less than the core said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WireError {
    code: String,
    stage: String,
    retryable: bool,
    message: String,
    hint: Option<String>,
}

impl WireError {
    pub(crate) fn of(error: &Error) -> Self {
        Self {
            code: error.code().to_string(),
            stage: error.stage().to_string(),
            retryable: error.retryable(),
            message: error.message().to_owned(),
            hint: error.hint().map(str::to_owned),
        }
    }

    pub(crate) fn into_error(self) -> Error {
        let Some(code) = ErrorCode::parse(&self.code) else {
            // A newer side's code: its words are kept, as they say more than a code this version could choose.
            return Error::new(ErrorCode::Internal, format!("{}: {}", self.code, self.message)).at(Stage::Broker);
        };
        let error = Error::new(code, self.message).with_retryable(self.retryable);
        let error = error.at(Stage::parse(&self.stage).unwrap_or(code.stage()));
        match self.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}
