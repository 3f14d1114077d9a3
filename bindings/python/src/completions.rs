//! The asynchronous way: calls run on the runtime's threads, and what is done waits in a queue that the event loop
//! empties in one turn. The loop is woken by a byte on a socket it watches, one for however many are done, so the
//! runtime's threads never touch the interpreter: not while it works, and not while it ends.

use std::collections::HashMap;
use std::future::Future;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agentsecrets_bridge::{self as bridge, Batch, Buffered, Result, Task, guarded, spawn};
use bytes::Bytes;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3::{PyTraverseError, PyVisit, intern};
use serde_json::Value;

use crate::client::{Ask, Client};
use crate::error::{exception, raise};
use crate::request::{Feed, Request};
use crate::response::{Response, Stream};
use crate::value::to_python;
use crate::wait::Sources;

/// What a piece of work gave.
enum Done {
    Call(Result<Buffered>),
    Stream(Result<bridge::Stream>),
    Piece(Result<Option<Bytes>>),
    Answer(Result<Value>),
    Wanted(bool),
}

/// What is done and not yet told, and the byte that says so.
struct Queue {
    done: Arc<Batch<(u64, Done)>>,
    bell: UnixStream,
}

impl Queue {
    fn push(self: &Arc<Self>, number: u64, done: Done) {
        let queue = Arc::clone(self);
        self.done.push((number, done), move || {
            // A full or closed socket means that a byte is there already, or that the loop is gone.
            let _ = (&queue.bell).write(&[0]);
        });
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The work of one event loop.
#[pyclass(frozen, module = "agentsecrets._native")]
pub(crate) struct Completions {
    queue: Arc<Queue>,
    ear: UnixStream,
    awaited: Mutex<HashMap<u64, Awaited>>,
    next: AtomicU64,
}

struct Awaited {
    future: Py<PyAny>,
    task: Task,
}

#[pymethods]
impl Completions {
    #[new]
    fn new() -> PyResult<Self> {
        let (bell, ear) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        let queue = Arc::new(Queue { done: Arc::default(), bell });
        Ok(Self { queue, ear, awaited: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// The descriptor the loop watches; when it is readable, `drain` is due.
    fn fileno(&self) -> i32 {
        self.ear.as_raw_fd()
    }

    /// Gives every finished piece of work to its future.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        let mut bytes = [0; 64];
        while matches!((&self.ear).read(&mut bytes), Ok(read) if read == bytes.len()) {}
        let done = self.queue.done.take();
        for (number, done) in done {
            let Some(awaited) = locked(&self.awaited).remove(&number) else { continue };
            let future = awaited.future.bind(py);
            if !future.call_method0(intern!(py, "done"))?.is_truthy()? {
                settle(py, future, done)?;
            }
        }
        Ok(())
    }

    /// Gives a piece of work up: its request is cancelled and its socket closed.
    fn abort(&self, number: u64) {
        let awaited = locked(&self.awaited).remove(&number);
        if let Some(awaited) = awaited {
            awaited.task.abort();
        }
    }

    /// Gives everything up: the loop is closed.
    fn close(&self) {
        let all = std::mem::take(&mut *locked(&self.awaited));
        all.values().for_each(|awaited| awaited.task.abort());
    }

    /// Sends a call; the future gets a `Response`.
    fn call(&self, py: Python<'_>, future: Py<PyAny>, client: &Client, request: &Request) -> PyResult<u64> {
        let (call, _feeds) = request.take(py)?;
        let client = Arc::clone(&client.inner);
        self.start(py, future, async move { Done::Call(guarded(client.send(call)).await) })
    }

    /// Sends a call; the future gets a `Stream` when the head of the answer is there.
    fn stream(&self, py: Python<'_>, future: Py<PyAny>, client: &Client, request: &Request) -> PyResult<u64> {
        let (call, _feeds) = request.take(py)?;
        let client = Arc::clone(&client.inner);
        self.start(py, future, async move { Done::Stream(guarded(client.stream(call)).await) })
    }

    /// Reads; the future gets the next piece of the body, or `None` at its end.
    fn piece(&self, py: Python<'_>, future: Py<PyAny>, stream: &Stream) -> PyResult<u64> {
        let stream = Arc::clone(&stream.inner);
        self.start(py, future, async move { Done::Piece(guarded(stream.next()).await) })
    }

    /// Asks; the future gets the answer.
    fn ask(&self, py: Python<'_>, future: Py<PyAny>, client: &Client, ask: &Ask) -> PyResult<u64> {
        let (client, ask) = (Arc::clone(&client.inner), ask.0.clone());
        self.start(py, future, async move { Done::Answer(guarded(client.ask(ask)).await) })
    }

    /// Waits until a body wants its next piece; the future gets whether it still does.
    fn wanted(&self, py: Python<'_>, future: Py<PyAny>, feed: &Feed) -> PyResult<u64> {
        let feed = feed.0.clone();
        self.start(py, future, async move { Done::Wanted(feed.wanted().await) })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.awaited.try_lock() {
            Ok(awaited) => awaited.values().try_for_each(|awaited| visit.call(&awaited.future)),
            Err(_) => Ok(()),
        }
    }

    fn __clear__(&self) {
        drop(std::mem::take(&mut *locked(&self.awaited)));
    }
}

impl Completions {
    fn start(
        &self,
        py: Python<'_>,
        future: Py<PyAny>,
        work: impl Future<Output = Done> + Send + 'static,
    ) -> PyResult<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let queue = Arc::clone(&self.queue);
        // Locked until the future is in its place, so that `drain` on another thread cannot come first.
        let mut awaited = locked(&self.awaited);
        let task = spawn(async move { queue.push(number, work.await) }).map_err(|error| raise(py, &error))?;
        awaited.insert(number, Awaited { future, task });
        Ok(number)
    }
}

fn settle(py: Python<'_>, future: &Bound<'_, PyAny>, done: Done) -> PyResult<()> {
    let result = match done {
        Done::Call(answer) => answer.map(|whole| Response(whole).into_py_any(py)),
        Done::Stream(answer) => {
            answer.and_then(|stream| Stream::new(stream, Sources::default())).map(|stream| stream.into_py_any(py))
        }
        Done::Piece(piece) => piece.map(|piece| piece.map(|bytes| PyBytes::new(py, &bytes)).into_py_any(py)),
        Done::Answer(answer) => answer.map(|value| to_python(py, &value)),
        Done::Wanted(wanted) => Ok(wanted.into_py_any(py)),
    };
    match result {
        Ok(object) => future.call_method1(intern!(py, "set_result"), (object?,))?,
        Err(error) => future.call_method1(intern!(py, "set_exception"), (exception(py, &error)?,))?,
    };
    Ok(())
}
