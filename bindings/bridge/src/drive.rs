//! Drives a future on the thread that asked for it.
//!
//! Step by step: the host needs its thread back now and then, to look for signals or to give the next piece of a body.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
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

/// Polls the future on this thread until it is done or `wait` has passed.
///
/// # Errors
/// `cancelled` when the process is ending, `internal` where no runtime can be started.
pub fn drive<F: Future>(mut future: Pin<&mut F>, wait: Duration) -> Result<Step<F::Output>> {
    runtime::block_on(async {
        let until = Instant::now() + wait;
        let mut tick = pin!(tokio::time::sleep_until(until.into()));
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(Step::Done(output)));
            }
            if runtime::ending() {
                return Poll::Ready(Err(runtime::is_ending()));
            }
            // The clock is asked too: a future that always is woken must not keep the host from its signals.
            match tick.as_mut().poll(cx) {
                Poll::Pending if Instant::now() < until => Poll::Pending,
                _ => Poll::Ready(Ok(Step::Waiting)),
            }
        })
        .await
    })?
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
        let mut busy = std::pin::pin!(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            std::thread::sleep(Duration::from_millis(1));
            Poll::<()>::Pending
        }));
        assert!(matches!(drive(busy.as_mut(), Duration::from_millis(20)), Ok(Step::Waiting)));
    }

    #[test]
    fn a_wake_up_before_the_wait_is_not_lost() {
        let mut polls = 0;
        let mut future = std::pin::pin!(poll_fn(|cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if polls == 100 { Poll::Ready(()) } else { Poll::Pending }
        }));
        let started = Instant::now();
        assert!(matches!(drive(future.as_mut(), Duration::from_secs(60)), Ok(Step::Done(()))));
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
