//! What a host asks besides calls. One question and one answer type for every host; the answer is a tree of plain
//! values with the names of the core's types.

use agentsecrets::logs::{LogsQuery, Outcome};
use agentsecrets::{Error, ErrorCode, Label, Result, SecretName};
use serde_json::Value;

use crate::client::Client;

/// A question.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Ask {
    /// The names of the environment: a list of `SecretInfo`.
    Secrets,
    /// Whether names are there and granted: a list of `Checked`.
    Check(Vec<String>),
    /// The grants of the project, or of one name: a list of `GrantInfo`.
    Grants(Option<String>),
    /// The origins of the workspace allowlist: a list of texts, or null where the workspace has none.
    Allowlist,
    /// Where things stand: a `Status`, and as `sync` the `SyncStatus` of a home that has a server.
    Status,
    /// The calls on record, newest first: a list of `Entry`.
    Logs(LogsFilter),
    /// What is not the same here as with the members, of the environment or (`true`) of the workspace: a list of `DriftInfo`.
    Diff(bool),
    /// Takes in what the members have: a `PullReport`.
    Pull,
    /// Gives the members what is new, of these names or of all: a `PushReport`.
    Push(Vec<String>),
    /// The versions of a name: a list of `VersionInfo`.
    History(String),
    /// The workspaces of the home: a list of `WorkspaceInfo`.
    Workspaces,
    /// Makes a workspace the one in use: a `Chosen`.
    UseWorkspace(String),
    /// Who is in the workspace: a list of `MemberInfo`.
    Members,
    /// The membership chain: a list of `EntryInfo`.
    WorkspaceLog,
}

/// Which calls are wanted; what is absent asks nothing.
#[derive(Clone, Debug, Default)]
pub struct LogsFilter {
    /// At most this many, the newest.
    pub last: Option<usize>,
    /// `ok`, `denied`, `failed` or `cancelled`.
    pub outcome: Option<String>,
    /// Calls that named this secret.
    pub secret: Option<String>,
    /// Calls in this project.
    pub project: Option<String>,
    /// Calls in this environment.
    pub environment: Option<String>,
    /// Records of this time or later, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// The call of this id.
    pub call: Option<String>,
}

impl Client {
    /// Asks.
    ///
    /// # Errors
    /// `invalid_call` for a text that is no name, and those of the core's method of the same name.
    pub async fn ask(&self, ask: Ask) -> Result<Value> {
        let core = self.core().await?;
        match ask {
            Ask::Secrets => plain(&core.secrets().await?),
            Ask::Check(names) => plain(&core.check(parsed(&names)?).await?),
            Ask::Grants(name) => {
                let name = name.as_deref().map(SecretName::parse).transpose()?;
                plain(&core.grants(name).await?)
            }
            Ask::Allowlist => plain(&core.allowlist().await?),
            Ask::Status => status(core).await,
            Ask::Logs(filter) => plain(&core.logs(filter.query()?).await?),
            Ask::Diff(whole) => plain(&core.diff(whole).await?),
            // Without an act of the owner's: what needs one comes back by name.
            Ask::Pull => plain(&core.pull(None).await?),
            Ask::Push(names) => plain(&core.push(parsed(&names)?, None).await?),
            Ask::History(name) => plain(&core.history(SecretName::parse(&name)?).await?),
            Ask::Workspaces => plain(&core.workspaces().await?),
            Ask::UseWorkspace(name) => plain(&core.use_workspace(Label::parse(&name)?).await?),
            Ask::Members => plain(&core.members().await?),
            Ask::WorkspaceLog => plain(&core.workspace_log().await?),
        }
    }
}

/// The status, and beside it how the home stands to its server.
async fn status(core: &agentsecrets::Client) -> Result<Value> {
    let mut answer = plain(&core.status().await?)?;
    let sync = core.sync_status().await?;
    if let (Some(answer), Some(sync)) = (answer.as_object_mut(), sync) {
        answer.insert("sync".to_owned(), plain(&sync)?);
    }
    Ok(answer)
}

fn parsed(names: &[String]) -> Result<Vec<SecretName>> {
    names.iter().map(|name| SecretName::parse(name)).collect()
}

impl LogsFilter {
    fn query(self) -> Result<LogsQuery> {
        let label = |text: Option<String>| text.map(|text| Label::parse(&text)).transpose();
        let mut query = LogsQuery::default();
        query.last = self.last;
        query.outcome = self.outcome.map(|text| Outcome::parse(&text).ok_or_else(no_outcome)).transpose()?;
        query.secret = self.secret.map(|text| SecretName::parse(&text)).transpose()?;
        query.project = label(self.project)?;
        query.environment = label(self.environment)?;
        query.since = self
            .since_ms
            .map(jiff::Timestamp::from_millisecond)
            .transpose()
            .map_err(|_| Error::new(ErrorCode::InvalidCall, "since is no time that can be written"))?;
        query.call = self.call;
        Ok(query)
    }
}

fn no_outcome() -> Error {
    Error::new(ErrorCode::InvalidCall, "an outcome is ok, denied, failed or cancelled")
}

fn plain<T: serde::Serialize>(answer: &T) -> Result<Value> {
    serde_json::to_value(answer).map_err(|_| Error::new(ErrorCode::Internal, "the answer cannot be told"))
}
