//! Who is who in each workspace, kept in memory up to the end of the chain that it was read to.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use agentsecrets_wire::chain::{Entry, Head, State};
use agentsecrets_wire::{Code, Signed};
use uuid::Uuid;

use crate::error::{Answer, Refused};
use crate::storage::{Appended, Index, Placed, Storage, StoredEntry};
use crate::verify::Strict;

/// Workspaces whose state is kept at most.
const KEPT: usize = 1000;
/// Bytes of entries that are read at once.
const SIZE: usize = 4 << 20;
/// How often a write begins again because the chain went on meanwhile.
pub(crate) const ATTEMPTS: usize = 8;

/// A workspace, as the database has it now.
#[derive(Clone)]
pub(crate) struct Current {
    /// Who is who.
    pub(crate) state: Arc<State>,
    /// Where it stands.
    pub(crate) placed: Placed,
}

/// The kept states.
#[derive(Default)]
pub(crate) struct Chains {
    kept: Mutex<HashMap<Uuid, Arc<State>>>,
}

impl Chains {
    /// A workspace as it is now; none where there is none.
    pub(crate) async fn current(&self, storage: &Storage, workspace: Uuid) -> Answer<Option<Current>> {
        let Some(placed) = storage.placed(workspace).await? else { return Ok(None) };
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&workspace).cloned();
        if let Some(state) = kept.as_ref().filter(|state| state.head() == Some(placed.head)) {
            return Ok(Some(Current { state: state.clone(), placed }));
        }
        // A kept state may be ahead: another request read further meanwhile. It is then read anew.
        let begun = kept.filter(|state| state.head().is_some_and(|head| head.seq < placed.head.seq));
        let mut state = begun.map_or_else(|| State::new(workspace), |state| State::clone(&state));
        while state.head() != Some(placed.head) {
            let after = state.head().map_or(0, |head| head.seq);
            let entries = storage.entries(workspace, after, placed.head.seq, usize::MAX, SIZE).await?;
            if entries.is_empty() {
                tracing::error!(%workspace, after, "the chain in the database does not lead to its end");
                return Err(Code::Internal.into());
            }
            tokio::task::block_in_place(|| entries.iter().try_for_each(|it| state.apply(&it.entry, &Strict).map(drop)))
                .map_err(|refusal| {
                    tracing::error!(%workspace, after, rule = ?refusal, "the chain in the database breaks a rule");
                    Refused::from(Code::Internal)
                })?;
        }
        let state = Arc::new(state);
        self.keep(&state);
        Ok(Some(Current { state, placed }))
    }

    /// Appends an entry to a chain, or begins one. The same entry again is answered as the first time.
    pub(crate) async fn append(
        &self,
        storage: &Storage,
        entry: &Signed<Entry>,
        workspace: Uuid,
        before: Option<&State>,
    ) -> Answer<Head> {
        let mut next = before.map_or_else(|| State::new(workspace), State::clone);
        let head = tokio::task::block_in_place(|| next.apply(entry, &Strict))?;
        let index = difference(before, &next);
        let stored = StoredEntry { head, entry: entry.clone() };
        match storage.append(workspace, before.and_then(State::head), &stored, &index).await? {
            Appended::Done => {
                self.keep(&Arc::new(next));
                Ok(head)
            }
            Appended::Moved => Err(Code::ChainMoved.into()),
        }
    }

    fn keep(&self, state: &Arc<State>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(state.workspace(), state.clone());
    }
}

/// Whether a chain has exactly this entry already.
pub(crate) async fn has(storage: &Storage, workspace: Uuid, signed: &Signed<Entry>, seq: u64) -> Answer<bool> {
    Ok(storage.entry_hash(workspace, seq).await? == Some(signed.hash(&Strict)))
}

/// What is looked up differently after an entry.
fn difference(before: Option<&State>, after: &State) -> Index {
    let empty = State::new(after.workspace());
    let before = before.unwrap_or(&empty);
    let mut index = Index::default();
    let members = |state: &State| state.members().map(|(id, _)| (*id, ())).collect::<BTreeMap<_, _>>();
    let (old, new) = (members(before), members(after));
    index.members.extend(new.keys().filter(|id| !old.contains_key(id)).map(|id| (*id, true)));
    index.members.extend(old.keys().filter(|id| !new.contains_key(id)).map(|id| (*id, false)));
    let devices =
        |state: &State| state.devices().map(|(id, it)| (*id, (it.account, it.key))).collect::<BTreeMap<_, _>>();
    let (old, new) = (devices(before), devices(after));
    index
        .devices
        .extend(new.iter().filter(|(id, _)| !old.contains_key(id)).map(|(id, (account, key))| (*id, *account, *key)));
    index.devices_gone.extend(old.keys().filter(|id| !new.contains_key(id)));
    let invites = |state: &State| {
        state
            .invites()
            .map(|(id, it)| (*id, (it.invite.signing, it.invite.expires.as_second())))
            .collect::<BTreeMap<_, _>>()
    };
    let (old, new) = (invites(before), invites(after));
    index
        .invites
        .extend(new.iter().filter(|(id, _)| !old.contains_key(id)).map(|(id, (key, expires))| (*id, *key, *expires)));
    index.invites_gone.extend(old.keys().filter(|id| !new.contains_key(id)));
    index
}
