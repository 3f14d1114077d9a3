//! One tokio runtime per process, made when it is first needed and ended before the host is.
//!
//! A forked child has the memory of a runtime and none of its threads, and its epoll descriptor is the parent's. So the
//! process id is compared at every use: the child makes a runtime of its own and never touches the inherited one.

use std::future::Future;
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use agentsecrets::{Error, ErrorCode, Result};
use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};
use tokio::task::AbortHandle;

/// What one process has. Leaked, one per process, so that a reference to it is good for ever.
struct Generation {
    pid: u32,
    handle: Handle,
    /// Taken when the process ends; nothing else locks it, so a fork cannot catch it locked.
    runtime: Mutex<Option<Runtime>>,
    /// Calls that threads of the host drive.
    in_flight: AtomicUsize,
    ending: AtomicBool,
}

static CURRENT: AtomicPtr<Generation> = AtomicPtr::new(ptr::null_mut());

fn current() -> Result<&'static Generation> {
    let known = CURRENT.load(Ordering::Acquire);
    match at(known) {
        Some(generation) if generation.pid == std::process::id() => Ok(generation),
        _ => replace(known),
    }
}

fn at(generation: *mut Generation) -> Option<&'static Generation> {
    // SAFETY: the pointer is null or comes from `Box::into_raw` in `replace`, and what was published is never freed.
    unsafe { generation.as_ref() }
}

/// Makes this process's generation; of many threads that try, one is first. A lock here could be held across a fork.
fn replace(known: *mut Generation) -> Result<&'static Generation> {
    let made = Box::into_raw(Box::new(Generation::new()?));
    match CURRENT.compare_exchange(known, made, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => at(made),
        Err(first) => {
            // SAFETY: `made` comes from `Box::into_raw` above and was not published.
            drop(unsafe { Box::from_raw(made) });
            at(first)
        }
    }
    .ok_or_else(|| Error::new(ErrorCode::Internal, "there is no runtime"))
}

impl Generation {
    fn new() -> Result<Self> {
        // The host drives its own calls; the threads here only watch sockets, and run what is awaited.
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(2));
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("agentsecrets")
            .enable_all()
            .build()
            .map_err(|why| Error::new(ErrorCode::Internal, format!("the runtime does not start: {}", why.kind())))?;
        Ok(Self {
            pid: std::process::id(),
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
            in_flight: AtomicUsize::new(0),
            ending: AtomicBool::new(false),
        })
    }
}

/// A call that a thread of the host drives: the end of the process waits until it is given up.
pub struct InFlight(&'static Generation);

impl InFlight {
    /// Counts a piece of work.
    ///
    /// # Errors
    /// `cancelled` once the process is ending.
    pub fn begin() -> Result<Self> {
        let generation = current()?;
        generation.in_flight.fetch_add(1, Ordering::AcqRel);
        let begun = Self(generation);
        if generation.ending.load(Ordering::Acquire) { Err(is_ending()) } else { Ok(begun) }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Makes the runtime the thread's own for as long as the guard lives, so that sockets and timers find it.
///
/// # Errors
/// `internal` where no runtime can be started.
pub fn enter() -> Result<EnterGuard<'static>> {
    Ok(current()?.handle.enter())
}

/// A piece of work on the runtime's threads.
pub struct Task {
    pid: u32,
    handle: AbortHandle,
}

impl Task {
    /// Gives the work up: its future is dropped, and with it the socket it used.
    pub fn abort(&self) {
        if self.pid == std::process::id() {
            self.handle.abort();
        }
    }
}

/// Runs a future on the runtime's threads.
///
/// # Errors
/// `cancelled` once the process is ending.
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Result<Task> {
    let generation = current()?;
    if generation.ending.load(Ordering::Acquire) {
        return Err(is_ending());
    }
    Ok(Task { pid: generation.pid, handle: generation.handle.spawn(future).abort_handle() })
}

/// Whether the process is ending. Who waits gives up then.
#[must_use]
pub fn ending() -> bool {
    at(CURRENT.load(Ordering::Acquire)).is_some_and(|generation| generation.ending.load(Ordering::Acquire))
}

/// What a call gets that comes, or is under way, when the process ends.
pub(crate) fn is_ending() -> Error {
    Error::new(ErrorCode::Cancelled, "the process is ending").with_retryable(false)
}

/// Ends the runtime before the host ends: calls under way are given up, and threads waited for, twice `limit` at most.
/// Later calls are refused.
pub fn end(limit: Duration) {
    let Some(generation) = at(CURRENT.load(Ordering::Acquire)).filter(|known| known.pid == std::process::id()) else {
        return;
    };
    generation.ending.store(true, Ordering::Release);
    let started = Instant::now();
    // First who drives, then what is driven: a socket or timer polled after its runtime ended would panic.
    while generation.in_flight.load(Ordering::Acquire) > 0 && started.elapsed() < limit {
        std::thread::sleep(Duration::from_millis(1));
    }
    let taken = generation.runtime.lock().ok().and_then(|mut runtime| runtime.take());
    if let Some(runtime) = taken {
        runtime.shutdown_timeout(limit);
    }
}
