//! The synchronous way: the calling thread drives its own call with the interpreter released, and comes back for
//! signals and for the pieces of a streamed body.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use agentsecrets_bridge::{Error, ErrorCode, Feed, InFlight, Result, Step, drive, ending, guarded, settle};
use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::error::raise;

/// How long a thread waits before it looks for signals: what Ctrl-C takes at most.
const TICK: Duration = Duration::from_millis(100);

/// Bytes this long are lent by Python rather than copied.
const LEND: usize = 64 << 10;

/// The streamed parts of a body, in the order they are sent, each with the iterator that makes its pieces.
#[derive(Default)]
pub(crate) struct Sources(VecDeque<(Feed, Py<PyAny>)>);

impl Sources {
    pub(crate) fn new(feeds: Vec<Feed>, iterators: Vec<Py<PyAny>>) -> Self {
        Self(feeds.into_iter().zip(iterators).collect())
    }

    /// Asks the iterator for a piece and passes it on. What the iterator raises ends the call.
    fn advance(&mut self, py: Python<'_>) -> PyResult<()> {
        let Some((feed, iterator)) = self.0.front() else { return Ok(()) };
        match iterator.bind(py).try_iter()?.next() {
            Some(piece) => drop(feed.put(Some(bytes_of(piece?.extract()?)))),
            None => {
                feed.put(None);
                self.0.pop_front();
            }
        }
        Ok(())
    }

    fn give_up(&mut self) {
        self.0.pop_front();
    }
}

/// A Python `bytes` as the core takes it.
pub(crate) fn bytes_of(bytes: PyBackedBytes) -> Bytes {
    if bytes.len() < LEND { Bytes::copy_from_slice(&bytes) } else { Bytes::from_owner(bytes) }
}

enum Event<T> {
    Answer(Result<T>),
    Wanted(bool),
}

/// Waits for a future. A signal whose handler raises drops the future, which closes its socket.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    sources: &mut Sources,
    future: impl Future<Output = Result<T>> + Send,
) -> PyResult<T> {
    match wait_or_end(py, sources, future)? {
        Some(answer) => Ok(answer),
        // Only a daemon thread is still in a call when the interpreter ends. It never comes back, as in CPython 3.14: one
        // that raised now would fight the others for stderr, and the interpreter would abort.
        None => py.detach(|| {
            loop {
                std::thread::park();
            }
        }),
    }
}

/// The future, or `timeout` once the limit has passed. No timer is set: `wait` polls every `TICK` as it is.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = Result<T>>) -> Result<T> {
    let started = Instant::now();
    let mut future = pin!(future);
    std::future::poll_fn(move |cx| match future.as_mut().poll(cx) {
        Poll::Pending if started.elapsed() >= limit => {
            let why = format!("nothing came for {} ms", limit.as_millis());
            Poll::Ready(Err(Error::new(ErrorCode::Timeout, why)))
        }
        polled => polled,
    })
    .await
}

/// `None` where the process ends before the answer; by then the call is given up.
fn wait_or_end<T: Send>(
    py: Python<'_>,
    sources: &mut Sources,
    future: impl Future<Output = Result<T>> + Send,
) -> PyResult<Option<T>> {
    let _in_flight = InFlight::begin().map_err(|error| raise(py, &error))?;
    let waited = driven(py, sources, future);
    if waited.is_err() {
        settle();
    }
    waited
}

fn driven<T: Send>(
    py: Python<'_>,
    sources: &mut Sources,
    future: impl Future<Output = Result<T>> + Send,
) -> PyResult<Option<T>> {
    let mut future = pin!(guarded(future));
    loop {
        let feed = sources.0.front().map(|(feed, _)| feed.clone());
        let step = match py.detach(|| next_event(future.as_mut(), feed.as_ref())) {
            Err(_) if ending() => return Ok(None),
            step => step.map_err(|error| raise(py, &error))?,
        };
        match step {
            Step::Done(Event::Answer(Err(_))) if ending() => return Ok(None),
            Step::Done(Event::Answer(answer)) => return answer.map(Some).map_err(|error| raise(py, &error)),
            Step::Done(Event::Wanted(true)) => sources.advance(py)?,
            Step::Done(Event::Wanted(false)) => sources.give_up(),
            Step::Waiting => py.check_signals()?,
        }
    }
}

fn next_event<T>(mut future: Pin<&mut impl Future<Output = Result<T>>>, feed: Option<&Feed>) -> Result<Step<Event<T>>> {
    let mut wanted = pin!(async {
        match feed {
            Some(feed) => feed.wanted().await,
            None => std::future::pending().await,
        }
    });
    let mut either = pin!(std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Event::Answer(answer)),
        Poll::Pending => wanted.as_mut().poll(cx).map(Event::Wanted),
    }));
    drive(either.as_mut(), TICK)
}
