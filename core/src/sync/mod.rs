//! Shared workspaces: what the members have and what is here, with a server between that is believed nothing.
//!
//! The chain says who is who and is verified whole; records are verified against it, opened, and compared with what is here.
//! A broker does all of this alone, with the keys of its device; what signs the chain is the owner's.

mod append;
mod chain;
mod compare;
mod enrol;
mod exposure;
mod fetch;
mod folder;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod invited;
mod members;
mod policy;
mod pull;
mod push;
mod remote;
mod ring;
mod session;
#[cfg(any(test, fuzzing))]
pub(crate) mod vectors;

use std::sync::Arc;

use uuid::Uuid;

pub(crate) use chain::{Chain, Chains};
pub(crate) use compare::Key;
pub(crate) use enrol::enrol;
pub(crate) use folder::{Account, Folder, KeptSession, Known};
pub(crate) use invited::{open_invitation, opened_invitation};
pub(crate) use members::called;
pub(crate) use policy::Piece;
pub(crate) use push::Wanted;
pub(crate) use remote::{Refused, Remote, parse_server};
pub(crate) use ring::Ring;

use compare::{Drift, Standing, drift};

use crate::control::{DriftInfo, SyncStatus};
use crate::crypto::{DeviceKey, ReceivingKey, UseKey};
use crate::error::Result;
use crate::home::{Home, HomeConfig};
use crate::policy::SharedPolicy;
use crate::resolve::in_background;
use crate::secret_ref::Label;
use crate::store::{Place, Vault};

/// A view that no admin has vouched for in so long is stale, in seconds: seven days.
const STALE: i64 = 7 * 86_400;

/// What syncing one workspace works with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sync(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) home: Home,
    pub(crate) config: HomeConfig,
    pub(crate) use_key: Arc<UseKey>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) chains: Arc<Chains>,
    pub(crate) remote: Remote,
    pub(crate) account: Account,
    pub(crate) device: DeviceKey,
    pub(crate) receiving: ReceivingKey,
    pub(crate) workspace: Uuid,
}

impl std::ops::Deref for Sync {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// A workspace as this home has verified it, and its keys.
pub(crate) struct View {
    pub(crate) chain: Chain,
    pub(crate) ring: Ring,
    pub(crate) known: Option<Known>,
    policy: Option<policy::Opened>,
}

impl View {
    /// The workspace.
    pub(crate) fn workspace(&self) -> Uuid {
        self.chain.state().workspace()
    }

    fn cursor(&self) -> u64 {
        self.known.as_ref().map_or(0, |known| known.cursor)
    }

    /// The workspace's policy.
    fn policy(&self) -> Option<&SharedPolicy> {
        self.policy.as_ref().map(|opened| &opened.policy)
    }
}

impl Sync {
    /// Syncing a workspace of this home's account.
    ///
    /// # Errors
    /// `not_logged_in`; `store_corrupted`.
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The files of this home's account and workspaces.
    pub(crate) fn folder(&self) -> Folder<'_> {
        Folder::of(&self.home, &self.config)
    }

    /// What this home has of the workspace, without a question to the server.
    ///
    /// # Errors
    /// `chain_invalid`, `chain_rolled_back`, `not_a_member`.
    pub(crate) async fn view(&self) -> Result<View> {
        let this = self.clone();
        in_background(move || this.view_now()).await
    }

    pub(crate) fn view_now(&self) -> Result<View> {
        let folder = self.folder();
        let known = folder.known(&self.use_key, self.workspace)?;
        let seen = known.as_ref().and_then(|known| self.chains.get(self.workspace, known.head));
        let chain = match seen {
            Some(chain) => chain,
            None => {
                let chain = Chain::load(&folder, self.workspace, known.as_ref())?;
                self.chains.keep(self.workspace, &chain);
                chain
            }
        };
        let view = View { ring: Ring::none(self.workspace), chain, known, policy: None };
        if view.chain.seq() == 0 { Ok(view) } else { self.opened(view) }
    }

    /// The view with the keys and the policy that its chain has now.
    fn opened(&self, view: View) -> Result<View> {
        let mut ring = Ring::open(&view.chain, self.account.account, &self.receiving)?;
        let policy = policy::open(&view.chain, &ring)?;
        ring.name_scopes(policy.as_ref().map(|opened| opened.places.clone()).unwrap_or_default());
        Ok(View { ring, policy, ..view })
    }

    /// What is not the same here and with the members, of one place or of all.
    ///
    /// # Errors
    /// Those of [`refresh`](Self::refresh); `not_a_member` for a place that a machine was not enrolled for.
    pub(crate) async fn diff(&self, only: Option<Place>) -> Result<Vec<DriftInfo>> {
        let view = self.refresh().await?;
        let this = self.clone();
        in_background(move || {
            if let Some(place) = &only {
                view.ring.scope_of(place.project, &place.environment)?;
            }
            this.take_policy(&view)?;
            let drifts = drift(&view, &this.vault)?;
            let told = |one: &Drift| {
                !matches!(one.standing, Standing::Converged(_)) && only.as_ref().is_none_or(|place| one.place == *place)
            };
            Ok(drifts.iter().filter(|one| told(one)).map(|one| this.info(&view, one)).collect())
        })
        .await
    }

