//! The one way in: a client opens a backend and hands calls to it. There are no features here.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde::de::DeserializeOwned;

use crate::call::{Auth, Body, Call, FieldPath, Multipart};
use crate::context::Selection;
use crate::control::{
    Ask, Checked, EnvironmentInfo, GrantInfo, ProjectInfo, Question, SecretInfo, SetRequest, SignedAct, Status,
};
use crate::error::{Error, ErrorCode, Result};
use crate::home::{Home, Unlock};
use crate::resolve::SecretInput;
use crate::response::{Buffered, Response};
use crate::secret_ref::{Label, SecretName, SecretRef};
use crate::{broker, engine};

/// How far the values are from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// A process of its own holds the values; this one holds names and a socket.
    Broker,
    /// The engine runs in this process, whose native memory any code in it can read.
    InProcess,
}

impl Isolation {
    /// The level's name in `status`, records and `AGENTSECRETS_ISOLATION`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::InProcess => "in-process",
        }
    }

    /// Parses a level's name.
    ///
    /// # Errors
    /// `invalid_call` for any other text.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "broker" => Ok(Self::Broker),
            "in-process" => Ok(Self::InProcess),
            _ => Err(Error::new(ErrorCode::InvalidCall, "isolation is \"broker\" or \"in-process\"")),
        }
    }
}

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

struct Inner {
    backend: Backend,
    home: Home,
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
        match self.inner.backend {
            Backend::Broker(_) => Isolation::Broker,
            Backend::InProcess(_) => Isolation::InProcess,
        }
    }

    /// The home in use.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.inner.home
    }

    /// Starts a `GET`.
    #[must_use]
    pub fn get(&self, url: &str) -> CallBuilder {
        self.request(Method::GET, url)
    }

    /// Starts a `POST`.
    #[must_use]
    pub fn post(&self, url: &str) -> CallBuilder {
        self.request(Method::POST, url)
    }

    /// Starts a `PUT`.
    #[must_use]
    pub fn put(&self, url: &str) -> CallBuilder {
        self.request(Method::PUT, url)
    }

    /// Starts a `PATCH`.
    #[must_use]
    pub fn patch(&self, url: &str) -> CallBuilder {
        self.request(Method::PATCH, url)
    }

    /// Starts a `DELETE`.
    #[must_use]
    pub fn delete(&self, url: &str) -> CallBuilder {
        self.request(Method::DELETE, url)
    }

    /// Starts a call with any method. What is wrong with it is said when it is sent.
    #[must_use]
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
        match &self.inner.backend {
            Backend::Broker(link) => link.call(call, selection).await,
            Backend::InProcess(engine) => engine.call(call, selection).await,
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
        match &self.inner.backend {
            Backend::Broker(link) => link.set(&request, value).await,
            Backend::InProcess(engine) => engine.set(&request, value).await,
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

    async fn ask<T: DeserializeOwned>(&self, ask: Ask) -> Result<T> {
        let question = Question { selection: self.inner.selection.clone(), ask };
        let answer = match &self.inner.backend {
            Backend::Broker(link) => link.ask(&question).await?,
            Backend::InProcess(engine) => engine.ask(&question).await?,
        };
        serde_json::from_value(answer)
            .map_err(|why| Error::new(ErrorCode::Internal, format!("the answer has another shape: {why}")))
    }
}

/// The choices of a [`Client`]. What is not said comes from the environment variables and the project file.
#[derive(Clone, Debug, Default)]
pub struct ClientBuilder {
    home: Option<PathBuf>,
    project: Option<String>,
    environment: Option<String>,
    isolation: Option<Isolation>,
    unlock: Option<String>,
    timeout: Option<Duration>,
    executable: Option<PathBuf>,
}

impl ClientBuilder {
    /// Another home than `AGENTSECRETS_HOME` or `~/.agentsecrets`.
    #[must_use]
    pub fn home(mut self, home: impl AsRef<Path>) -> Self {
        self.home = Some(home.as_ref().to_owned());
        self
    }

    /// A project linked in this home.
    #[must_use]
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// An environment of the project.
    #[must_use]
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// The isolation level; `AGENTSECRETS_ISOLATION` or the broker unless said.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = Some(isolation);
        self
    }

    /// The place of the use key (`file:PATH`, `fd:N`, `keychain`) for an in-process engine.
    #[must_use]
    pub fn unlock(mut self, place: impl Into<String>) -> Self {
        self.unlock = Some(place.into());
        self
    }

    /// How long a call may take unless it says otherwise; 60 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The `agentsecrets` executable of the caller's own package, started where no broker runs.
    #[must_use]
    pub fn executable(mut self, executable: impl AsRef<Path>) -> Self {
        self.executable = Some(executable.as_ref().to_owned());
        self
    }

    /// Opens the client.
    ///
    /// # Errors
    /// `not_initialized` where there is no home, `invalid_call` for an unusable choice, variable or project file;
    /// in-process also those of opening the store.
    pub async fn open(self) -> Result<Client> {
        let home = Home::locate(self.home.as_deref())?;
        let selection = self.selection()?;
        let backend = match self.level()? {
            Isolation::Broker => Backend::Broker(broker::Link::new(&home, self.executable.as_deref())?),
            Isolation::InProcess => {
                let place = self.place()?;
                Backend::InProcess(engine::Engine::in_process(&home, place.as_ref()).await?)
            }
        };
        Ok(Client { inner: Arc::new(Inner { backend, home, selection, timeout: self.timeout }) })
    }

    fn selection(&self) -> Result<Selection> {
        let label = |text: &Option<String>| text.as_deref().map(Label::parse).transpose();
        let process = Selection::from_process()?;
        Ok(Selection {
            project: label(&self.project)?.or(process.project),
            environment: label(&self.environment)?.or(process.environment),
            ..process
        })
    }

    fn level(&self) -> Result<Isolation> {
        match (self.isolation, std::env::var("AGENTSECRETS_ISOLATION")) {
            (Some(level), _) => Ok(level),
            (None, Ok(text)) if !text.is_empty() => Isolation::parse(&text),
            _ => Ok(Isolation::Broker),
        }
    }

    fn place(&self) -> Result<Option<Unlock>> {
        match (&self.unlock, std::env::var("AGENTSECRETS_UNLOCK")) {
            (Some(text), _) => text.parse().map(Some),
            (None, Ok(text)) if !text.is_empty() => text.parse().map(Some),
            _ => Ok(None),
        }
    }
}

