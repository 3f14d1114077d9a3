//! The client: calls, streams and questions, each with an id under which the mailbox brings what comes of it.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use agentsecrets_bridge::{Ask, Client, Error, ErrorCode, LogsFilter, Options, Result, Step, drive, guard};
use bytes::Bytes;
use napi::Either;
use napi_derive::napi;

use crate::answer::{Head, Outcome};
use crate::call::{CallSpec, milliseconds, parse};
use crate::child::{NativeChild, SpawnSpec};
use crate::mailbox::{Mailbox, Shared};
use crate::refusal::Refusal;
use crate::stream::BodyStream;

/// The choices of a client.
#[napi(object, object_to_js = false)]
pub struct ClientOptions {
    /// The home's folder.
    pub home: Option<String>,
    /// A workspace of the home.
    pub workspace: Option<String>,
    /// A project linked in the home.
    pub project: Option<String>,
    /// An environment of the project.
    pub environment: Option<String>,
    /// A broker that is shared with this process, in place of a home.
    pub broker: Option<String>,
    /// The token by which an agent says who it is.
    pub agent_token: Option<String>,
    /// `broker` or `in-process`.
    pub isolation: Option<String>,
    /// The place of the use key, for an in-process engine.
    pub unlock: Option<String>,
    /// In milliseconds.
    pub timeout: Option<f64>,
    /// The executable of the package.
    pub executable: Option<String>,
}

/// Which calls of the log are wanted.
#[napi(object, object_to_js = false)]
pub struct LogsOptions {
    /// At most this many, the newest.
    pub last: Option<u32>,
    /// `ok`, `denied`, `failed` or `cancelled`.
    pub outcome: Option<String>,
}

/// A client of one environment.
#[napi]
pub struct NativeClient {
    client: Option<Arc<Client>>,
    mailbox: Arc<Shared>,
    isolation: &'static str,
}

/// Opens a client whose work is delivered to `mailbox`.
#[napi]
pub fn open_client(mailbox: &Mailbox, options: ClientOptions) -> Either<NativeClient, Refusal> {
    let opened = guard(|| {
        let timeout = options.timeout.map(milliseconds).transpose()?;
        let client = wait_for(Client::open(Options {
            home: options.home.map(PathBuf::from),
            workspace: options.workspace,
            project: options.project,
            environment: options.environment,
            broker: options.broker,
            agent_token: options.agent_token.map(Into::into),
            isolation: options.isolation,
            unlock: options.unlock,
            timeout,
            executable: options.executable.map(PathBuf::from),
        }))?;
        Ok(NativeClient::of(client, mailbox.shared()))
    });
    either(opened)
}

fn either(opened: Result<NativeClient>) -> Either<NativeClient, Refusal> {
    match opened {
        Ok(client) => Either::A(client),
        Err(error) => Either::B(Refusal::from(&error)),
    }
}

fn wait_for<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut work = pin!(work);
    loop {
        if let Step::Done(done) = drive(work.as_mut(), Duration::from_secs(1))? {
            return done;
        }
    }
}

#[napi]
impl NativeClient {
    /// How far the values are from this process.
    #[napi(getter)]
    pub fn isolation(&self) -> &str {
        self.isolation
    }

    /// The same client in another workspace, over the same connections.
    #[napi]
    pub fn in_workspace(&self, workspace: String, project: Option<String>) -> Either<NativeClient, Refusal> {
        either(guard(|| {
            let inside = wait_for(self.opened()?.in_workspace(workspace, project))?;
            Ok(Self::of(inside, Arc::clone(&self.mailbox)))
        }))
    }

    /// Sends a call; its whole response is delivered.
    #[napi]
    pub fn call(&self, id: u32, call: CallSpec, bytes: Option<&[u8]>) -> Option<Refusal> {
        refused(guard(|| {
            let (client, call) = (self.opened()?, self.parse(call, bytes)?);
            self.mailbox.begin(id, async move { Ok(Outcome::Response(Box::new(client.send(call).await?))) })
        }))
    }

