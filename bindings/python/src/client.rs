//! The client as the package sees it.

use std::path::PathBuf;
use std::sync::Arc;

use agentsecrets_bridge::{self as bridge, LogsFilter, Options, SpawnDescription};
use pyo3::prelude::*;

use crate::child::Child;
use crate::error::raise;
use crate::request::{Request, parse_timeout};
use crate::response::{Response, Stream};
use crate::value::to_python;
use crate::wait::{Sources, wait};

/// A client: names and a socket.
#[pyclass(frozen, module = "agentsecrets._native")]
pub(crate) struct Client {
    pub(crate) inner: Arc<bridge::Client>,
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (home, workspace, project, environment, agent_token, broker, isolation, unlock, timeout, executable))]
    #[allow(clippy::too_many_arguments)] // Python passes them by position, once.
    fn new(
        py: Python<'_>,
        home: Option<PathBuf>,
        workspace: Option<String>,
        project: Option<String>,
        environment: Option<String>,
        agent_token: Option<String>,
        broker: Option<String>,
        isolation: Option<String>,
        unlock: Option<String>,
        timeout: Option<f64>,
        executable: Option<PathBuf>,
    ) -> PyResult<Self> {
        let timeout = timeout.map(parse_timeout).transpose().map_err(|error| raise(py, &error))?;
        let agent_token = agent_token.map(Into::into);
        let options = Options {
            home,
            workspace,
            project,
            environment,
            isolation,
            broker,
            agent_token,
            unlock,
            timeout,
            executable,
        };
        let opened = wait(py, &mut Sources::default(), bridge::Client::open(options))?;
        Ok(Self { inner: Arc::new(opened) })
    }

    /// `broker`, `broker-shared`, `broker-system` or `in-process`.
    #[getter]
    fn isolation(&self) -> &'static str {
        self.inner.isolation()
    }

    /// The same client in another workspace, over the same connections.
    fn in_workspace(&self, py: Python<'_>, workspace: String, project: Option<String>) -> PyResult<Self> {
        let inside = wait(py, &mut Sources::default(), self.inner.in_workspace(workspace, project))?;
        Ok(Self { inner: Arc::new(inside) })
    }

    /// Sends a call and waits for the whole answer. `iterators` make the pieces of the streamed parts of its body.
    fn call(&self, py: Python<'_>, request: &Request, iterators: Vec<Py<PyAny>>) -> PyResult<Response> {
        let (call, feeds) = request.take(py)?;
        wait(py, &mut Sources::new(feeds, iterators), self.inner.send(call)).map(Response)
    }

    /// Sends a call and waits for the head of the answer.
    fn stream(&self, py: Python<'_>, request: &Request, iterators: Vec<Py<PyAny>>) -> PyResult<Stream> {
        let (call, feeds) = request.take(py)?;
        let mut sources = Sources::new(feeds, iterators);
        let stream = wait(py, &mut sources, self.inner.stream(call))?;
        Stream::new(stream, sources).map_err(|error| raise(py, &error))
    }

    /// Has the broker start a granted command.
    fn spawn(
        &self,
        py: Python<'_>,
        argv: Vec<String>,
        secrets: Vec<String>,
        streams: [Option<i32>; 3],
        variables: Option<Vec<(String, String)>>,
        directory: Option<PathBuf>,
    ) -> PyResult<Child> {
        let streams = streams.map(crate::child::stream);
        let said = SpawnDescription { argv, secrets, streams, variables, directory };
        wait(py, &mut Sources::default(), self.inner.spawn(said)).map(Child)
    }

    /// Asks, and waits for the answer: dicts and lists with the names of the core's types.
    fn ask(&self, py: Python<'_>, ask: &Ask) -> PyResult<Py<PyAny>> {
        let answer = wait(py, &mut Sources::default(), self.inner.ask(ask.0.clone()))?;
        to_python(py, &answer)
    }
}

/// A question besides calls.
#[pyclass(frozen, module = "agentsecrets._native")]
pub(crate) struct Ask(pub(crate) bridge::Ask);

#[pymethods]
impl Ask {
    #[staticmethod]
    fn secrets() -> Self {
        Self(bridge::Ask::Secrets)
    }

    #[staticmethod]
    fn check(names: Vec<String>) -> Self {
        Self(bridge::Ask::Check(names))
    }

    #[staticmethod]
    fn grants(name: Option<String>) -> Self {
        Self(bridge::Ask::Grants(name))
    }

    #[staticmethod]
    fn allowlist() -> Self {
        Self(bridge::Ask::Allowlist)
    }

    #[staticmethod]
    fn status() -> Self {
        Self(bridge::Ask::Status)
    }

    #[staticmethod]
    #[allow(clippy::too_many_arguments)] // Python passes them by position, once.
    fn logs(
        last: Option<usize>,
        outcome: Option<String>,
        secret: Option<String>,
        project: Option<String>,
        environment: Option<String>,
        since_ms: Option<i64>,
        call: Option<String>,
    ) -> Self {
        Self(bridge::Ask::Logs(LogsFilter { last, outcome, secret, project, environment, since_ms, call }))
    }

    #[staticmethod]
    fn diff(whole: bool) -> Self {
        Self(bridge::Ask::Diff(whole))
    }

    #[staticmethod]
    fn pull() -> Self {
        Self(bridge::Ask::Pull)
    }

    #[staticmethod]
    fn push(names: Vec<String>) -> Self {
        Self(bridge::Ask::Push(names))
    }

    #[staticmethod]
    fn history(name: String) -> Self {
        Self(bridge::Ask::History(name))
    }

    #[staticmethod]
    fn workspaces() -> Self {
        Self(bridge::Ask::Workspaces)
    }

    #[staticmethod]
    fn use_workspace(name: String) -> Self {
        Self(bridge::Ask::UseWorkspace(name))
    }

    #[staticmethod]
    fn members() -> Self {
        Self(bridge::Ask::Members)
    }

    #[staticmethod]
    fn workspace_log() -> Self {
        Self(bridge::Ask::WorkspaceLog)
    }
}
