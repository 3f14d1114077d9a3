//! Drives a future on the thread that asked for it.
//!
//! Not `block_on`: the host needs its thread back now and then, to look for signals or to give the next piece of a
//! body, and a timer for that would cost a wake-up of the runtime per call.

use std::cell::OnceCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use agentsecrets::Result;

use crate::runtime;

/// Where a driven future stands.
pub enum Step<T> {
    /// It is done.
    Done(T),
    /// Not yet; the host may do its own things and drive on.
    Waiting,
}

struct Wakeup {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.thread.unpark();
        }
    }
}

thread_local! {
    static WAKEUP: OnceCell<(Arc<Wakeup>, Waker)> = const { OnceCell::new() };
}

/// Polls the future on this thread until it is done or `wait` has passed.
///
/// # Errors
/// `cancelled` when the process is ending, `internal` where no runtime can be started.
pub fn drive<F: Future>(mut future: Pin<&mut F>, wait: Duration) -> Result<Step<F::Output>> {
    let _entered = runtime::enter()?;
    WAKEUP.with(|cell| {
        let (wakeup, waker) = cell.get_or_init(|| {
            let wakeup = Arc::new(Wakeup { thread: std::thread::current(), woken: AtomicBool::new(false) });
            (Arc::clone(&wakeup), Waker::from(wakeup))
        });
        let mut context = Context::from_waker(waker);
        let mut until = None;
        loop {
            wakeup.woken.store(false, Ordering::Release);
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Ok(Step::Done(output));
            }
            let until = *until.get_or_insert_with(|| Instant::now() + wait);
            loop {
                if runtime::ending() {
                    return Err(runtime::is_ending());
                }
                // Asked even of a future that was woken: one that always is must not keep the host from its signals.
                let Some(left) = until.checked_duration_since(Instant::now()) else { return Ok(Step::Waiting) };
                if wakeup.woken.load(Ordering::Acquire) {
                    break;
                }
                std::thread::park_timeout(left);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_is_driven_by_the_thread_that_waits() {
        let here = std::thread::current().id();
        let mut future = std::pin::pin!(async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            assert_eq!(std::thread::current().id(), here);
            7
        });
        assert!(matches!(drive(future.as_mut(), Duration::from_millis(1)), Ok(Step::Waiting)));
        assert!(matches!(drive(future.as_mut(), Duration::from_secs(20)), Ok(Step::Done(7))));
    }

    #[test]
    fn a_busy_future_lets_the_host_look_around() {
        let mut busy = std::pin::pin!(std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            std::thread::sleep(Duration::from_millis(1));
            Poll::<()>::Pending
        }));
        assert!(matches!(drive(busy.as_mut(), Duration::from_millis(20)), Ok(Step::Waiting)));
    }

    #[test]
    fn a_wake_up_before_the_wait_is_not_lost() {
        let mut polls = 0;
        let mut future = std::pin::pin!(std::future::poll_fn(|cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if polls == 100 { Poll::Ready(()) } else { Poll::Pending }
        }));
        let started = Instant::now();
        assert!(matches!(drive(future.as_mut(), Duration::from_secs(60)), Ok(Step::Done(()))));
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
