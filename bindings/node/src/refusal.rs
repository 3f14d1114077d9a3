//! Errors, whole: JavaScript makes the class of the code.

use agentsecrets_bridge::Error;
use napi_derive::napi;

/// An error's parts.
#[napi(object, object_from_js = false)]
pub struct Refusal {
    /// The stable code.
    pub code: String,
    /// Where it arose.
    pub stage: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// What went wrong.
    pub message: String,
    /// What mends it.
    pub hint: Option<String>,
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code().to_string(),
            stage: error.stage().to_string(),
            retryable: error.retryable(),
            message: error.message().to_owned(),
            hint: error.hint().map(str::to_owned),
        }
    }
}
