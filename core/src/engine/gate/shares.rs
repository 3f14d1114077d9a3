//! The sockets that the owner shares: which there are to be, how each stands, and stopping one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::super::caller::identify;
use super::super::open::Engine;
use crate::audit::{Event, Isolation};
use crate::context::Selection;
use crate::control::{ShareInfo, WantedShare};
use crate::error::{Error, ErrorCode, Result};
use crate::policy::Share;
use crate::store::HomeLock;

/// What became of each share, as whoever listens says: nothing where it listens, else why it does not.
#[derive(Default)]
pub(in crate::engine) struct ShareStates(Mutex<HashMap<String, Option<String>>>);

impl Engine {
    /// The sockets that the broker is to listen at now. None while the home is locked: nobody is served then.
    pub fn wanted_shares(&self) -> Vec<WantedShare> {
        let Ok(loaded) = self.loaded() else { return Vec::new() };
        let now = Timestamp::now();
        let wanted = |share: &Share| WantedShare {
            id: share.id.clone(),
            path: PathBuf::from(&share.path),
            mode: share.mode,
            group: share.group.clone(),
            system: share.agent.is_none(),
            expires: share.expires,
        };
        loaded.document.shares.iter().filter(|share| share.counts(&loaded.overlay, now)).map(wanted).collect()
    }

    /// Remembers how a share stands, for those who ask.
    pub fn share_stands(&self, id: &str, problem: Option<String>) {
        self.shares.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), problem);
    }

    /// The shares of the home.
    pub(in crate::engine) fn shares(&self) -> Result<Vec<ShareInfo>> {
        let loaded = self.loaded()?;
        let stands = self.shares.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Timestamp::now();
        let state = |share: &Share| match stands.get(&share.id) {
            _ if share.is_over(now) => ("expired", None),
            _ if !share.counts(&loaded.overlay, now) => ("stopped", None),
            Some(Some(why)) => ("failed", Some(why.clone())),
            Some(None) => ("listening", None),
            None => ("waiting", None),
        };
        let info = |share: &Share| {
            let (state, problem) = state(share);
            let level = if share.agent.is_some() { Isolation::BrokerShared } else { Isolation::BrokerSystem };
            ShareInfo {
                id: share.id.clone(),
                socket: share.path.clone(),
                agent: share.agent.as_ref().map(|bound| bound.name.clone()),
                isolation: level.as_str().to_owned(),
                mode: format!("{:04o}", share.mode),
                group: share.group.clone(),
                created: share.created,
                expires: share.expires,
                state: state.to_owned(),
                problem,
            }
        };
        Ok(loaded.document.shares.iter().map(info).collect())
    }

    /// Whether the socket for every agent of the machine is open.
    ///
    /// # Errors
    /// `store_locked`; `broker_unavailable`, with what keeps it closed.
    pub fn system_share_stands(&self) -> Result<()> {
        let system = Isolation::BrokerSystem.as_str();
        let shares = self.shares()?;
        let mut of_system = shares.iter().filter(|share| share.isolation == system);
        if of_system.clone().any(|share| share.state == "listening") {
            return Ok(());
        }
        let why = match of_system.next_back() {
            Some(share) => share.problem.clone().unwrap_or_else(|| format!("{} was stopped", share.socket)),
            None => "nothing is shared with every agent".to_owned(),
        };
        Err(Error::new(ErrorCode::BrokerUnavailable, format!("the agents' socket is not open: {why}"))
            .with_retryable(false)
            .with_hint("agentsecrets broker run --system --passphrase-fd N  # signs it anew"))
    }

    /// Stops a share for good. It only subtracts, so it is asked of nobody.
    ///
    /// # Errors
    /// `invalid_call` where nothing is shared at the path, `store_locked`.
    pub(in crate::engine) fn stop_share(&self, selection: &Selection, path: &Path) -> Result<ShareInfo> {
        let lock = HomeLock::acquire(self.home.root())?;
        let loaded = self.loaded()?;
        let named = |share: &&Share| Path::new(&share.path) == path;
        let id = loaded.document.shares.iter().find(named).map(|share| share.id.clone()).ok_or_else(|| {
            Error::new(ErrorCode::InvalidCall, format!("nothing is shared at {}", path.display()))
                .with_hint("agentsecrets broker share --list")
        })?;
        let mut overlay = loaded.overlay.clone();
        if overlay.revoke(&id) {
            let (who, _) = identify(&loaded, selection.agent_token.as_ref());
            let event = Event { agent: who.agent, ..Event::new(who.identity, self.isolation) };
            self.subtract(&lock, overlay, &event)?;
        }
        let stopped = self.shares()?.into_iter().find(|share| share.id == id);
        stopped.ok_or_else(|| Error::new(ErrorCode::Internal, "the share was taken away at once"))
    }
}
