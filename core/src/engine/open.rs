//! What an engine is made of, and how it is opened.

use std::sync::{Arc, Mutex, OnceLock};

use super::approvals::Waiting;
use super::caller::{Caller, Who};
use super::closing::Sockets;
use super::gate::ShareStates;
use super::limits::Counters;
use super::loaded::{Current, Files};
use super::needles::Needles;
use crate::audit::{self, AuditLog, Event, MethodName, Outside, PathTemplate};
use crate::call::Call;
use crate::context::Place;
use crate::crypto::UseKey;
use crate::error::{Error, ErrorCode, Result};
use crate::home::{Home, HomeConfig, Unlock};
use crate::owner::{self, Unlocked};
use crate::policy::{Anchor, Permitted};
use crate::release::{NoAnswer, Running};
use crate::secret_ref::{Scope, SecretName};
use crate::store::{self, Sources, Vault};
use crate::sync::Chains;

/// The pipeline and what it works with: policy, values, connections, evidence.
pub struct Engine {
    pub(super) home: Home,
    pub(super) config: HomeConfig,
    pub(super) isolation: audit::Isolation,
    pub(super) audit: AuditLog,
    pub(super) needles: Arc<Needles>,
    pub(super) waiting: Waiting,
    pub(super) files: Files,
    pub(super) current: Mutex<Option<Current>>,
    /// The children that were given values.
    pub(super) running: Arc<Running>,
    /// The WebSockets that are open.
    pub(super) sockets: Sockets,
    /// What other managers were asked for.
    pub(super) sources: Sources<NoAnswer>,
    /// How the shared sockets stand.
    pub(super) shares: ShareStates,
    pub(super) variables: OnceLock<fn(&str) -> Option<String>>,
    opened: Option<Opened>,
}

pub(super) struct Opened {
    pub(super) key: Arc<UseKey>,
    pub(super) vault: Arc<Vault>,
    pub(super) counters: Arc<Counters>,
    /// The membership chains that were verified.
    pub(super) chains: Arc<Chains>,
}

impl Engine {
    /// The engine of a broker: open with the use key it was given, locked without.
    ///
    /// # Errors
    /// `store_corrupted`, `store_unavailable`, `audit_unavailable`.
    pub fn broker(home: &Home, unlocked: Option<Unlocked>) -> Result<Arc<Self>> {
        Self::open(home, unlocked.map(|Unlocked(key)| key), audit::Isolation::Broker)
    }

    /// The engine of a broker that opens the use key by itself, where its place, or the one that is named in its stead,
    /// needs no human; locked otherwise.
    ///
    /// # Errors
    /// Those of [`broker`](Self::broker), and of reading the place.
    pub fn self_opened(home: &Home, place: Option<&Unlock>) -> Result<Arc<Self>> {
        let config = home.config()?;
        let human = *place.unwrap_or(&config.unlock) == Unlock::Passphrase || store::marker::is_set(&home.run());
        let key = if human { None } else { Some(owner::open_use_key(&config, place)?) };
        Self::open(home, key, audit::Isolation::Broker)
    }

    /// An engine in the caller's process.
    pub(crate) async fn in_process(home: &Home, place: Option<&Unlock>) -> Result<Arc<Self>> {
        let (home, place) = (home.clone(), place.cloned());
        let open = move || {
            let config = home.config()?;
            // A descriptor is read once, by whom it was given to: under its number this process has something else.
            let elsewhere = place.is_none() && matches!(config.unlock, Unlock::Fd(_));
            let locked = elsewhere || store::marker::is_set(&home.run());
            let key = if locked { return Err(owner::locked()) } else { owner::open_use_key(&config, place.as_ref())? };
            Self::open(&home, Some(key), audit::Isolation::InProcess)
        };
        tokio::task::spawn_blocking(open)
            .await
            .map_err(|_| Error::new(ErrorCode::Internal, "opening the store was interrupted"))?
    }

