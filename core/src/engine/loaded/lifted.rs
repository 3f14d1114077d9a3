//! The deny overlay on disk: what is added to it, and what the owner lifted, recorded where that takes effect, by the
//! engine that first meets the later signature.

use super::super::open::Engine;
use crate::audit::{DenyChange, Event, Identity};
use crate::error::Result;
use crate::owner;
use crate::policy::{DenyOverlay, Document};
use crate::store::HomeLock;

impl Engine {
    /// Puts one more denial in force and on record. The home is locked by whoever made it, so that nobody else has changed
    /// the overlay meanwhile.
    ///
    /// # Errors
    /// `store_locked`, `audit_unavailable`, and those of writing the overlay.
    pub(in crate::engine) fn subtract(&self, _lock: &HomeLock, mut overlay: DenyOverlay, event: &Event) -> Result<()> {
        // Written first with the count it will have, so that a crash between the two leaves a stricter overlay.
        overlay.count = self.audit.deny_count()? + 1;
        owner::save_denies(&self.home, &self.config, &self.opened()?.key, &overlay)?;
        self.audit.deny_changed(DenyChange::Added, event).map(drop)
    }

    /// Takes lifted denies out of the overlay on disk, with a record of each, and returns what remains. `None` while
    /// another process, or this one, writes to the home: a lifted deny denies nothing where it stands, and is taken out
    /// by the next call.
    ///
    /// # Errors
    /// `audit_unavailable`, `policy_invalid`, and those of writing the overlay.
    pub(in crate::engine) fn without_lifted(&self, document: &Document) -> Result<Option<DenyOverlay>> {
        let Some(_lock) = HomeLock::acquire_now(self.home.root())? else { return Ok(None) };
        let (key, before) = (&self.opened()?.key, self.audit.deny_count()?);
        let mut overlay = owner::load_denies(&self.home, &self.config, key, before)?;
        let lifted = overlay.take_lifted(&document.grants);
        if lifted.is_empty() {
            return Ok(Some(overlay)); // Another engine was faster.
        }
        // Written first with the count it will have, as for a deny: behind the log's count it would not be believed.
        overlay.count = before + lifted.len() as u64;
        owner::save_denies(&self.home, &self.config, key, &overlay)?;
        for entry in lifted {
            let event = Event {
                workspace: Some(document.workspace.name.clone()),
                project: document.project(entry.project).map(|project| project.name.clone()),
                secrets: vec![entry.secret],
                ..Event::new(Identity::Anonymous, self.isolation)
            };
            self.audit.deny_changed(DenyChange::Lifted, &event)?;
        }
        Ok(Some(overlay))
    }
}
