//! A client that a forked child opens anew, and a response that is read piece by piece.

use std::future::Future;
use std::path::PathBuf;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Mutex, TryLockError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use agentsecrets::response::{Buffered, Response};
use agentsecrets::{AgentToken, Call, Error, ErrorCode, Isolation, Label, Result};
use bytes::Bytes;

use crate::fork::ProcessBound;

/// The choices of a client; what is absent comes from the environment and the project file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The home's folder.
    pub home: Option<PathBuf>,
    /// A workspace of the home.
    pub workspace: Option<String>,
    /// A project linked in the home.
    pub project: Option<String>,
    /// An environment of the project.
    pub environment: Option<String>,
    /// `broker` or `in-process`, where no broker is named.
    pub isolation: Option<String>,
    /// A broker that is shared with this process, as `unix:/path`, in place of a home.
    pub broker: Option<String>,
    /// The token by which an agent says who it is.
    pub agent_token: Option<AgentToken>,
    /// The place of the use key, for an in-process engine.
    pub unlock: Option<String>,
    /// How long a call may take unless it says otherwise.
    pub timeout: Option<Duration>,
    /// The executable of the host's own package.
    pub executable: Option<PathBuf>,
}

/// A client of one process and its forked children.
pub struct Client {
    options: Options,
    isolation: &'static str,
    /// Replaced once per fork and freed with the client: a lock here could be held by another thread at the fork.
    opened: AtomicPtr<ProcessBound<agentsecrets::Client>>,
}

impl Client {
    /// Opens a client.
    ///
    /// # Errors
    /// Those of the core's `ClientBuilder::open`.
    pub async fn open(options: Options) -> Result<Self> {
        let client = build(&options).await?;
        Ok(Self::of(options, client))
    }

    /// The same client in another workspace, over the same connections; its project is `project`, else one that is there.
    ///
    /// # Errors
    /// `invalid_call` for a text that is no name; in a forked child, those of opening the client anew.
    pub async fn in_workspace(&self, workspace: String, project: Option<String>) -> Result<Self> {
        let label = Label::parse(&workspace)?;
        let inside = project.as_deref().map(Label::parse).transpose()?;
        let client = self.core().await?.in_workspace(label, inside);
        Ok(Self::of(Options { workspace: Some(workspace), project, ..self.options.clone() }, client))
    }

    fn of(options: Options, client: agentsecrets::Client) -> Self {
        let isolation = client.isolation().as_str();
        let opened = Box::into_raw(Box::new(ProcessBound::new(client)));
        Self { options, isolation, opened: AtomicPtr::new(opened) }
    }

    /// The core's client of this process.
    ///
    /// # Errors
    /// In a forked child, those of opening it anew.
    pub async fn core(&self) -> Result<&agentsecrets::Client> {
        if let Some(client) = self.known() {
            return Ok(client);
        }
        let client = build(&self.options).await?;
        self.publish(client);
        self.known().ok_or_else(|| Error::new(ErrorCode::Internal, "the client was not opened"))
    }

    fn known(&self) -> Option<&agentsecrets::Client> {
        // SAFETY: the pointer comes from `Box::into_raw`, and is freed by `drop` alone, which borrows exclusively.
        unsafe { self.opened.load(Ordering::Acquire).as_ref() }.and_then(ProcessBound::get)
    }

    /// Puts the child's client in the place of the parent's, which is left alone. Of two threads the first one wins.
    fn publish(&self, client: agentsecrets::Client) {
        let old = self.opened.load(Ordering::Acquire);
        // SAFETY: as in `known`.
        if unsafe { old.as_ref() }.is_some_and(|bound| bound.get().is_some()) {
            return;
        }
        let new = Box::into_raw(Box::new(ProcessBound::new(client)));
        if self.opened.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: `new` comes from `Box::into_raw` above and was not published.
            drop(unsafe { Box::from_raw(new) });
        }
    }

    /// Sends a call and reads the whole answer.
    ///
    /// # Errors
    /// Those of the core's `Client::send_buffered`.
    pub async fn send(&self, call: Call) -> Result<Buffered> {
        self.core().await?.send_buffered(call).await
    }

    /// Sends a call, and leaves the answer's body to be read.
    ///
    /// # Errors
    /// Those of the core's `Client::send`.
    pub async fn stream(&self, call: Call) -> Result<Stream> {
        Ok(Stream::new(self.core().await?.send(call).await?))
    }

    /// How far the values are from this process, as `status` names it. A fork does not change it.
    #[must_use]
    pub fn isolation(&self) -> &'static str {
        self.isolation
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let opened = self.opened.swap(ptr::null_mut(), Ordering::AcqRel);
        if !opened.is_null() {
            // SAFETY: the pointer comes from `Box::into_raw`, and nobody else has the client any more.
            drop(unsafe { Box::from_raw(opened) });
            crate::runtime::settle();
        }
    }
}