/// A call being written. The first mistake is kept and said when it is sent.
#[must_use = "a call does nothing until it is sent"]
pub struct CallBuilder {
    client: Client,
    call: Result<Call>,
}

impl CallBuilder {
    /// `Authorization: Bearer` with this secret's value.
    pub fn bearer<S: TryInto<SecretRef, Error = Error>>(self, secret: S) -> Self {
        self.inject(Auth::Bearer, secret)
    }

    /// `Authorization: Basic` with this secret's `user:password`.
    pub fn basic<S: TryInto<SecretRef, Error = Error>>(self, secret: S) -> Self {
        self.inject(Auth::Basic, secret)
    }

    /// A header with this secret's value.
    pub fn secret_header<S: TryInto<SecretRef, Error = Error>>(self, name: &str, secret: S) -> Self {
        match crate::call::parse_header_name(name) {
            Ok(name) => self.inject(Auth::Header(name), secret),
            Err(error) => self.failed(error),
        }
    }

    /// A query parameter with this secret's value.
    pub fn secret_query<S: TryInto<SecretRef, Error = Error>>(self, name: &str, secret: S) -> Self {
        self.inject(Auth::Query(name.to_owned()), secret)
    }

    /// A field of the JSON body with this secret's value: a dotted path or an RFC 6901 pointer.
    pub fn body_field<S: TryInto<SecretRef, Error = Error>>(self, path: &str, secret: S) -> Self {
        match FieldPath::parse(path) {
            Ok(path) => self.inject(Auth::BodyField(path), secret),
            Err(error) => self.failed(error),
        }
    }

    /// A field of the form body with this secret's value.
    pub fn form_field<S: TryInto<SecretRef, Error = Error>>(self, name: &str, secret: S) -> Self {
        self.inject(Auth::FormField(name.to_owned()), secret)
    }

    /// Any style by its place.
    pub fn inject<S: TryInto<SecretRef, Error = Error>>(self, auth: Auth, secret: S) -> Self {
        self.with(|call| call.inject(auth, secret.try_into()?))
    }

    /// A plain header.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.with(|call| call.header(name, value.as_bytes()))
    }

    /// Plain query parameters.
    pub fn params<N: AsRef<str>, V: AsRef<str>>(self, pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        self.with(|call| Ok(call.params(pairs)))
    }

    /// A body as it is.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.with(|call| Ok(call.body(body)))
    }

    /// A JSON body.
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> Self {
        self.with(|call| match serde_json::to_vec(value) {
            Ok(text) => Ok(call.json(text)),
            Err(why) => Err(Error::new(ErrorCode::InvalidCall, format!("the body cannot be written as JSON: {why}"))),
        })
    }

    /// A form body.
    pub fn form<N: AsRef<str>, V: AsRef<str>>(self, fields: impl IntoIterator<Item = (N, V)>) -> Self {
        self.with(|call| Ok(call.form(fields)))
    }

    /// A multipart body.
    pub fn multipart(self, multipart: Multipart) -> Self {
        self.with(|call| Ok(call.multipart(multipart)))
    }

    /// How long the call may take.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|call| Ok(call.timeout(timeout)))
    }

    /// The longest body that [`Response::buffered`] reads.
    pub fn max_response(self, bytes: u64) -> Self {
        self.with(|call| Ok(call.max_response(bytes)))
    }

    /// How often an idempotent call may be tried again; never unless said.
    pub fn retries(self, retries: u32) -> Self {
        self.with(|call| Ok(call.retries(retries)))
    }

    /// Sends the call.
    ///
    /// # Errors
    /// The first mistake of the builder, and those of [`Client::send`].
    pub async fn send(self) -> Result<Response> {
        self.client.send(self.call?).await
    }

    /// Sends the call and reads the whole body.
    ///
    /// # Errors
    /// The first mistake of the builder, and those of [`Client::send_buffered`].
    pub async fn send_buffered(self) -> Result<Buffered> {
        self.client.send_buffered(self.call?).await
    }

    fn with(mut self, change: impl FnOnce(&mut Call) -> Result<()>) -> Self {
        if let Ok(call) = &mut self.call
            && let Err(error) = change(call)
        {
            self.call = Err(error);
        }
        self
    }

    fn failed(self, error: Error) -> Self {
        self.with(|_| Err(error))
    }
}
