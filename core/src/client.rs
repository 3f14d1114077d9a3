//! The one way in: a client opens a backend and hands calls to it. There are no features here.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::context::Selection;
use crate::control::{
    AgentInfo, Ask, Checked, EnvironmentInfo, GrantInfo, LimitInfo, ProjectInfo, Question, SecretInfo, SetManyRequest,
    SetRequest, SignedAct, SignedDecision, Status, TokenInfo, WaitingCall,
};
use crate::error::{Error, ErrorCode, Result};
use crate::home::Home;
use crate::resolve::SecretInput;
use crate::response::{Buffered, Response};
use crate::secret_ref::{Label, SecretName};
use crate::{broker, engine};

mod call_builder;
mod choices;
mod copy;
mod shares;
mod spawn;
mod sync;

pub use call_builder::CallBuilder;
pub use choices::{ClientBuilder, Isolation};
pub use spawn::{Child, ChildEvent, Exit, Spawn, Stream};

/// Makes authenticated requests by a secret's name. Cheap to clone; one is enough for a program.
///
/// ```no_run
/// # async fn example() -> agentsecrets::Result<()> {
/// let client = agentsecrets::Client::open().await?;
/// let balance: serde_json::Value =
///     client.get("https://api.stripe.com/v1/balance").bearer("STRIPE_KEY").send().await?.json().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    backend: Arc<Backend>,
    /// None where the broker is reached by a shared socket.
    home: Option<Home>,
    level: Isolation,
    selection: Selection,
    timeout: Option<Duration>,
}

enum Backend {
    Broker(broker::Link),
    InProcess(Arc<engine::Engine>),
}

impl Client {
    /// A client of the default home, through its broker. The broker starts itself at the first call.
    ///
    /// # Errors
    /// `not_initialized` where there is no home, `invalid_call` for an unusable variable or project file.
    pub async fn open() -> Result<Self> {
        Self::builder().open().await
    }

    /// A client whose engine runs in this process: for places where no second process can live.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and `store_locked` where the use key is under a passphrase.
    pub async fn in_process() -> Result<Self> {
        Self::builder().isolation(Isolation::InProcess).open().await
    }