    /// Sends a call; its head and its body to be read are delivered.
    #[napi]
    pub fn stream(&self, id: u32, call: CallSpec, bytes: Option<&[u8]>) -> Option<Refusal> {
        refused(guard(|| {
            let (client, call) = (self.opened()?, self.parse(call, bytes)?);
            let mailbox = Arc::clone(&self.mailbox);
            self.mailbox.begin(id, async move {
                let stream = client.stream(call).await?;
                let head = stream.look(Head::of)?;
                Ok(Outcome::Opened(head, BodyStream::new(stream, mailbox)))
            })
        }))
    }

    /// Asks; the answer is delivered. `names` are those of `check` and `push`, or the one that is asked about.
    #[napi]
    pub fn ask(&self, id: u32, what: String, names: Option<Vec<String>>, logs: Option<LogsOptions>) -> Option<Refusal> {
        refused(guard(|| {
            let (client, ask) = (self.opened()?, question(&what, names.unwrap_or_default(), logs)?);
            self.mailbox.begin(id, async move { Ok(Outcome::Answer(client.ask(ask).await?)) })
        }))
    }

    /// Has the broker start a granted command; the child is delivered.
    #[napi]
    pub fn spawn(&self, id: u32, spec: SpawnSpec) -> Option<Refusal> {
        refused(guard(|| {
            let (client, said, mailbox) = (self.opened()?, spec.read(), Arc::clone(&self.mailbox));
            let work = async move { Ok(Outcome::Spawned(NativeChild::new(client.spawn(said).await?, mailbox))) };
            self.mailbox.begin(id, work)
        }))
    }

    /// Lets the client go. Later calls are refused; those under way are not touched.
    #[napi]
    pub fn close(&mut self) {
        self.client = None;
    }

    fn of(client: Client, mailbox: Arc<Shared>) -> Self {
        let isolation = client.isolation();
        Self { client: Some(Arc::new(client)), mailbox, isolation }
    }

    fn opened(&self) -> Result<Arc<Client>> {
        self.client.clone().ok_or_else(|| Error::new(ErrorCode::InvalidCall, "the client is closed"))
    }

    fn parse(&self, call: CallSpec, bytes: Option<&[u8]>) -> Result<agentsecrets::Call> {
        parse(call, bytes.map(Bytes::copy_from_slice), &mut |feed| self.mailbox.bodies.take(feed))
    }
}

fn question(what: &str, names: Vec<String>, logs: Option<LogsOptions>) -> Result<Ask> {
    let one = |names: Vec<String>| {
        names.into_iter().next().ok_or_else(|| Error::new(ErrorCode::InvalidCall, "a name is missing"))
    };
    Ok(match what {
        "secrets" => Ask::Secrets,
        "check" => Ask::Check(names),
        "grants" => Ask::Grants(names.into_iter().next()),
        "allowlist" => Ask::Allowlist,
        "status" => Ask::Status,
        "logs" => {
            let (last, outcome) = logs.map_or((None, None), |logs| (logs.last, logs.outcome));
            Ask::Logs(LogsFilter { last: last.map(|last| last as usize), outcome, ..LogsFilter::default() })
        }
        "diff" => Ask::Diff(false),
        "diff_whole" => Ask::Diff(true),
        "pull" => Ask::Pull,
        "push" => Ask::Push(names),
        "history" => Ask::History(one(names)?),
        "workspaces" => Ask::Workspaces,
        "use_workspace" => Ask::UseWorkspace(one(names)?),
        "members" => Ask::Members,
        "workspace_log" => Ask::WorkspaceLog,
        _ => return Err(Error::new(ErrorCode::Internal, "the question is unknown")),
    })
}

pub(crate) fn refused(begun: Result<()>) -> Option<Refusal> {
    begun.err().map(|error| Refusal::from(&error))
}
