//! What is said of shared workspaces: names, states, members. No value, and no key.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::secret_ref::{Label, SecretName};

/// A name that is not the same here as with the members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftInfo {
    /// The name.
    pub name: SecretName,
    /// The project it is in.
    pub project: Label,
    /// The environment.
    pub environment: Label,
    /// `local` (a push gives it), `remote` (a pull takes it) or `conflict` (both were changed).
    pub state: String,
    /// `added`, `changed` or `deleted`, on the side that the state names; in a conflict on the members' side.
    pub change: String,
    /// Who changed it, where a member did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When a member did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The version that the members have, where that is not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The sealed record here, which the owner's act names; empty where the name has no value.
    #[serde(default)]
    pub record: String,
    /// When the value here was set, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Timestamp>,
}

/// What a pull did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullReport {
    /// What was taken in.
    pub pulled: Vec<DriftInfo>,
    /// What was not, because it was changed here too.
    pub conflicts: Vec<DriftInfo>,
    /// What the members do not have yet.
    pub unpushed: Vec<DriftInfo>,
}

/// What a push did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushReport {
    /// What the members have now.
    pub pushed: Vec<DriftInfo>,
    /// What they do not, because somebody was faster.
    pub conflicts: Vec<DriftInfo>,
    /// What is only pushed with the owner's act: a change of what the members have.
    pub needs_owner: Vec<DriftInfo>,
}

/// A workspace as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceInfo {
    /// Its name.
    pub name: Label,
    /// Its id.
    pub id: Uuid,
    /// Whether it is shared by a server, or this home's alone.
    pub shared: bool,
    /// Whether it is the one in use here.
    pub current: bool,
    /// `admin`, `member` or `machine`, where it is shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// What the choice of a workspace leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// Its project that is in use now; none in a workspace that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Label>,
    /// The linked directory that it is in use in; none where it is in use in every directory that is linked to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<std::path::PathBuf>,
}

/// A member of a shared workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberInfo {
    /// What the others call it; its id where the label does not open.
    pub name: String,
    /// The account.
    pub account: Uuid,
    /// `admin`, `member`, `machine`, or `invited`.
    pub role: String,
    /// Six words made of the member's keys, to be compared by another way.
    pub fingerprint: String,
    /// Its devices.
    pub devices: usize,
    /// Of a machine, its environments, as `project/environment`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// Until when an invitation counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Whether this is the home that asks.
    pub own: bool,
}

/// A version of a name, as the members have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// Counts up from 1.
    pub version: u64,
    /// Who wrote it.
    pub author: String,
    /// When, by the author's clock.
    pub time: Timestamp,
    /// Whether the name was deleted with it.
    pub deleted: bool,
    /// Whether it is the one that is here.
    pub current: bool,
}

/// How this home stands to its server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncStatus {
    /// The server's origin.
    pub server: String,
    /// The address of the account; none for a machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// When the server was asked last, for the workspace in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Timestamp>,
    /// The newest sign of life of an admin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Timestamp>,
    /// Whether no admin was heard for seven days: the server may be showing an old state.
    pub stale: bool,
    /// How many entries the membership chain has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// How many names of the workspace wait for a decision: changed here and by a member.
    pub conflicts: usize,
    /// The names, as `project/environment/NAME`, whose value somebody could read who has left since, and nobody has changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub should_rotate: Vec<String>,
}

/// An entry of the membership chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryInfo {
    /// Its number.
    pub seq: u64,
    /// Its digest; two members whose digests of one number differ were shown different chains.
    pub hash: String,
    /// When, by the author's clock.
    pub time: Timestamp,
    /// Who said it.
    pub author: String,
    /// What it says.
    pub says: String,
}
