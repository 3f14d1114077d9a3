//! A client without a home: its broker runs outside its container, or as another user.

use std::sync::Arc;
use std::time::Duration;

use super::super::{Backend, Client, Inner};
use super::{ClientBuilder, Isolation};
use crate::broker::{Link, SharedSocket};
use crate::context::Selection;
use crate::error::{Error, ErrorCode, Result};

/// How long a client waits at first for the broker to say which level it is; it is told by the calls themselves after.
const FIRST_WORD: Duration = Duration::from_secs(2);

impl ClientBuilder {
    /// The socket that was named outright. What is said in the program goes before what the environment says.
    ///
    /// # Errors
    /// `invalid_call` for a text that names none, and for one beside a home or an engine in this process.
    pub(super) fn shared(&self) -> Result<Option<SharedSocket>> {
        let Some(said) = &self.broker else {
            if self.home.is_some() || self.isolation == Some(Isolation::InProcess) {
                return Ok(None);
            }
            let socket = SharedSocket::from_process()?;
            if socket.is_some() && self.level()? == Isolation::InProcess {
                return Err(contradiction("AGENTSECRETS_ISOLATION=in-process does not go with AGENTSECRETS_BROKER"));
            }
            return Ok(socket);
        };
        if self.home.is_some() || self.unlock.is_some() || self.isolation == Some(Isolation::InProcess) {
            return Err(contradiction("a shared broker has no home here, and no key: choose one of the two"));
        }
        SharedSocket::parse(said).map(Some)
    }

    pub(super) async fn open_shared(self, socket: SharedSocket) -> Result<Client> {
        // The project file of this directory is of no home that the broker knows.
        let selection = Selection { proposal: None, ..self.selection()? };
        let backend = Arc::new(Backend::Broker(Link::shared(socket)));
        let level = Isolation::BrokerShared;
        let mut inner = Inner { backend, home: None, level, selection, timeout: self.timeout };
        let client = Client { inner: Arc::new(inner.clone()) };
        // A broker that is silent now may answer later; which of the two levels it is makes no difference to what holds.
        match tokio::time::timeout(FIRST_WORD, client.status()).await {
            Ok(Ok(status)) if status.isolation == Isolation::BrokerSystem.as_str() => {
                inner.level = Isolation::BrokerSystem;
                Ok(Client { inner: Arc::new(inner) })
            }
            _ => Ok(client),
        }
    }
}

fn contradiction(why: &'static str) -> Error {
    Error::new(ErrorCode::InvalidCall, why).with_hint("unset AGENTSECRETS_BROKER, or name no home")
}