    fn open(home: &Home, key: Option<UseKey>, isolation: audit::Isolation) -> Result<Arc<Self>> {
        let config = home.config()?;
        let settings = owner::load_policy(home, &config).map(|document| document.audit).unwrap_or_default();
        let outside = settings.anchor.map(|anchor| match anchor {
            Anchor::Journald => Outside::journald(config.id),
            Anchor::Syslog => Outside::syslog(config.id),
        });
        let options = audit::Options { durable: settings.durable, outside };
        let opened = key.map(|key| Opened::new(home, &config, key)).transpose()?;
        Ok(Arc::new(Self {
            audit: AuditLog::open(&home.audit(), options)?,
            files: Files::of(home),
            home: home.clone(),
            config,
            isolation,
            needles: Arc::default(),
            waiting: Waiting::default(),
            current: Mutex::new(None),
            running: Arc::default(),
            sockets: Sockets::default(),
            sources: Sources::default(),
            shares: ShareStates::default(),
            variables: OnceLock::new(),
            opened,
        }))
    }

    /// Whether the use key is not open.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.opened.is_none() || self.was_locked()
    }

    /// Whether a human locked the home since. A broker ends by itself then; an engine in a caller's process asks.
    pub(super) fn was_locked(&self) -> bool {
        self.isolation == audit::Isolation::InProcess && store::marker::is_set(&self.home.run())
    }

    pub(super) fn opened(&self) -> Result<&Opened> {
        self.opened.as_ref().ok_or_else(owner::locked)
    }

    pub(super) fn vault(&self) -> Result<&Arc<Vault>> {
        self.opened().map(|opened| &opened.vault)
    }

    /// Why a refused call could not have been permitted: a name that is not there says more than a missing grant.
    pub(super) fn unknown_name(&self, call: &Call, place: &Place) -> Option<Error> {
        let plain = call.injections.iter().filter(|injection| injection.secret.scope() == &Scope::default());
        let names: Vec<_> = plain.map(|injection| injection.secret.name().clone()).collect();
        self.missing(place, &names)
    }

    /// The error for the first name that is neither stored nor linked.
    pub(super) fn missing(&self, place: &Place, names: &[SecretName]) -> Option<Error> {
        let loaded = self.loaded().ok()?;
        let stored = |name: &&SecretName| super::sources::program_of(&loaded, place, name).is_none();
        let names: Vec<_> = names.iter().filter(stored).cloned().collect();
        self.vault().ok()?.missing(&place.in_store(), &names)
    }

    /// What is known of a call before it is made. Its path is templated by the rule that permitted it.
    pub(super) fn event(&self, call: &Call, caller: &Caller, who: &Who, permitted: Option<&Permitted>) -> Event {
        let place = &caller.place;
        let pattern = permitted.and_then(Permitted::path_pattern).map(|pattern| pattern.as_str());
        Event {
            agent: who.agent.clone(),
            workspace: Some(place.workspace.clone()),
            project: Some(place.project.clone()),
            environment: Some(place.environment.clone()),
            secrets: call.injections.iter().map(|injection| injection.secret.name().clone()).collect(),
            styles: call.injections.iter().map(|injection| injection.auth.style()).collect(),
            method: Some(MethodName::of(&call.method)),
            origin: Some(call.url.origin().clone()),
            path: Some(PathTemplate::new(call.url.path(), pattern)),
            ..Event::new(who.identity, caller.peer.gate.level(self.isolation))
        }
    }
}

impl Opened {
    fn new(home: &Home, config: &HomeConfig, key: UseKey) -> Result<Self> {
        let store = store::open(config.store, home.root(), config.id)?;
        let vault = Arc::new(Vault::open(home.root(), config.id, store, &key)?);
        let counters = Arc::new(Counters::new(home, config, &key)?);
        Ok(Self { key: Arc::new(key), vault, counters, chains: Arc::default() })
    }
}
