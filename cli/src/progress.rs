//! A sign of life on stderr for whatever takes longer than a second.

use std::future::Future;
use std::io::IsTerminal;
use std::pin::pin;
use std::time::Duration;

use indicatif::ProgressBar;

const PATIENCE: Duration = Duration::from_secs(1);
const FRAME: Duration = Duration::from_millis(100);

/// Waits for `work`, with a spinner once it is slow and somebody is watching.
///
/// The spinner is drawn by the waiting task itself: a thread of its own would forbid a later fork.
pub(crate) async fn shown<T>(what: &'static str, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Ok(done) = tokio::time::timeout(PATIENCE, work.as_mut()).await {
        return done;
    }
    if !std::io::stderr().is_terminal() {
        return work.await;
    }
    let spinner = ProgressBar::new_spinner().with_message(what);
    loop {
        match tokio::time::timeout(FRAME, work.as_mut()).await {
            Ok(done) => {
                spinner.finish_and_clear();
                return done;
            }
            Err(_) => spinner.tick(),
        }
    }
}
