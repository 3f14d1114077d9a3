//! What a record may say: types that cannot hold a value, and no other.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::template::PathTemplate;
use crate::call::Style;
use crate::error::{Error, ErrorCode, Result};
use crate::log_safe::{LogSafe, Origin};
use crate::secret_ref::{Label, SecretName};

/// What is asked: who, from where, with which names, to which place.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) agent: Option<AgentName>,
    pub(crate) identity: Identity,
    pub(crate) isolation: Isolation,
    pub(crate) workspace: Option<Label>,
    pub(crate) project: Option<Label>,
    pub(crate) environment: Option<Label>,
    pub(crate) secrets: Vec<SecretName>,
    pub(crate) styles: Vec<Style>,
    pub(crate) method: Option<MethodName>,
    pub(crate) origin: Option<Origin>,
    pub(crate) path: Option<PathTemplate>,
}

impl Event {
    /// An event that says only where it comes from; the caller fills in the rest.
    pub(crate) fn new(identity: Identity, isolation: Isolation) -> Self {
        Self {
            agent: None,
            identity,
            isolation,
            workspace: None,
            project: None,
            environment: None,
            secrets: Vec::new(),
            styles: Vec::new(),
            method: None,
            origin: None,
            path: None,
        }
    }
}

/// How a call ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) status: Option<u16>,
    pub(crate) reason: Option<Reason>,
    pub(crate) redacted: Vec<SecretName>,
    /// Absent where nobody was left to measure it.
    pub(crate) duration_ms: Option<u64>,
}

/// The compile-time half of "no field can hold a value": a field that is not listed, or whose type is not `LogSafe`,
/// does not compile.
const _: fn(&Event, &Ended) = |event, ended| {
    fn log_safe<T: LogSafe>(_: &T) {}
    let Event { agent, identity, isolation, workspace, project, environment, secrets, styles, method, origin, path } =
        event;
    let Ended { outcome, status, reason, redacted, duration_ms } = ended;
    log_safe(agent);
    log_safe(identity);
    log_safe(isolation);
    log_safe(workspace);
    log_safe(project);
    log_safe(environment);
    log_safe(secrets);
    log_safe(styles);
    log_safe(method);
    log_safe(origin);
    log_safe(path);
    log_safe(outcome);
    log_safe(status);
    log_safe(reason);
    log_safe(redacted);
    log_safe(duration_ms);
};

/// The name an agent gives itself or was issued: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AgentName(Label);

impl AgentName {
    /// Parses a name.
    ///
    /// # Errors
    /// `invalid_call` where the text is no label; the message never repeats it.
    pub fn parse(text: &str) -> Result<Self> {
        Label::parse(text).map(Self).map_err(|_| {
            Error::new(
                ErrorCode::InvalidCall,
                "an agent is named with letters, digits, '.', '_' and '-', at most 64 of them",
            )
            .with_hint("use a name like billing-agent.2")
        })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl LogSafe for AgentName {}

macro_rules! words {
    ($(#[doc = $of:literal] $name:ident { $(#[doc = $doc:literal] $variant:ident = $text:literal),* $(,)? })*) => {$(
        #[doc = $of]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $(#[doc = $doc] #[serde(rename = $text)] $variant),* }

        impl $name {
            /// The word in records and on wires.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// The meaning of a word, or `None` where this version knows none of that name.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl LogSafe for $name {}
    )*};
}

words! {
    #[doc = "How sure it is which agent asks."]
    Identity {
        #[doc = "Nobody said."]
        Anonymous = "anonymous",
        #[doc = "The caller said so."]
        Declared = "declared",
        #[doc = "A token issued by the owner says so."]
        Issued = "issued",
    }
    #[doc = "What stands between the agent and the values."]
    Isolation {
        #[doc = "The engine runs in the agent's process."]
        InProcess = "in-process",
        #[doc = "A process of its own, same user."]
        Broker = "broker",
        #[doc = "A process outside the agent's container."]
        BrokerShared = "broker-shared",
        #[doc = "A process of another user."]
        BrokerSystem = "broker-system",
    }
    #[doc = "How a call ended. An upstream error status is `ok`: the call was made and answered."]
    Outcome {
        #[doc = "Answered."]
        Ok = "ok",
        #[doc = "Refused by policy, address check or lock."]
        Denied = "denied",
        #[doc = "Begun, and not answered."]
        Failed = "failed",
        #[doc = "Given up by the caller."]
        Cancelled = "cancelled",
    }
}

/// What happened to the deny overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DenyChange {
    /// Something more is denied.
    Added,
    /// The owner lifted a deny.
    Lifted,
}

/// Why a call ended as it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Code(ErrorCode),
    /// The upstream sent a value back, and it was redacted.
    CredentialEcho,
}

impl Reason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Code(code) => code.as_str(),
            Self::CredentialEcho => "credential_echo",
        }
    }
}

impl LogSafe for Reason {}

/// A registered HTTP method; any other is `OTHER`, as a method is free text to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MethodName(&'static str);

impl MethodName {
    pub(crate) fn of(method: &http::Method) -> Self {
        const REGISTERED: [&str; 25] = [
            "GET",
            "POST",
            "PUT",
            "PATCH",
            "DELETE",
            "HEAD",
            "OPTIONS",
            "PROPFIND",
            "PROPPATCH",
            "MKCOL",
            "COPY",
            "MOVE",
            "LOCK",
            "UNLOCK",
            "REPORT",
            "SEARCH",
            "QUERY",
            "ACL",
            "BIND",
            "UNBIND",
            "LINK",
            "UNLINK",
            "MKCALENDAR",
            "PURGE",
            "MERGE",
        ];
        Self(REGISTERED.into_iter().find(|name| *name == method.as_str()).unwrap_or("OTHER"))
    }

    pub(crate) fn as_str(self) -> &'static str {
        self.0
    }
}

impl LogSafe for MethodName {}