    /// Every choice there is.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// How far the values are from this process.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        self.inner.level
    }

    /// The home in use; none at a shared socket.
    #[must_use]
    pub fn home(&self) -> Option<&Home> {
        self.inner.home.as_ref()
    }

    /// Starts a `GET`.
    pub fn get(&self, url: &str) -> CallBuilder {
        self.request(Method::GET, url)
    }

    /// Starts a `POST`.
    pub fn post(&self, url: &str) -> CallBuilder {
        self.request(Method::POST, url)
    }

    /// Starts a `PUT`.
    pub fn put(&self, url: &str) -> CallBuilder {
        self.request(Method::PUT, url)
    }

    /// Starts a `PATCH`.
    pub fn patch(&self, url: &str) -> CallBuilder {
        self.request(Method::PATCH, url)
    }

    /// Starts a `DELETE`.
    pub fn delete(&self, url: &str) -> CallBuilder {
        self.request(Method::DELETE, url)
    }

    /// Starts a call with any method. What is wrong with it is said when it is sent.
    pub fn request(&self, method: Method, url: &str) -> CallBuilder {
        CallBuilder { client: self.clone(), call: Call::new(method, url) }
    }

    /// Sends a finished call.
    ///
    /// # Errors
    /// Every code of `docs/errors/` of the stages from `context` to `redact`.
    pub async fn send(&self, mut call: Call) -> Result<Response> {
        call.timeout = call.timeout.or(self.inner.timeout);
        let selection = &self.inner.selection;
        match &*self.inner.backend {
            Backend::Broker(link) => link.call(call, selection).await,
            // In a box: every future it passes through would be larger by its 18 KiB.
            Backend::InProcess(engine) => Box::pin(engine.call(call, engine::gate::Entrant::own(selection))).await,
        }
    }

    /// Sends a finished call and reads its body, all within the call's deadline and length limit.
    ///
    /// # Errors
    /// Those of [`send`](Self::send) and [`Response::buffered`].
    pub async fn send_buffered(&self, mut call: Call) -> Result<Buffered> {
        call.buffered = true;
        self.send(call).await?.buffered().await
    }

    /// The names of the environment in use.
    ///
    /// # Errors
    /// `store_locked`, and those of reaching the backend.
    pub async fn secrets(&self) -> Result<Vec<SecretInfo>> {
        self.ask(Ask::Secrets).await
    }

    /// Whether names are there and granted.
    ///
    /// # Errors
    /// `store_locked`, and those of reaching the backend.
    pub async fn check(&self, names: Vec<SecretName>) -> Result<Vec<Checked>> {
        self.ask(Ask::Check { names }).await
    }

    /// Stores a value under a new name, or over an old one with the owner's act.
    ///
    /// # Errors
    /// `owner_required` where the name exists and there is no act, `invalid_value`, `store_locked`.
    pub async fn set(
        &self,
        name: SecretName,
        value: SecretInput,
        weak: bool,
        act: Option<SignedAct>,
    ) -> Result<SecretInfo> {
        let request = SetRequest { selection: self.inner.selection.clone(), name, weak, act };
        match &*self.inner.backend {
            Backend::Broker(link) => link.set(&request, value).await,
            Backend::InProcess(engine) => engine.set(&request, value).await,
        }
    }

    /// Stores values under new names, or over old ones with the owner's act: all of them or none.
    ///
    /// # Errors
    /// Those of [`set`](Self::set), and `invalid_call` for a name that is there twice.
    pub async fn set_many(
        &self,
        secrets: Vec<(SecretName, SecretInput)>,
        weak: bool,
        act: Option<SignedAct>,
    ) -> Result<Vec<SecretInfo>> {
        let (names, values): (Vec<_>, Vec<_>) = secrets.into_iter().unzip();
        let lengths = values.iter().map(SecretInput::len).collect();
        let request = SetManyRequest { selection: self.inner.selection.clone(), names, lengths, weak, act };
        match &*self.inner.backend {
            Backend::Broker(link) => link.set_many(&request, values).await,
            Backend::InProcess(engine) => engine.set_many(&request, values).await,
        }
    }

    /// Destroys a value, with the owner's act.
    ///
    /// # Errors
    /// `owner_required` without an act, `secret_not_found`, `store_locked`.
    pub async fn delete_secret(&self, name: SecretName, act: Option<SignedAct>) -> Result<()> {
        self.ask(Ask::Delete { name, act }).await
    }

    /// Takes a permission away: `rules` of `name`, or all of them where none is named. Only the owner gives it back.
    ///
    /// # Errors
    /// `invalid_call` for a malformed rule, `store_locked`.
    pub async fn deny(&self, name: SecretName, rules: Vec<String>) -> Result<Vec<GrantInfo>> {
        self.ask(Ask::Deny { name, rules }).await
    }

    /// The grants of the project in use.
    ///
    /// # Errors
    /// `policy_invalid`, and those of reaching the backend.
    pub async fn grants(&self, name: Option<SecretName>) -> Result<Vec<GrantInfo>> {
        self.ask(Ask::Grants { name }).await
    }

    /// The origins of the workspace allowlist; `None` where the workspace has none.
    ///
    /// # Errors
    /// `policy_invalid`, and those of reaching the backend.
    pub async fn allowlist(&self) -> Result<Option<Vec<String>>> {
        self.ask(Ask::Allowlist).await
    }

    /// Where things stand.
    ///
    /// # Errors
    /// Those of reaching the backend.
    pub async fn status(&self) -> Result<Status> {
        self.ask(Ask::Status).await
    }

    /// Where the audit log's chain stands in the memory of what answers: it exposes a tail that was cut since.
    ///
    /// # Errors
    /// Those of reaching the backend.
    pub async fn audit_anchor(&self) -> Result<crate::logs::Anchor> {
        self.ask(Ask::Anchor).await
    }

    /// The projects of this home.
    ///
    /// # Errors
    /// `policy_invalid`, and those of reaching the backend.
    pub async fn projects(&self) -> Result<Vec<ProjectInfo>> {
        self.ask(Ask::Projects).await
    }

    /// The environments of the project in use.
    ///
    /// # Errors
    /// `store_locked`, and those of reaching the backend.
    pub async fn environments(&self) -> Result<Vec<EnvironmentInfo>> {
        self.ask(Ask::Environments).await
    }

    /// Makes an environment the one in use for the project, until another is chosen.
    ///
    /// # Errors
    /// `invalid_call` for an environment the project does not have.
    pub async fn use_environment(&self, environment: Label) -> Result<()> {
        self.ask(Ask::UseEnvironment { environment }).await
    }

    /// Makes a linked project the one that the project file of this directory may name, until another is chosen.
    ///
    /// # Errors
    /// `project_not_linked` for a directory or project that the owner never linked, `project_not_found`.
    pub async fn use_project(&self, project: Label) -> Result<()> {
        self.ask(Ask::UseProject { project }).await
    }

    /// The agents of the project in use.
    ///
    /// # Errors
    /// `policy_invalid`, and those of reaching the backend.
    pub async fn agents(&self) -> Result<Vec<AgentInfo>> {
        self.ask(Ask::Agents).await
    }

    /// The tokens of the project in use, or of one agent.
    ///
    /// # Errors
    /// `invalid_call` for an agent that is not registered, `policy_invalid`.
    pub async fn agent_tokens(&self, agent: Option<Label>) -> Result<Vec<TokenInfo>> {
        self.ask(Ask::Tokens { agent }).await
    }

    /// The limits of the project in use, and how much of each is used.
    ///
    /// # Errors
    /// `store_locked`, `policy_invalid`, and those of reaching the backend.
    pub async fn limits(&self) -> Result<Vec<LimitInfo>> {
        self.ask(Ask::Limits).await
    }

    /// The calls that wait for a human's approval.
    ///
    /// # Errors
    /// Those of reaching the backend.
    pub async fn waiting_calls(&self) -> Result<Vec<WaitingCall>> {
        self.ask(Ask::Approvals).await
    }

    /// Brings the owner's decision to the broker that holds the call.
    ///
    /// # Errors
    /// `owner_required` for a decision that the owner did not sign, `invalid_call` where the call waits no more.
    pub async fn decide(&self, decision: SignedDecision) -> Result<()> {
        self.ask(Ask::Decide { decision }).await
    }

    /// Revokes a token, at once and for good.
    ///
    /// # Errors
    /// `invalid_call` for an id that is no token's, `store_locked`.
    pub async fn revoke_agent_token(&self, id: String) -> Result<TokenInfo> {
        self.ask(Ask::RevokeToken { id }).await
    }

    async fn ask<T: DeserializeOwned>(&self, ask: Ask) -> Result<T> {
        let question = Question { selection: self.inner.selection.clone(), ask };
        let answer = match &*self.inner.backend {
            Backend::Broker(link) => link.ask(&question).await?,
            Backend::InProcess(engine) => engine.ask(&question).await?,
        };
        serde_json::from_value(answer)
            .map_err(|why| Error::new(ErrorCode::Internal, format!("the answer has another shape: {why}")))
    }
}
