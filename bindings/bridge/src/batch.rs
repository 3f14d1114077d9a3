//! What is done and not yet told to the host, which is woken once for a whole batch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::runtime::after_turn;

/// The host is woken for this many without waiting for more: it works on them while the next are made.
const ENOUGH: usize = 16;

/// Finished pieces of work.
pub struct Batch<T>(Mutex<Vec<T>>);

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Send + 'static> Batch<T> {
    /// Adds a piece. `wake` makes the host take all there is; it is called when everything that is ready now has had its
    /// turn, or enough has gathered.
    pub fn push(self: &Arc<Self>, one: T, wake: impl FnOnce() + Send + 'static) {
        let waiting = {
            let mut all = self.all();
            all.push(one);
            all.len()
        };
        match waiting {
            1 => {
                let batch = Arc::clone(self);
                after_turn(move || {
                    if !batch.all().is_empty() {
                        wake();
                    }
                });
            }
            ENOUGH => wake(),
            _ => {}
        }
    }

    /// All there is.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.all())
    }

    /// Nothing here panics while it holds the lock, so a poisoned one is as good as any.
    fn all(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn one_wake_up_brings_all_that_was_ready() {
        let (woken, wakes) = mpsc::channel();
        let batch = Arc::new(Batch::default());
        let of_task = Arc::clone(&batch);
        crate::spawn(async move {
            for number in 0..ENOUGH - 1 {
                let woken = woken.clone();
                of_task.push(number, move || woken.send(()).unwrap_or_default());
            }
        })
        .expect("a runtime");
        wakes.recv_timeout(LONG).expect("woken");
        assert_eq!(batch.take(), (0..ENOUGH - 1).collect::<Vec<_>>());
        assert!(wakes.recv_timeout(LONG).is_err_and(|why| why == mpsc::RecvTimeoutError::Disconnected), "and once");
    }

    #[test]
    fn what_comes_without_end_is_not_waited_for() {
        let (woken, wakes) = mpsc::channel();
        let batch = Arc::new(Batch::default());
        let of_task = Arc::clone(&batch);
        crate::spawn(async move {
            for number in 0..ENOUGH {
                let woken = woken.clone();
                of_task.push(number, move || woken.send(()).unwrap_or_default());
            }
            // The turn does not end before the host was woken.
            let started = std::time::Instant::now();
            while !of_task.all().is_empty() && started.elapsed() < LONG {
                std::thread::yield_now();
            }
            of_task.push(99, || {});
        })
        .expect("a runtime");
        wakes.recv_timeout(LONG).expect("woken");
        assert_eq!(batch.take().len(), ENOUGH);
    }
}