async fn build(options: &Options) -> Result<agentsecrets::Client> {
    let options = options.clone();
    let mut builder = agentsecrets::Client::builder();
    if let Some(home) = options.home {
        builder = builder.home(home);
    }
    if let Some(workspace) = options.workspace {
        builder = builder.workspace(workspace);
    }
    if let Some(project) = options.project {
        builder = builder.project(project);
    }
    if let Some(environment) = options.environment {
        builder = builder.environment(environment);
    }
    if let Some(level) = options.isolation {
        builder = builder.isolation(Isolation::parse(&level)?);
    }
    if let Some(socket) = options.broker {
        builder = builder.broker(socket);
    }
    if let Some(token) = options.agent_token {
        builder = builder.agent_token(token);
    }
    if let Some(place) = options.unlock {
        builder = builder.unlock(place);
    }
    if let Some(timeout) = options.timeout {
        builder = builder.timeout(timeout);
    }
    if let Some(executable) = options.executable {
        builder = builder.executable(executable);
    }
    builder.open().await
}

/// A response whose body is read by one reader at a time.
pub struct Stream {
    slot: Mutex<Option<ProcessBound<Response>>>,
    closed: AtomicBool,
}

impl Stream {
    fn new(response: Response) -> Self {
        Self { slot: Mutex::new(Some(ProcessBound::new(response))), closed: AtomicBool::new(false) }
    }

    /// Looks at the response.
    ///
    /// # Errors
    /// `cancelled` where the stream is closed, is read by another thread, or belongs to the parent process.
    pub fn look<T>(&self, at: impl FnOnce(&Response) -> T) -> Result<T> {
        let slot = self.slot.try_lock().map_err(|why| busy(&why))?;
        slot.as_ref().and_then(ProcessBound::get).map(at).ok_or_else(closed)
    }

    /// The next piece if it is already there: `Some(None)` is the end, `None` means that it has to be waited for.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    pub fn ready(&self) -> Result<Option<Option<Bytes>>> {
        let mut slot = self.slot.try_lock().map_err(|why| busy(&why))?;
        let response = slot.as_mut().and_then(ProcessBound::get_mut).ok_or_else(closed)?;
        let _entered = crate::runtime::enter()?;
        let polled = std::pin::pin!(response.chunk()).poll(&mut Context::from_waker(Waker::noop()));
        match polled {
            Poll::Ready(piece) => piece.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    /// The next piece of the body, `None` at its end. Given up, it ends the call.
    ///
    /// # Errors
    /// `cancelled` where the stream is closed or in use elsewhere, and those of the core's `Response::chunk`.
    pub async fn next(&self) -> Result<Option<Bytes>> {
        let mut taken = self.slot.try_lock().map_err(|why| busy(&why))?.take().ok_or_else(closed)?;
        let piece = taken.get_mut().ok_or_else(closed)?.chunk().await;
        if let (false, Ok(mut slot)) = (self.closed.load(Ordering::Acquire), self.slot.try_lock()) {
            *slot = Some(taken);
        }
        piece
    }

    /// Ends the call; what was not read is not read any more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        if let Ok(mut slot) = self.slot.try_lock()
            && slot.take().is_some()
        {
            crate::runtime::settle();
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.close();
    }
}

fn busy<T>(_why: &TryLockError<T>) -> Error {
    Error::new(ErrorCode::Cancelled, "the stream is read by another thread").with_retryable(false)
}

fn closed() -> Error {
    Error::new(ErrorCode::Cancelled, "the stream is closed, in use elsewhere, or of the parent process")
        .with_retryable(false)
}