    /// What this home may do in the workspace.
    pub(crate) fn role(&self) -> Result<Option<String>> {
        let view = self.view_now()?;
        let member = view.chain.state().member(&self.account.account);
        Ok(member.map(|member| members::role(member.role).to_owned()))
    }

    /// How things stand, without a question to the server.
    ///
    /// # Errors
    /// Those of [`view`](Self::view).
    pub(crate) fn status(&self) -> Result<SyncStatus> {
        let view = self.view_now()?;
        let known = view.known.as_ref();
        let heard = known.and_then(|known| known.heard);
        let now = jiff::Timestamp::now().as_second();
        let conflicts = drift(&view, &self.vault)?;
        Ok(SyncStatus {
            server: self.account.server.clone(),
            email: self.account.email.clone(),
            asked: known.map(|known| known.asked),
            heard,
            stale: known.is_some() && heard.is_none_or(|heard| now - heard.as_second() > STALE),
            entries: Some(view.chain.seq()),
            conflicts: conflicts.iter().filter(|one| matches!(one.standing, Standing::Conflict(_))).count(),
            should_rotate: exposure::exposed(&view, &self.vault)?,
        })
    }

    /// What may be said of a name that differs.
    fn info(&self, view: &View, one: &Drift) -> DriftInfo {
        let (state, incoming) = match &one.standing {
            Standing::Remote(incoming) => ("remote", Some(incoming)),
            Standing::Conflict(incoming) => ("conflict", Some(incoming)),
            Standing::Converged(_) | Standing::Local => ("local", None),
        };
        let is_here = one.here.as_ref().is_some_and(|here| here.record.is_some());
        let was_shared = one.here.as_ref().is_some_and(|here| here.base.is_some());
        let change = match incoming {
            Some(incoming) if incoming.value.is_none() => "deleted",
            Some(_) if is_here => "changed",
            Some(_) => "added",
            None if !is_here => "deleted",
            None if was_shared => "changed",
            None => "added",
        };
        let here = one.here.as_ref();
        let project = view.policy().and_then(|policy| policy.project(one.place.project));
        DriftInfo {
            name: one.name.clone(),
            project: project.map_or_else(unknown, |project| project.name.clone()),
            environment: one.place.environment.clone(),
            state: state.to_owned(),
            change: change.to_owned(),
            author: incoming.map(|incoming| self.name_of(view, incoming.author)),
            time: incoming.map(|incoming| incoming.time),
            version: incoming.map(|incoming| incoming.version),
            record: here.and_then(|here| here.record).map(|record| record.to_string()).unwrap_or_default(),
            updated: here.and_then(|here| here.updated),
        }
    }
}

/// What a project is called that the policy does not name any more.
fn unknown() -> Label {
    Label::parse("unknown").expect("a legal label")
}

/// Opens what a home has for syncing a workspace.
///
/// # Errors
/// `not_logged_in`, `store_corrupted`.
pub(crate) fn open(
    (home, config): (&Home, &HomeConfig),
    use_key: &Arc<UseKey>,
    vault: &Arc<Vault>,
    chains: &Arc<Chains>,
    sender: &Arc<crate::send::Sender>,
    workspace: Uuid,
) -> Result<Sync> {
    let folder = Folder::of(home, config);
    let account = folder.account()?;
    let (receiving, device) = folder.keys(use_key)?;
    let remote = Remote::new(Arc::clone(sender), &account.server)?;
    let (home, config, use_key, vault) = (home.clone(), config.clone(), Arc::clone(use_key), Arc::clone(vault));
    let chains = Arc::clone(chains);
    Ok(Sync::new(Inner { home, config, use_key, vault, chains, remote, account, device, receiving, workspace }))
}

/// The policy at the end of a chain, and its version.
///
/// # Errors
/// `policy_invalid`.
pub(crate) fn open_policy(chain: &Chain, ring: &Ring) -> Result<Option<(u64, SharedPolicy)>> {
    Ok(policy::open(chain, ring)?.map(|opened| (opened.version, opened.policy)))
}

/// The projects and environments that a machine may have been enrolled for: the standard environments of each project, and those
/// that the policy's pieces name.
pub(crate) fn known_places(policy: &SharedPolicy) -> Vec<(Uuid, Label)> {
    let standard = || crate::context::STANDARD_ENVIRONMENTS.iter().filter_map(|name| Label::parse(name).ok());
    let named = policy.machines.iter().map(|place| (place.project, place.environment.clone()));
    let projects = policy.projects.iter().map(|project| project.id);
    projects.flat_map(|project| standard().map(move |environment| (project, environment))).chain(named).collect()
}
