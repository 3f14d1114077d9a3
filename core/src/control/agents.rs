//! What is told of agents and limits: names, times, ids and numbers, never a token.

use serde::{Deserialize, Serialize};

use crate::secret_ref::{Label, SecretName};

/// An agent as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentInfo {
    /// Its name.
    pub name: Label,
    /// The project it is registered in.
    pub project: Label,
    /// When it was registered.
    pub created: jiff::Timestamp,
    /// How many of its tokens count now.
    pub tokens: usize,
}

/// A token as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    /// What names it: no part of the token itself.
    pub id: String,
    /// Whose it is.
    pub agent: Label,
    /// When it was issued.
    pub created: jiff::Timestamp,
    /// When it ends.
    pub expires: jiff::Timestamp,
    /// `active`, `expired` or `revoked`.
    pub state: String,
}

/// A limit as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitInfo {
    /// What names it.
    pub id: String,
    /// The secret whose calls are counted; none named means any.
    pub secret: Option<SecretName>,
    /// The agent whose calls are counted; none named means all callers together.
    pub agent: Option<Label>,
    /// `1000/1d calls` or `rate 10/1m`.
    pub limit: String,
    /// How many calls.
    pub calls: u32,
    /// In how many seconds.
    pub seconds: u64,
    /// How many of them are used now.
    pub used: u32,
}
