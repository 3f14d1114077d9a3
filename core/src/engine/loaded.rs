//! The policy in force: read when its files change, verified each time, and shared until then.

pub(super) mod egress;
mod lifted;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use super::open::Engine;
use super::state::State;
use crate::error::Result;
use crate::home::Home;
use crate::owner;
use crate::policy::{DenyOverlay, Document, Policy};
use crate::send::Sender;

/// A verified policy and what was built from it.
pub(crate) struct Loaded {
    /// Differs from every other of this process.
    pub(crate) id: u64,
    pub(crate) document: Document,
    pub(crate) overlay: DenyOverlay,
    pub(crate) policy: Policy,
    pub(crate) sender: Arc<Sender>,
    /// What an agent chose last, read with it so that a call asks the disk for one stamp and no more.
    pub(super) state: State,
    /// Whether the overlay holds denies that the owner lifted and no record says so yet.
    unrecorded: bool,
    stamp: Stamp,
}

/// What was loaded last, and where the home's changes stood when that was known to be the newest.
pub(super) struct Current {
    loaded: Arc<Loaded>,
    epoch: Option<u64>,
}

impl Current {
    /// Whether the files are as they were, and all that follows from them is on record.
    fn is_of(&self, stamp: Stamp) -> bool {
        self.loaded.stamp == stamp && !self.loaded.unrecorded
    }
}

/// The files a loaded policy comes from.
pub(super) struct Files {
    policy: PathBuf,
    deny: PathBuf,
    state: PathBuf,
    shared: PathBuf,
}

impl Files {
    pub(super) fn of(home: &Home) -> Self {
        Self {
            policy: home.file("policy.json"),
            deny: home.file("deny.json"),
            state: home.file(super::state::FILE),
            shared: home.file(owner::SHARED_FILE),
        }
    }
}

/// What a file system says of the policy's files; whoever replaces one changes it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp([(u64, i64, i64, u64); 4]);

impl Stamp {
    fn of(engine: &Engine) -> Self {
        let of = |path: &Path| {
            path.symlink_metadata()
                .map_or((0, 0, 0, 0), |found| (found.ino(), found.mtime(), found.mtime_nsec(), found.len()))
        };
        let files = &engine.files;
        Self([of(&files.policy), of(&files.deny), of(&files.state), of(&files.shared)])
    }
}

impl Engine {
    /// The policy in force.
    ///
    /// # Errors
    /// `store_locked`; `policy_invalid` where it is unsigned, altered, older than one seen, or the overlay is missing.
    pub(crate) fn loaded(&self) -> Result<Arc<Loaded>> {
        // Asked before the files are: a change in between makes the next call look again.
        let epoch = self.vault().ok().and_then(|vault| vault.epoch());
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(current), Some(_)) = (&*current, epoch)
            && current.epoch == epoch
            && !current.loaded.unrecorded
        {
            return Ok(Arc::clone(&current.loaded));
        }
        if self.was_locked() {
            *current = None;
            return Err(owner::locked());
        }
        let stamp = Stamp::of(self);
        if let Some(current) = current.as_mut().filter(|current| current.is_of(stamp)) {
            current.epoch = epoch;
            return Ok(Arc::clone(&current.loaded));
        }
        let before = current.take();
        let loaded = Arc::new(self.load(stamp, before.as_ref().map(|before| &*before.loaded))?);
        *current = Some(Current { loaded: Arc::clone(&loaded), epoch });
        Ok(loaded)
    }

    fn load(&self, stamp: Stamp, before: Option<&Loaded>) -> Result<Loaded> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let key = &self.opened()?.key;
        let document = owner::load_policy(&self.home, &self.config)?;
        owner::check_pin(&self.home, &self.config, key, &document)?;
        // What is shared is closed where its policies do not open; what is the home's own is not.
        let mut document = document.beside(owner::load_shared(&self.home, &self.config, key).unwrap_or_default());
        document.ownerless = !self.config.owner;
        let mut overlay = owner::load_denies(&self.home, &self.config, key, self.audit.deny_count()?)?;
        let mut unrecorded = overlay.has_lifted(&document.grants);
        if unrecorded && let Some(rest) = self.without_lifted(&document)? {
            (overlay, unrecorded) = (rest, false);
        }
        let same =
            |before: &&Loaded| (&before.document.trust, &before.document.egress) == (&document.trust, &document.egress);
        let sender = match before.filter(same) {
            Some(before) => Arc::clone(&before.sender),
            None => {
                let roots: Vec<String> = document.trust.iter().map(|root| root.pem.clone()).collect();
                Arc::new(Sender::new(&roots, egress::gateway(&document, self.vault()?))?)
            }
        };
        let policy = Policy::new(&document, &overlay);
        let (id, state) = (COUNT.fetch_add(1, Ordering::Relaxed), State::read(&self.home));
        Ok(Loaded { id, document, overlay, policy, sender, state, unrecorded, stamp })
    }
}
