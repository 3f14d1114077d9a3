//! What is told of agents: names, times and ids, never a token.

use serde::{Deserialize, Serialize};

use crate::secret_ref::Label;

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
