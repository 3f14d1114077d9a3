//! What an agent asks besides calls: names, states, records. One request and one answer type, whatever the backend.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

mod agents;
mod approval;
mod copy;
mod egress;
mod share;
mod sync;
mod wire_error;

pub use agents::{AgentInfo, LimitInfo, TokenInfo};
pub use approval::{Decision, SignedDecision, WaitingCall};
pub use copy::{CopiedSecret, CopyAct};
pub use egress::{EgressInfo, LoginInfo};
pub use share::{ShareInfo, WantedShare};
pub use sync::{
    Chosen, DriftInfo, EntryInfo, MemberInfo, PullReport, PushReport, SyncStatus, VersionInfo, WorkspaceInfo,
};
pub(crate) use wire_error::WireError;

use crate::audit::LogsQuery;
use crate::context::Selection;
use crate::error::Error;
use crate::secret_ref::{Label, SecretName};

/// A question to the engine. Nothing here loosens a limit; what destroys carries the owner's signed act.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
#[non_exhaustive]
pub(crate) enum Ask {
    Status,
    Secrets,
    Check { names: Vec<SecretName> },
    Grants { name: Option<SecretName> },
    Allowlist,
    Environments,
    Projects,
    UseEnvironment { environment: Label },
    UseProject { project: Label },
    Deny { name: SecretName, rules: Vec<String> },
    Delete { name: SecretName, act: Option<SignedAct> },
    Anchor,
    Agents,
    Tokens { agent: Option<Label> },
    RevokeToken { id: String },
    Limits,
    Approvals,
    Decide { decision: SignedDecision },
    Copy { act: SignedAct },
    Logs { query: LogsQuery },
    Shares,
    StopShare { path: PathBuf },
    Workspaces,
    UseWorkspace { workspace: Label },
    Diff { whole: bool },
    Pull { act: Option<SignedAct> },
    Push { names: Vec<SecretName>, act: Option<SignedAct> },
    Members,
    Append { workspace: uuid::Uuid, entries: Vec<agentsecrets_wire::Signed<agentsecrets_wire::chain::Entry>> },
    WorkspaceLog,
    Follow,
    Leave,
    History { name: SecretName },
    SyncStatus,
}

/// A question with the selection it is asked under.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) selection: Selection,
    #[serde(flatten)]
    pub(crate) ask: Ask,
}

/// What only the owner may have done to stored values. Bound to the very record it destroys, so it cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// The home's id.
    pub home: uuid::Uuid,
    /// The shared workspace; none in the home's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<uuid::Uuid>,
    /// What is done.
    pub kind: ActKind,
    /// The project's name.
    pub project: Label,
    /// The environment's name.
    pub environment: Label,
    /// The secrets and the records they have now.
    pub records: Vec<(SecretName, String)>,
}

impl Act {
    /// Whether it is of this place; equal names in another workspace are another place.
    pub(crate) fn is_of(&self, workspace: Option<uuid::Uuid>, project: &Label, environment: &Label) -> bool {
        (self.workspace, &self.project, &self.environment) == (workspace, project, environment)
    }
}

/// The kinds of [`Act`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActKind {
    /// Values are replaced.
    Overwrite,
    /// Values are destroyed.
    Delete,
    /// Values changed here are given up for those that the members have.
    Yield,
    /// Values here, or that there is none any more, replace what the members have.
    Push,
}

/// An act under the owner's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedAct {
    /// The act, as the JSON text that was signed.
    pub act: String,
    /// Ed25519 over it, in base64url.
    pub signature: String,
}

/// A new value's destination.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SetRequest {
    pub(crate) selection: Selection,
    pub(crate) name: SecretName,
    #[serde(default)]
    pub(crate) weak: bool,
    #[serde(default)]
    pub(crate) act: Option<SignedAct>,
}

/// New values' destinations, in the order of the values: all of them are stored or none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SetManyRequest {
    pub(crate) selection: Selection,
    pub(crate) names: Vec<SecretName>,
    /// The values' lengths, in bytes.
    #[serde(default)]
    pub(crate) lengths: Vec<usize>,
    #[serde(default)]
    pub(crate) weak: bool,
    #[serde(default)]
    pub(crate) act: Option<SignedAct>,
}

