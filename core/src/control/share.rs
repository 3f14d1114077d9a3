//! What is told of shares: a socket, whom it serves and how it stands.

use serde::{Deserialize, Serialize};

use crate::secret_ref::Label;

/// A shared socket as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareInfo {
    /// What names it.
    pub id: String,
    /// The socket's path.
    pub socket: String,
    /// The only agent it serves; none named means every registered one.
    pub agent: Option<Label>,
    /// The isolation level of those who call there: `broker-shared` or `broker-system`.
    pub isolation: String,
    /// The socket's mode, in octal.
    pub mode: String,
    /// The socket's group.
    pub group: Option<String>,
    /// When it was shared.
    pub created: jiff::Timestamp,
    /// Until when.
    pub expires: Option<jiff::Timestamp>,
    /// `listening`, `waiting` for a broker that opens it, `failed`, `stopped` or `expired`.
    pub state: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A socket that the broker is to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedShare {
    /// What names it.
    pub id: String,
    /// The socket's path.
    pub path: std::path::PathBuf,
    /// The socket's mode.
    pub mode: u32,
    /// The socket's group, by name or number.
    pub group: Option<String>,
    /// Whether it serves every registered agent: a broker that is a user of its own.
    pub system: bool,
    /// Until when.
    pub expires: Option<jiff::Timestamp>,
}
