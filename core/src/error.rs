//! One error for every host: a flat code, the stage it came from, whether trying again may help, and what mends it.
//!
//! Messages hold names only. The table at the end of this file is the single source of every host's error classes and
//! of `docs/errors/`.

use std::borrow::Cow;
use std::fmt;

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

macro_rules! codes {
    ($($name:ident = $text:literal, $stage:ident, $retry:literal, exit $exit:literal, hint $hint:expr, $doc:literal;)*) => {
        /// The stable code of an error. Its wire form is snake_case; hosts make one class of each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode { $(#[doc = $doc] $name),* }

        impl ErrorCode {
            /// Every code, in the order of the way of a request.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The wire form.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The name of the class in Python and Node.
            #[must_use]
            pub fn class_name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// The stage an error of this code comes from unless it says otherwise.
            #[must_use]
            pub fn stage(self) -> Stage {
                match self { $(Self::$name => Stage::$stage),* }
            }

            /// Whether the same call may succeed later, unless the error says otherwise.
            #[must_use]
            pub fn retryable(self) -> bool {
                match self { $(Self::$name => $retry),* }
            }

            /// The exit code of the command line.
            #[must_use]
            pub fn exit_code(self) -> u8 {
                match self { $(Self::$name => $exit),* }
            }

            /// What the code means.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => $doc),* }
            }

            /// What mends it, where one thing always does.
            #[must_use]
            pub fn hint(self) -> Option<&'static str> {
                match self { $(Self::$name => $hint),* }
            }
        }
    };
}

