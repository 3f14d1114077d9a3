//! The WebSockets of an engine: none outlives it.

use std::time::Duration;

use tokio::sync::watch;

use crate::engine::Engine;

/// How long sockets may take to say farewell.
const GRACE: Duration = Duration::from_secs(3);

/// What is open.
pub(crate) struct Sockets {
    count: watch::Sender<usize>,
    ending: watch::Sender<bool>,
}

/// One that is open.
pub(in crate::engine) struct Open {
    count: watch::Sender<usize>,
    ending: watch::Receiver<bool>,
}

impl Default for Sockets {
    fn default() -> Self {
        Self { count: watch::Sender::new(0), ending: watch::Sender::new(false) }
    }
}

impl Sockets {
    /// Counts one more in.
    pub(in crate::engine) fn open(&self) -> Open {
        self.count.send_modify(|count| *count += 1);
        Open { count: self.count.clone(), ending: self.ending.subscribe() }
    }

    /// Ends every one, and waits until their records are closed.
    async fn end_all(&self) {
        self.ending.send_replace(true);
        let mut count = self.count.subscribe();
        let _ = tokio::time::timeout(GRACE, count.wait_for(|count| *count == 0)).await;
    }
}

impl Engine {
    /// Ends every WebSocket with 1001 (RFC 6455, section 7.4.1), and waits until their records are closed.
    pub(crate) async fn end_sockets(&self) {
        self.sockets.end_all().await;
    }
}

impl Open {
    /// Waits until the engine ends.
    pub(super) async fn ended(&mut self) {
        if self.ending.wait_for(|ending| *ending).await.is_err() {
            // The engine is gone without a word: its sockets hold what they need of it.
            std::future::pending().await
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.count.send_modify(|count| *count -= 1);
    }
}
