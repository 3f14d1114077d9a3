//! What is done waits here until the event loop fetches it: one wake-up for a whole batch.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agentsecrets_bridge::{Batch, Error, Task, guarded, spawn};
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Result, Status, sys};
use napi_derive::napi;

use crate::answer::{Completion, Outcome};
use crate::feed::Bodies;

/// Does not hold the event loop by itself; `ref` does, while something is under way.
type Wake = ThreadsafeFunction<(), (), Vec<Completion>, Status, false, true>;

/// One environment's mailbox.
#[napi]
pub struct Mailbox {
    shared: Arc<Shared>,
}

/// The mailbox as the runtime's threads know it.
pub(crate) struct Shared {
    done: Arc<Batch<(u32, Outcome)>>,
    wake: Wake,
    /// Touched by the environment's own thread alone.
    tasks: Arc<Mutex<HashMap<u32, Task>>>,
    pub(crate) bodies: Bodies,
}

#[napi]
impl Mailbox {
    /// A mailbox that brings what is done to `dispatch`.
    #[napi(constructor)]
    pub fn new(env: Env, dispatch: Function<'_, Vec<Completion>, ()>) -> Result<Self> {
        let done: Arc<Batch<(u32, Outcome)>> = Arc::default();
        let tasks: Arc<Mutex<HashMap<u32, Task>>> = Arc::default();
        let (fetched, running) = (Arc::clone(&done), Arc::clone(&tasks));
        let wake = dispatch
            .build_threadsafe_function::<()>()
            .callee_handled::<false>()
            .weak::<true>()
            .build_callback(move |_| Ok(fetch(&fetched, &running)))?;
        let shared = Arc::new(Shared { done, wake, tasks, bodies: Bodies::default() });
        let ended = Arc::downgrade(&shared);
        env.add_env_cleanup_hook((), move |()| {
            if let Some(shared) = ended.upgrade() {
                locked(&shared.tasks).drain().for_each(|(_, task)| task.abort());
            }
        })?;
        Ok(Self { shared })
    }

    /// Holds the event loop.
    #[napi]
    pub fn hold(&self, env: Env) -> Result<()> {
        // SAFETY: called on the environment's own thread, and `wake` lives as long as `self`.
        status(unsafe { sys::napi_ref_threadsafe_function(env.raw(), self.shared.wake.raw()) })
    }

    /// Lets the event loop go.
    #[napi]
    pub fn release(&self, env: Env) -> Result<()> {
        // SAFETY: as in `hold`.
        status(unsafe { sys::napi_unref_threadsafe_function(env.raw(), self.shared.wake.raw()) })
    }

    /// Gives work up. What it used is closed; nothing is delivered for it any more, unless it already was.
    #[napi]
    pub fn cancel(&self, id: u32) {
        if let Some(task) = locked(&self.shared.tasks).remove(&id) {
            task.abort();
        }
    }
}

impl Mailbox {
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }
}

impl Shared {
    /// Runs work on the runtime, and delivers what comes of it.
    pub(crate) fn begin(
        self: &Arc<Self>,
        id: u32,
        work: impl Future<Output = agentsecrets_bridge::Result<Outcome>> + Send + 'static,
    ) -> std::result::Result<(), Error> {
        let shared = Arc::clone(self);
        let task = spawn(async move {
            let outcome = guarded(work).await.unwrap_or_else(Outcome::Failed);
            shared.deliver(id, outcome);
        })?;
        locked(&self.tasks).insert(id, task);
        Ok(())
    }

    fn deliver(self: &Arc<Self>, id: u32, outcome: Outcome) {
        let shared = Arc::clone(self);
        self.done.push((id, outcome), move || {
            // An environment that is closing fetches nothing any more, and whoever waited there is gone.
            let _closing = shared.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        });
    }
}

/// The whole batch.
fn fetch(done: &Batch<(u32, Outcome)>, running: &Mutex<HashMap<u32, Task>>) -> Vec<Completion> {
    let batch = done.take();
    let mut running = locked(running);
    batch
        .into_iter()
        .map(|one| {
            running.remove(&one.0);
            Completion::of(one)
        })
        .collect()
}

fn status(status: sys::napi_status) -> Result<()> {
    match Status::from(status) {
        Status::Ok => Ok(()),
        other => Err(napi::Error::new(other, "the event loop could not be held or let go")),
    }
}

/// Nothing here panics while it holds a lock, so a poisoned one is as good as any.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