codes! {
    InvalidCall = "invalid_call", Call, false, exit 2, hint None,
        "The call contradicts itself or cannot be parsed: a malformed URL, two styles for one place, a path through a scalar, a body that is not JSON.";
    InvalidValue = "invalid_value", Store, false, exit 2, hint None,
        "The value cannot be kept or cannot go where it should: empty, over 64 KiB, under 8 bytes without `--weak`, not UTF-8 where text is needed, a line feed or NUL for a header.";
    ProjectNotLinked = "project_not_linked", Context, false, exit 3, hint Some("agentsecrets project use PROJECT"),
        "The directory's project file names a project that this home has not linked to the directory; a file in a repository only proposes.";
    ProjectNotFound = "project_not_found", Context, false, exit 4, hint Some("agentsecrets project list"),
        "This home knows no project of that name.";
    DestinationNotAllowed = "destination_not_allowed", Policy, false, exit 3, hint None,
        "No grant lets this secret go to this origin with this method and path, or the owner or an agent has denied it.";
    SlotNotAllowed = "slot_not_allowed", Policy, false, exit 3, hint None,
        "The secret may go to this origin, but not in this place of the request.";
    HeaderNotAllowed = "header_not_allowed", Policy, false, exit 3, hint None,
        "The caller set a header that could bend an authenticated request (Authorization beside an injected one, Range, Upgrade, a method override) and no grant permits it.";
    NothingToInject = "nothing_to_inject", Policy, false, exit 3, hint None,
        "The call names no secret, and the broker is no open way out: only origins of the workspace allowlist are called bare.";
    AgentRequired = "agent_required", Policy, false, exit 3, hint None,
        "The project has registered agents, and the caller is none of them: anonymous calls are refused there.";
    AgentTokenInvalid = "agent_token_invalid", Policy, false, exit 3, hint Some("agentsecrets agent token list"),
        "The agent token that the caller shows is unknown, expired or revoked; it is never taken for no token.";
    ApprovalRequired = "approval_required", Policy, true, exit 3, hint Some("agentsecrets approve"),
        "The grant wants a human's approval of each call, and nobody gave it in time, or it was denied.";
    BudgetExhausted = "budget_exhausted", Policy, true, exit 3, hint Some("agentsecrets limit list"),
        "The number of calls that the owner set for this secret or agent is used up; the message says until when.";
    RateLimited = "rate_limited", Policy, true, exit 3, hint Some("agentsecrets limit list"),
        "The caller goes faster than the owner set for this secret or agent; the message says when to come back.";
    AddressRefused = "address_refused", Send, false, exit 3, hint None,
        "The host resolves to a private, local or reserved address that the grant does not name.";
    CommandNotAllowed = "command_not_allowed", Policy, false, exit 3, hint None,
        "No grant gives this secret to exactly this command: its whole argument list, in this environment, unexpired.";
    CommandChanged = "command_changed", Policy, false, exit 3, hint None,
        "The command's program, or a file it names, is no longer the one that the owner granted.";
    PolicyInvalid = "policy_invalid", Policy, false, exit 1, hint Some("agentsecrets doctor"),
        "The policy is unsigned, altered, older than one seen before, or its deny overlay is missing: nothing is permitted until the owner mends it.";
    SecretNotFound = "secret_not_found", Resolve, false, exit 4, hint Some("agentsecrets secrets list"),
        "The project and environment hold no secret of that name.";
    SourceUnavailable = "source_unavailable", Resolve, true, exit 1, hint None,
        "The value is linked, and the manager that it is asked of is locked, failed, took too long or gave something else than a value.";
    StoreLocked = "store_locked", Resolve, true, exit 5, hint Some("agentsecrets unlock"),
        "The use key is not open; a human opens it at a terminal.";
    StoreUnavailable = "store_unavailable", Store, true, exit 1, hint Some("agentsecrets doctor"),
        "The keychain or the home cannot be reached or written: no keychain here, a read-only or full disk, wrong permissions.";
    StoreCorrupted = "store_corrupted", Store, false, exit 1, hint Some("agentsecrets doctor"),
        "A stored record or the index does not open: it was altered, cut or moved. Nothing was overwritten.";
    NotInitialized = "not_initialized", Store, false, exit 5, hint Some("agentsecrets init"),
        "There is no home yet.";
    AlreadyInitialized = "already_initialized", Owner, false, exit 1, hint Some("agentsecrets status"),
        "There is a home already; it is not replaced without its owner.";
    OwnerRequired = "owner_required", Owner, false, exit 3, hint None,
        "This loosens a limit or destroys something: the owner's passphrase is needed, at a terminal or by --passphrase-fd.";
    OwnerAbsent = "owner_absent", Owner, false, exit 3, hint None,
        "This home was made with --no-owner: its policy is read-only.";
    WrongPassphrase = "wrong_passphrase", Owner, false, exit 3, hint None,
        "The passphrase does not open the key.";
    BrokerUnavailable = "broker_unavailable", Broker, true, exit 1, hint Some("agentsecrets doctor"),
        "The broker does not answer and could not be started.";
    BrokerOutdated = "broker_outdated", Broker, false, exit 1, hint Some("agentsecrets broker stop"),
        "The broker and this program speak versions that do not meet.";
    NotShared = "not_shared", Broker, false, exit 3, hint Some("run it where the broker runs, as the user whose home it is"),
        "A shared socket serves calls and questions about what its agent may use, and nothing else: neither the owner's acts, nor doors, nor other names.";
    NeedsBroker = "needs_broker", Broker, false, exit 1, hint Some("AGENTSECRETS_ISOLATION=broker"),
        "A child process with secrets is started by the broker alone, and this client runs in-process.";
    UpstreamUnreachable = "upstream_unreachable", Send, true, exit 6, hint None,
        "The host could not be resolved or connected, its TLS certificate does not verify, or it broke off.";
    UpstreamError = "upstream_error", Send, false, exit 1, hint None,
        "The upstream answered 4xx or 5xx and the caller asked that this be an error.";
    Timeout = "timeout", Send, true, exit 6, hint None,
        "The call's deadline passed.";
    Cancelled = "cancelled", Send, true, exit 1, hint None,
        "The caller gave the call up.";
    ResponseTooLarge = "response_too_large", Redact, false, exit 1, hint None,
        "The response is longer than the call's limit; stream it, or raise the limit.";
    UndecodableResponse = "undecodable_response", Redact, false, exit 1, hint None,
        "The response's content coding is unknown, broken or expands without bound, so it cannot be searched for values and is withheld.";
    AuditUnavailable = "audit_unavailable", Audit, false, exit 1, hint Some("agentsecrets logs verify"),
        "The audit log cannot be written or does not continue from its last record; without a record there is no call.";
    Internal = "internal", Call, false, exit 1, hint None,
        "A defect of AgentSecrets; the call was given up and nothing was released.";
}

impl ErrorCode {
    /// The code of a wire text, or `None` where this version knows none of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_the_snake_case_of_its_class() {
        for code in ErrorCode::ALL {
            let snake = code.class_name().chars().fold(String::new(), |mut text, c| {
                if c.is_ascii_uppercase() && !text.is_empty() {
                    text.push('_');
                }
                text.push(c.to_ascii_lowercase());
                text
            });
            assert_eq!(code.as_str(), snake);
            assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
        }
    }

    #[test]
    fn an_error_stays_small() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
