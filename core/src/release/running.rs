//! The children of a broker: none outlives it, and a lock ends them.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorCode, Result, Stage};

/// The most children at a time; each has threads of its own.
const MOST: usize = 64;
/// How long children may take to end when they are asked to, before they are killed.
pub(super) const GRACE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(10);

/// What runs, by process group.
#[derive(Default)]
pub(crate) struct Running(Mutex<State>);

#[derive(Default)]
struct State {
    /// Runs that have begun, with those that have no process yet.
    runs: usize,
    groups: BTreeSet<i32>,
    closing: bool,
}

/// A run under way.
pub(super) struct Run<'a> {
    running: &'a Running,
    group: Option<i32>,
}

impl Running {
    /// Makes room for one more.
    ///
    /// # Errors
    /// `broker_unavailable` where there are too many, or the broker ends.
    pub(super) fn begin(&self) -> Result<Run<'_>> {
        leases_break_quietly();
        let mut state = self.lock();
        if state.closing || state.runs >= MOST {
            let why = if state.closing { "the broker is ending" } else { "the broker runs too many commands already" };
            return Err(Error::new(ErrorCode::BrokerUnavailable, why).at(Stage::Broker));
        }
        state.runs += 1;
        Ok(Run { running: self, group: None })
    }

    /// Whether the broker ends.
    pub(super) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    /// Ends every child, and waits until their records are closed.
    pub(crate) fn end_all(&self) {
        self.lock().closing = true;
        let started = Instant::now();
        self.signal(&[libc::SIGHUP, libc::SIGTERM, libc::SIGCONT]);
        let mut killed = false;
        while self.lock().runs > 0 && started.elapsed() < 2 * GRACE {
            if !killed && started.elapsed() > GRACE {
                self.signal(&[libc::SIGKILL]);
                killed = true;
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn signal(&self, signals: &[i32]) {
        // Under the lock: a group is taken out before its leader is reaped, so no number here has a new owner.
        let state = self.lock();
        for (group, signal) in state.groups.iter().flat_map(|group| signals.iter().map(move |signal| (group, signal))) {
            // SAFETY: kill takes numbers.
            unsafe { libc::kill(-group, *signal) };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run<'_> {
    /// The child's process group.
    pub(super) fn is(&mut self, group: i32) {
        self.running.lock().groups.insert(group);
        self.group = Some(group);
    }

    /// Sends a signal to the group, if it still is the child's.
    pub(super) fn signal(&self, signal: i32) {
        let state = self.running.lock();
        if let Some(group) = self.group.filter(|group| state.groups.contains(group)) {
            // SAFETY: kill takes numbers.
            unsafe { libc::kill(-group, signal) };
        }
    }
}

impl Running {
    /// The leader of the group is about to be reaped; what is left of a group that was ended is killed.
    pub(super) fn is_over(&self, group: i32, ended: bool) {
        let mut state = self.lock();
        if ended || state.closing {
            // SAFETY: kill takes numbers; the leader is not reaped yet, so the group is still the child's.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
        state.groups.remove(&group);
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.running.lock().runs -= 1;
    }
}

/// The kernel asks for a lease back by SIGIO, which would end the process. A handler that does nothing is not inherited
/// by a child, as an ignored signal would be.
fn leases_break_quietly() {
    extern "C" fn nothing(_: libc::c_int) {}
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: an all-zero sigaction is a valid one; the handler does nothing and may run anywhere.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(libc::SIGIO, &raw const action, std::ptr::null_mut());
        }
    });
}
