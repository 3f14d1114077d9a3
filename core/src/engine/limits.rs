//! Counting what is limited, once for all processes of the home.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;

use super::caller::{Admitted, Caller, identify};
use super::loaded::Loaded;
use super::open::Engine;
use crate::context::Selection;
use crate::control::LimitInfo;
use crate::crypto::UseKey;
use crate::error::Result;
use crate::home::{Home, HomeConfig};
use crate::owner::{CounterFile, Counts};
use crate::policy::{Agent, Bound, Document, Limit, Permitted};
use crate::resolve::in_background;
use crate::secret_ref::SecretName;
use crate::store::HomeLock;

/// The counts of a home, as this process knows them.
pub(super) struct Counters {
    root: PathBuf,
    file: CounterFile,
    /// What was counted last, so that a file which is taken away while a broker runs resets nothing.
    known: Mutex<Counts>,
}

impl Counters {
    pub(super) fn new(home: &Home, config: &HomeConfig, key: &UseKey) -> Result<Self> {
        let file = CounterFile::new(home, config, key)?;
        Ok(Self { root: home.root().to_owned(), file, known: Mutex::default() })
    }

    /// Counts one call under each of the limits, or under none where one of them has no room.
    fn take(&self, limits: &[Limit], every: &[String], now: i64) -> Result<()> {
        let _lock = HomeLock::acquire(&self.root)?;
        let mut counts = self.read()?;
        for limit in limits {
            let window = counts.get(&limit.id).copied().unwrap_or_default();
            let after = limit.amount.with_one_more(window, now).map_err(|until| limit.exceeded(until))?;
            counts.insert(limit.id.clone(), after);
        }
        counts.retain(|id, _| every.contains(id));
        self.file.write(&counts)?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = counts;
        Ok(())
    }

    /// The counts of the file, or those last known where it is behind.
    fn read(&self) -> Result<Counts> {
        let mut counts = self.file.read()?.unwrap_or_default();
        for (id, known) in self.known.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let kept = counts.entry(id.clone()).or_default();
            if (kept.began, kept.used) < (known.began, known.used) {
                *kept = *known;
            }
        }
        Ok(counts)
    }
}

impl Engine {
    /// Counts a permitted call before any value is opened. What is refused leaves its record.
    ///
    /// # Errors
    /// `budget_exhausted` or `rate_limited`, with the moment from which there is room again.
    pub(super) async fn count(&self, loaded: &Loaded, admitted: &mut Admitted, caller: &Caller) -> Result<()> {
        let limits = std::mem::take(&mut admitted.limits);
        self.count_under(loaded, limits).await.map_err(|why| self.denied(&admitted.event, caller, why))
    }

    /// Counts one use under each of the limits, or under none where one of them has no room.
    ///
    /// # Errors
    /// Those of [`Self::count`], without a record.
    pub(super) async fn count_under(&self, loaded: &Loaded, limits: Vec<Limit>) -> Result<()> {
        if limits.is_empty() {
            return Ok(());
        }
        let every: Vec<String> = loaded.document.limits.iter().map(|limit| limit.id.clone()).collect();
        let counters = Arc::clone(&self.opened()?.counters);
        in_background(move || counters.take(&limits, &every, Timestamp::now().as_millisecond())).await
    }

    /// The limits of the project in use; an agent with a token sees those that bind it.
    pub(super) fn limits(&self, selection: &Selection) -> Result<Vec<LimitInfo>> {
        let (loaded, place) = (self.loaded()?, self.place(selection)?);
        let agent = identify(&loaded, selection.agent_token.as_ref()).1?;
        let visible = self.visible(selection)?;
        let counts = self.opened()?.counters.read()?;
        let now = Timestamp::now().as_millisecond();
        let shown = |limit: &&Limit| {
            let (secret, bound) = (limit.subject.secret.as_ref(), limit.subject.agent.as_ref());
            limit.subject.project == place.project_id
                && secret.zip(visible.as_ref()).is_none_or(|(secret, names)| names.contains(secret))
                && Bound::is_told_to(bound, agent)
        };
        let info = |limit: &Limit| LimitInfo {
            id: limit.id.clone(),
            secret: limit.subject.secret.clone(),
            agent: limit.subject.agent.as_ref().map(|bound| bound.name.clone()),
            limit: limit.in_words(),
            calls: limit.amount.calls,
            seconds: limit.amount.seconds,
            used: limit.amount.used(counts.get(&limit.id).copied().unwrap_or_default(), now),
        };
        Ok(loaded.document.limits.iter().filter(shown).map(info).collect())
    }
}

/// The limits a permitted call counts under.
pub(super) fn of_call(document: &Document, permitted: &Permitted, project: Uuid, agent: Option<&Agent>) -> Vec<Limit> {
    let names: Vec<_> = permitted.checked().iter().map(|one| (one.project, &one.secret)).collect();
    counting(document, &names, project, agent)
}

/// The limits that names leaving by a door count under.
pub(super) fn of_door(document: &Document, names: &[SecretName], project: Uuid, agent: Option<&Agent>) -> Vec<Limit> {
    let names: Vec<_> = names.iter().map(|name| (project, name)).collect();
    counting(document, &names, project, agent)
}

/// What is shared among all callers first, then what is an agent's own.
fn counting(document: &Document, names: &[(Uuid, &SecretName)], project: Uuid, agent: Option<&Agent>) -> Vec<Limit> {
    let counted = document.limits.iter().filter(|limit| limit.counts(names, project, agent));
    let mut counted: Vec<Limit> = counted.cloned().collect();
    counted.sort_by_key(|limit| (limit.subject.agent.is_some(), limit.kind));
    counted
}
