//! One error for every host: a flat code, the stage it came from, whether trying again may help, and what mends it.
//!
//! Messages hold names only.

// The generator of the hosts' classes compiles this file at another place: the path holds at both.
#[path = "error/code.rs"]
mod code;

use std::borrow::Cow;
use std::fmt;

pub use code::ErrorCode;

/// The result of nearly everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done. Never holds a value.
#[derive(Clone)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    code: ErrorCode,
    stage: Stage,
    retryable: bool,
    message: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
}

impl Error {
    /// An error with the code's own stage, retryability and hint.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        let hint = code.hint().map(Cow::Borrowed);
        let inner = Inner { code, stage: code.stage(), retryable: code.retryable(), message: message.into(), hint };
        Self { inner: Box::new(inner) }
    }

    /// The same error with the exact command that mends it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// The same error, seen at another stage.
    #[must_use]
    pub fn at(mut self, stage: Stage) -> Self {
        self.inner.stage = stage;
        self
    }

    /// The same error, with another answer to "may it help to try again?".
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.inner.retryable = retryable;
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.inner.code
    }

    /// The stage that refused or failed.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.inner.stage
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.inner.retryable
    }

    /// What went wrong, in one sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// What mends it, where possible the exact command.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.inner.code, self.inner.message)
    }
}

/// What is a [`SecretRef`](crate::SecretRef) already is taken as it is.
impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.inner.code.as_str())
            .field("stage", &self.inner.stage.as_str())
            .field("retryable", &self.inner.retryable)
            .field("message", &self.inner.message)
            .field("hint", &self.inner.hint)
            .finish()
    }
}

impl std::error::Error for Error {}

macro_rules! stages {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal),* $(,)?) => {
        /// Where in the way of a request an error arose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Stage { $($(#[doc = $doc])* $name),* }

        impl Stage {
            /// Every stage.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stage as it crosses wires and stands in docs.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

stages! {
    /// Reading what the caller said.
    Call = "call",
    /// Choosing workspace, project and environment.
    Context = "context",
    /// Asking whether the secret may go there.
    Policy = "policy",
    /// Opening the value.
    Resolve = "resolve",
    /// Placing the value in the request.
    Inject = "inject",
    /// Sending, and waiting for the answer.
    Send = "send",
    /// Taking values out of the answer.
    Redact = "redact",
    /// Writing evidence.
    Audit = "audit",
    /// Reading or writing what rests on disk or in the keychain.
    Store = "store",
    /// What only a human with the owner's passphrase does.
    Owner = "owner",
    /// The socket between a program and its broker.
    Broker = "broker",
    /// What a workspace shares: accounts, membership, and records on their way to and from the server.
    Sync = "sync",
}

impl Stage {
    /// The stage of a wire text, or `None` where this version knows none of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.as_str() == text)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_stays_small() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
