//! Asking for shares and for the log: what a client beyond the home asks of the broker, and what the home's user asks.

use std::path::PathBuf;

use super::{Backend, Client};
use crate::control::{Ask, ShareInfo};
use crate::error::{Error, ErrorCode, Result};
use crate::logs::{self, Entry, LogsQuery};

impl Client {
    /// The calls of the log, the newest first. At a shared socket they are the caller's own.
    ///
    /// # Errors
    /// `audit_unavailable` where the log cannot be read, and those of reaching the backend.
    pub async fn logs(&self, query: LogsQuery) -> Result<Vec<Entry>> {
        let Some(home) = self.inner.home.clone() else { return self.ask(Ask::Logs { query }).await };
        // It needs no broker: the log is read as it lies there.
        tokio::task::spawn_blocking(move || logs::list(&home, &query))
            .await
            .map_err(|_| Error::new(ErrorCode::Internal, "reading the log was interrupted"))?
    }

    /// The sockets that the owner shares, and how each stands.
    ///
    /// # Errors
    /// `store_locked`, `needs_broker` in-process, and those of reaching the backend.
    pub async fn shares(&self) -> Result<Vec<ShareInfo>> {
        self.listening()?;
        self.ask(Ask::Shares).await
    }

    /// Stops a share, for good.
    ///
    /// # Errors
    /// `invalid_call` where nothing is shared at the path, and those of [`shares`](Self::shares).
    pub async fn stop_share(&self, path: PathBuf) -> Result<ShareInfo> {
        self.listening()?;
        self.ask(Ask::StopShare { path }).await
    }

    fn listening(&self) -> Result<()> {
        match &*self.inner.backend {
            Backend::Broker(_) => Ok(()),
            Backend::InProcess(_) => Err(Error::new(
                ErrorCode::NeedsBroker,
                "only a broker shares a socket, and this client runs in-process",
            )),
        }
    }
}
