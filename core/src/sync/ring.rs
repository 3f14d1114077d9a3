//! The keys that the chain gives this home: every epoch for a member, those of its scopes for a machine.

use std::collections::BTreeMap;

use agentsecrets_wire::Hash;
use agentsecrets_wire::chain::{Act, Entry, Epoch, Role, Seal};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::chain::Chain;
use crate::crypto::{EpochKey, Names, ReceivingKey, ScopeKey};
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::Label;

/// The keys of a workspace, in memory alone.
pub(crate) struct Ring {
    workspace: Uuid,
    epoch: u64,
    held: Held,
}

enum Held {
    /// All of them, the first being number 1.
    Epochs(Vec<EpochKey>, Names),
    /// Those of some scopes, by epoch, and what project and environment each scope is.
    Scopes(BTreeMap<(u64, Hash), ScopeKey>, Vec<Place>),
}

/// A scope of a machine, which cannot make the scope out of the names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) scope: Hash,
    pub(crate) project: Uuid,
    pub(crate) environment: Label,
}

impl Ring {
    /// Opens what the chain has for a member.
    ///
    /// # Errors
    /// `not_a_member`; `chain_invalid` where a key does not open, or is not the one that the others were given.
    pub(crate) fn open(chain: &Chain, account: Uuid, key: &ReceivingKey) -> Result<Self> {
        let (workspace, epoch) = (chain.state().workspace(), chain.state().epoch());
        let member = chain.state().member(&account).ok_or_else(not_a_member)?;
        if member.role == Role::Machine {
            let mut scopes = BTreeMap::new();
            for seal in seals_to(chain, account) {
                let Some(scope) = seal.scope else { continue };
                scopes.insert((seal.epoch, scope), key.open_scope(workspace, seal)?);
            }
            return Ok(Self { workspace, epoch, held: Held::Scopes(scopes, Vec::new()) });
        }
        let seal = seals_to(chain, account).filter(|seal| seal.epoch == epoch && seal.scope.is_none()).last();
        let newest = key.open_epoch(workspace, seal.ok_or_else(|| missing(epoch))?)?;
        Self::of_epochs(workspace, ladder(chain, newest)?)
    }

    /// No key at all: what there is before the chain was read.
    pub(crate) fn none(workspace: Uuid) -> Self {
        Self { workspace, epoch: 0, held: Held::Scopes(BTreeMap::new(), Vec::new()) }
    }

    /// The keys of a workspace that was made just now.
    pub(crate) fn of_epochs(workspace: Uuid, keys: Vec<EpochKey>) -> Result<Self> {
        let names = keys.first().map(|first| first.names(workspace)).ok_or_else(|| missing(1))??;
        Ok(Self { workspace, epoch: keys.len() as u64, held: Held::Epochs(keys, names) })
    }

    /// What gives names their ids; a machine has it for its scopes alone.
    pub(crate) fn names(&self) -> Result<&Names> {
        match &self.held {
            Held::Epochs(_, names) => Ok(names),
            Held::Scopes(..) => Err(missing(1)),
        }
    }

    /// The number of the epoch that seals now.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The key of an epoch; a machine has none.
    pub(crate) fn epoch_key(&self, epoch: u64) -> Result<&EpochKey> {
        let index = usize::try_from(epoch.saturating_sub(1)).unwrap_or(usize::MAX);
        match &self.held {
            Held::Epochs(keys, _) => keys.get(index).ok_or_else(|| missing(epoch)),
            Held::Scopes(..) => Err(missing(epoch)),
        }
    }

    /// The scope of a project and environment, as the server knows it.
    ///
    /// # Errors
    /// `not_a_member` where this home is a machine of other scopes.
    pub(crate) fn scope_of(&self, project: Uuid, environment: &Label) -> Result<Hash> {
        match &self.held {
            Held::Epochs(_, names) => names.scope(project, environment),
            Held::Scopes(_, places) => {
                let here = |place: &&Place| place.project == project && place.environment == *environment;
                places.iter().find(here).map(|place| place.scope).ok_or_else(|| other_scope(environment))
            }
        }
    }

    /// The key of a scope in an epoch.
    ///
    /// # Errors
    /// `not_a_member` for a scope or epoch that this home was given no key of.
    pub(crate) fn scope_key(&self, epoch: u64, scope: Hash) -> Result<ScopeKey> {
        match &self.held {
            Held::Epochs(_, names) => self.epoch_key(epoch)?.scope(self.workspace, scope, names),
            Held::Scopes(scopes, _) => scopes.get(&(epoch, scope)).cloned().ok_or_else(|| missing(epoch)),
        }
    }

    /// Says of a machine's scopes what they are.
    pub(crate) fn name_scopes(&mut self, named: Vec<Place>) {
        if let Held::Scopes(_, places) = &mut self.held {
            *places = named;
        }
    }

    /// The scopes of a machine; none for a member, who has all of them.
    pub(crate) fn scopes(&self) -> Vec<Hash> {
        match &self.held {
            Held::Epochs(..) => Vec::new(),
            Held::Scopes(scopes, _) => {
                let mut all: Vec<Hash> = scopes.keys().map(|(_, scope)| *scope).collect();
                all.sort_unstable();
                all.dedup();
                all
            }
        }
    }
}

/// Everything in the chain that is sealed to a member, in the order it was said.
pub(super) fn seals_to(chain: &Chain, account: Uuid) -> impl Iterator<Item = &Seal> {
    chain.said().iter().flat_map(seals_of).filter(move |seal| seal.recipient == account)
}

fn seals_of(entry: &Entry) -> &[Seal] {
    match &entry.act {
        Act::Join { seals, .. } => seals,
        _ => epoch_of(entry).map_or(&[], |epoch| &epoch.seals),
    }
}

/// The epoch that begins with an entry.
fn epoch_of(entry: &Entry) -> Option<&Epoch> {
    match &entry.act {
        Act::Genesis { epoch, .. } | Act::Remove { epoch, .. } | Act::Rotate { epoch } => Some(epoch),
        _ => None,
    }
}

/// From the newest epoch down to the first: each opens the one before, whose digest the chain has.
fn ladder(chain: &Chain, newest: EpochKey) -> Result<Vec<EpochKey>> {
    let workspace = chain.state().workspace();
    let mut keys = vec![newest];
    for epoch in chain.said().iter().rev().filter_map(epoch_of) {
        let Some(key) = keys.last() else { break };
        if key.commitment(workspace) != epoch.commitment {
            return Err(Error::new(ErrorCode::ChainInvalid, "an epoch's key is not the one that the chain names"));
        }
        if let Some(previous) = &epoch.previous {
            keys.push(key.open_previous(workspace, previous)?);
        }
    }
    keys.reverse();
    Ok(keys)
}

fn not_a_member() -> Error {
    Error::new(ErrorCode::NotAMember, "this home's account is no member of the workspace any more")
        .with_hint("ask an admin for: agentsecrets workspace invite")
}

fn other_scope(environment: &Label) -> Error {
    Error::new(ErrorCode::NotAMember, format!("this machine was not enrolled for {environment}"))
        .with_hint("ask an admin for: agentsecrets workspace machine add NAME --environment ENVIRONMENT")
}

fn missing(epoch: u64) -> Error {
    Error::new(ErrorCode::NotAMember, format!("this home was given no key of epoch {epoch}"))
        .with_hint("agentsecrets secrets pull")
}
