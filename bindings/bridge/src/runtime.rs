//! One tokio runtime per process, made when it is first needed and ended before the host is.
//!
//! It has no thread of its own until something is spawned: a thread of the host that waits for a call drives it, so that
//! nothing of the call has to be handed from one thread to another. What is spawned is driven by one thread, which then
//! drives everybody's sockets.
//!
//! A forked child has the memory of a runtime and none of its threads, and its epoll descriptor is the parent's. So the
//! process id is compared at every use: the child makes a runtime of its own and never touches the inherited one.

use std::future::Future;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use agentsecrets::{Error, ErrorCode, Result};
use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, yield_now};

/// What one process has. Leaked, one per process, so that a reference to it is good for ever.
struct Generation {
    pid: u32,
    handle: Handle,
    /// Read by whoever drives, taken when the process ends. A fork may catch it locked: the child has one of its own.
    runtime: RwLock<Option<Runtime>>,
    /// Whether there is a thread that drives what is spawned.
    thread: OnceLock<bool>,
    stop: Notify,
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
        let runtime =
            Builder::new_current_thread().thread_name("agentsecrets").enable_all().build().map_err(|why| {
                Error::new(ErrorCode::Internal, format!("the runtime does not start: {}", why.kind()))
            })?;
        Ok(Self {
            pid: std::process::id(),
            handle: runtime.handle().clone(),
            runtime: RwLock::new(Some(runtime)),
            thread: OnceLock::new(),
            stop: Notify::new(),
            in_flight: AtomicUsize::new(0),
            ending: AtomicBool::new(false),
        })
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        match &*self.runtime.read().unwrap_or_else(PoisonError::into_inner) {
            Some(runtime) => Ok(runtime.block_on(future)),
            None => Err(is_ending()),
        }
    }

    /// Has a thread drive the runtime until the process ends.
    fn keep_driven(&'static self) -> Result<()> {
        let begun = self.thread.get_or_init(|| {
            let driver = thread::Builder::new().name("agentsecrets".into());
            driver.spawn(|| self.block_on(self.stop.notified())).is_ok()
        });
        if *begun { Ok(()) } else { Err(Error::new(ErrorCode::Internal, "the runtime's thread does not start")) }
    }
}

/// Drives the runtime until the future is done.
///
/// # Errors
/// `cancelled` when the process is ending, `internal` where no runtime can be started.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> Result<T> {
    current()?.block_on(async {
        // Nobody may have driven it since the last call: what has come meanwhile is seen first, closed sockets above all.
        yield_now().await;
        future.await
    })
}

/// Runs something when all that is ready now has had its turn.
pub(crate) fn after_turn(wake: impl FnOnce() + Send + 'static) {
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(async {
            yield_now().await;
            wake();
        })),
        Err(_) => wake(),
    }
}

/// Lets what was given up be cleared away, sockets closed above all, where no thread does it by itself.
pub fn settle() {
    let Some(generation) = at(CURRENT.load(Ordering::Acquire)).filter(|known| known.pid == std::process::id()) else {
        return;
    };
    // Within the runtime somebody drives already.
    if generation.thread.get().is_none() && Handle::try_current().is_err() {
        let _ = generation.block_on(async {
            yield_now().await;
            yield_now().await;
        });
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

/// A piece of work on the runtime's thread.
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

/// Runs a future on the runtime's thread.
///
/// # Errors
/// `cancelled` once the process is ending.
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Result<Task> {
    let generation = current()?;
    if generation.ending.load(Ordering::Acquire) {
        return Err(is_ending());
    }
    generation.keep_driven()?;
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
    generation.stop.notify_one();
    let started = Instant::now();
    // First who drives, then what is driven: a socket or timer polled after its runtime ended would panic.
    let taken = loop {
        let is_idle = generation.in_flight.load(Ordering::Acquire) == 0;
        if let (true, Ok(mut runtime)) = (is_idle, generation.runtime.try_write()) {
            break runtime.take();
        }
        if started.elapsed() >= limit {
            break None;
        }
        thread::sleep(Duration::from_millis(1));
    };
    if let Some(runtime) = taken {
        runtime.shutdown_timeout(limit);
    }
}