/// A secret as it is listed: its name and history, never its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretInfo {
    /// The name.
    pub name: SecretName,
    /// How often it has been set; 0 where it is linked to another manager.
    pub version: u64,
    /// The id of the sealed record that holds the value now; empty where it is linked.
    pub record: String,
    /// When it was first set.
    pub created: jiff::Timestamp,
    /// When it was last set.
    pub updated: jiff::Timestamp,
    /// Where it may go, as rules.
    pub destinations: Vec<String>,
    /// The program that is asked for the value, where it is linked to another manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Whether a name is there, and whether anything may be done with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The name asked for.
    pub name: SecretName,
    /// Whether the project and environment hold it.
    pub present: bool,
    /// Whether any destination is granted.
    pub granted: bool,
    /// The id of the sealed record that holds the value now.
    pub record: Option<String>,
    /// The program that is asked for the value, where it is linked to another manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// A grant as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantInfo {
    /// The secret.
    pub secret: SecretName,
    /// The project it is in.
    pub project: Label,
    /// Where it may go.
    pub rule: String,
    /// In which places of a request.
    pub slots: Vec<String>,
    /// With which methods; none named means any.
    pub methods: Vec<String>,
    /// In which environment; none named means any.
    pub environment: Option<Label>,
    /// Until when.
    pub expires: Option<jiff::Timestamp>,
    /// Whether a private address is permitted.
    pub private: bool,
    /// Caller's headers it permits besides.
    pub permit_headers: Vec<String>,
    /// The only agent it is for; none named means every caller.
    #[serde(default)]
    pub agent: Option<Label>,
    /// Whether a human approves each call.
    #[serde(default)]
    pub approve: bool,
    /// The limits that its calls count under.
    #[serde(default)]
    pub limits: Vec<String>,
    /// The program that is asked for the value, where it is linked to another manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `active`, `expired` or `denied`.
    pub state: String,
    /// Whether the value itself leaves, to every process of this user: a command's environment or a provider's answer.
    #[serde(default)]
    pub discloses: bool,
    /// The command that is given the value, word by word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// The program's path, without links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The exec provider that is given the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Label>,
}

/// Where things stand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The version of what answers.
    pub version: String,
    /// The home's folder; empty at a shared socket.
    pub home: String,
    /// `broker`, `broker-shared`, `broker-system` or `in-process`.
    pub isolation: String,
    /// The broker's process id, where one answers.
    pub broker_pid: Option<u32>,
    /// Where sealed records rest: `keychain` or `file`.
    pub store: String,
    /// Where the use key lies: `keychain`, `passphrase`, `file` or `fd`.
    pub use_key: String,
    /// Whether the use key is not open.
    pub locked: bool,
    /// Whether the home has an owner key.
    pub owner: bool,
    /// The workspace in use.
    pub workspace: Option<Label>,
    /// The project in use.
    pub project: Option<Label>,
    /// The environment in use.
    pub environment: Option<Label>,
    /// The agent that asks, where its token says so.
    #[serde(default)]
    pub agent: Option<Label>,
    /// How many secrets the environment holds; absent while locked.
    pub secrets: Option<usize>,
    /// How many grants the project has.
    pub grants: Option<usize>,
    /// How many limits the project has.
    #[serde(default)]
    pub limits: Option<usize>,
    /// The sockets that the owner shares with others than this user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<ShareInfo>,
    /// The secrets whose values leave by a door, to every process of this user.
    #[serde(default)]
    pub disclosed: Vec<SecretName>,
    /// The proxy that public calls leave by and that resolves their names, where there is one.
    #[serde(default)]
    pub egress: Option<EgressInfo>,
    /// The policy's serial number.
    pub policy_serial: Option<u64>,
    /// Why the selection or policy is not usable, where it is not.
    pub problem: Option<Problem>,
    /// How many audit records there are.
    pub audit_records: Option<u64>,
    /// Bytes of locked memory, and bytes that the limit did not let lock.
    pub memory: Option<MemoryReport>,
}

/// An error as it is shown in a status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The stable code.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What mends it.
    pub hint: Option<String>,
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code().to_string(),
            message: error.message().to_owned(),
            hint: error.hint().map(str::to_owned),
        }
    }
}

/// How much of the memory that holds values could be locked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryReport {
    /// Bytes that cannot be swapped out.
    pub locked: usize,
    /// Bytes the limit (`ulimit -l`) did not let us lock.
    pub unlocked: usize,
    /// Bytes whose pages the kernel would not keep out of core dumps or forked children.
    pub unguarded: usize,
}

/// A project as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectInfo {
    /// The project's name.
    pub name: Label,
    /// The workspace it is in.
    pub workspace: Label,
    /// The directories linked to it.
    pub directories: Vec<String>,
    /// Whether it is the one in use here.
    pub current: bool,
}

/// An environment as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentInfo {
    /// The environment's name.
    pub name: Label,
    /// How many secrets it holds.
    pub secrets: usize,
    /// Whether it is the one in use here.
    pub current: bool,
}
