//! Calls that wait for a human, and what the human decides.

use serde::{Deserialize, Serialize};

use super::SignedAct;
use crate::secret_ref::{Label, SecretName};

/// A call that waits: who makes it and where it goes; never a value, a query or a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingCall {
    /// What names it while it waits; made at random, and gone with it.
    pub id: String,
    /// The agent, where a token says which.
    pub agent: Option<Label>,
    /// The process that called, as the kernel says.
    pub pid: Option<u32>,
    /// That process and its parents, innermost first, by the names they give themselves.
    pub process: String,
    /// The project.
    pub project: Label,
    /// The environment.
    pub environment: Label,
    /// The secrets it would carry.
    pub secrets: Vec<SecretName>,
    /// The same as `PROJECT/ENVIRONMENT/NAME as STYLE`: where each value comes from, which a scoped name chooses.
    #[serde(default)]
    pub values: Vec<String>,
    /// The method.
    pub method: String,
    /// Where it would go.
    pub origin: String,
    /// The path, with what looks like data left out.
    pub path: String,
    /// Whether the value itself would leave, to a command or provider.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub discloses: bool,
    /// Since when it waits.
    pub since: jiff::Timestamp,
    /// When it is given up.
    pub until: jiff::Timestamp,
}

/// What the owner decides of a call. It is signed with all the terms that the human was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The home's id.
    pub home: uuid::Uuid,
    /// Whether the call may go on.
    pub approve: bool,
    /// The call.
    pub call: WaitingCall,
}

/// A decision under the owner's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignedDecision(pub(crate) SignedAct);

impl SignedDecision {
    /// A decision and its signature, as they came from elsewhere. The broker verifies them.
    #[must_use]
    pub fn new(signed: SignedAct) -> Self {
        Self(signed)
    }
}
