//! Takes in what the members have.

use std::collections::HashSet;

use agentsecrets_wire::{Hash, Record, Signed};

use super::compare::{Incoming, Key, Standing, drift};
use super::folder::Known;
use super::{Sync, View};
use crate::control::PullReport;
use crate::crypto::Strict;
use crate::error::{Error, ErrorCode, Result};
use crate::owner;
use crate::policy::Joined;
use crate::resolve::in_background;
use crate::store::{Arrival, Arrived, HomeLock};

impl Sync {
    /// Fetches, and takes in whatever was not changed here as well. `theirs` are names whose record here is given up, as the
    /// owner has agreed; one that was changed again since is not.
    ///
    /// # Errors
    /// Those of [`refresh`](Self::refresh) and of the store. All of it is taken in, or nothing.
    pub(crate) async fn pull(&self, theirs: HashSet<(Key, String)>) -> Result<PullReport> {
        let view = self.refresh().await?;
        let this = self.clone();
        let (view, report) = in_background(move || this.settle(&view, &theirs).map(|report| (view, report))).await?;
        self.give_a_sign(&view).await?;
        Ok(report)
    }

    fn settle(&self, view: &View, theirs: &HashSet<(Key, String)>) -> Result<PullReport> {
        self.take_policy(view)?;
        // What was changed here while this was decided is decided again.
        for _ in 0..8 {
            let drifts = drift(view, &self.vault)?;
            let mut report = PullReport::default();
            let (mut arrived, mut left) = (Vec::new(), HashSet::new());
            for one in drifts {
                let info = self.info(view, &one);
                let record = one.here.as_ref().and_then(|here| here.record);
                let agreed =
                    ((one.place.clone(), one.name.clone()), record.map(|id| id.to_string()).unwrap_or_default());
                match (one.standing, theirs.contains(&agreed)) {
                    (Standing::Remote(incoming), _) | (Standing::Conflict(incoming), true) => {
                        arrived.push(taking(record, incoming));
                        report.pulled.push(info);
                    }
                    (Standing::Converged(incoming), _) => {
                        let what = Arrival::Same;
                        arrived.push(Arrived { what, ..taking(record, incoming) });
                    }
                    (Standing::Conflict(incoming), false) => {
                        left.insert(incoming.hash);
                        report.conflicts.push(info);
                    }
                    (Standing::Local, _) => report.unpushed.push(info),
                }
            }
            let count = arrived.len();
            if self.vault.receive(arrived)? == count {
                self.keep_waiting(view, &left)?;
                return Ok(report);
            }
        }
        Err(Error::new(ErrorCode::SyncConflict, "the names are being changed here all the time").with_retryable(true))
    }

    /// Of what was fetched only the conflicts wait on.
    fn keep_waiting(&self, view: &View, conflicts: &HashSet<Hash>) -> Result<()> {
        let Some(known) = &view.known else { return Ok(()) };
        let waits = |signed: &&Signed<Record>| conflicts.contains(&signed.hash(&Strict));
        let waiting: Vec<_> = known.waiting.iter().filter(waits).cloned().collect();
        if waiting.len() == known.waiting.len() {
            return Ok(());
        }
        self.folder().save_known(&self.use_key, self.workspace, &Known { waiting, ..known.clone() })
    }

    /// Puts the workspace's policy in force, where it is newer than the one that is.
    pub(crate) fn take_policy(&self, view: &View) -> Result<()> {
        let Some(opened) = &view.policy else { return Ok(()) };
        let _lock = HomeLock::acquire(self.home.root())?;
        // One that does not open is written anew, out of chains that are verified.
        let mut joined = owner::load_shared(&self.home, &self.config, &self.use_key).unwrap_or_default();
        let now = || Joined { id: self.workspace, version: opened.version, policy: opened.policy.clone() };
        match joined.iter_mut().find(|one| one.id == self.workspace) {
            Some(one) if one.version == opened.version => return Ok(()),
            Some(one) if one.version > opened.version => {
                return Err(Error::new(
                    ErrorCode::PolicyInvalid,
                    "the workspace's policy is older than one that was seen",
                ));
            }
            Some(one) => *one = now(),
            None => joined.push(now()),
        }
        owner::save_shared(&self.home, &self.config, &self.use_key, &joined)
    }
}

fn taking(replaces: Option<crate::store::RecordId>, incoming: Incoming) -> Arrived {
    let Incoming { place, name, version, hash, epoch, value, weak, .. } = incoming;
    let what = value.map_or(Arrival::Gone, |value| Arrival::Value { value, weak });
    Arrived { place, name, replaces, version, hash, epoch, what }
}
