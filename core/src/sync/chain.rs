//! A membership chain as this home has verified it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use agentsecrets_wire::chain::{Act, Entry, Head, Refusal, State};
use agentsecrets_wire::{Hash, Signed};
use jiff::Timestamp;
use uuid::Uuid;

use super::folder::{Folder, Known};
use crate::crypto::Strict;
use crate::error::{Error, ErrorCode, Result};

/// The entries, their digests, and who is who after the last one.
#[derive(Clone)]
pub(crate) struct Chain {
    entries: Vec<Signed<Entry>>,
    /// The same entries, as they read.
    said: Vec<Entry>,
    hashes: Vec<Hash>,
    state: State,
}

impl Chain {
    /// A chain without an entry.
    pub(crate) fn empty(workspace: Uuid) -> Self {
        Self { entries: Vec::new(), said: Vec::new(), hashes: Vec::new(), state: State::new(workspace) }
    }

    /// The chain that this home has, every entry verified anew and its end compared with the one that was seen.
    ///
    /// # Errors
    /// `chain_invalid`, `chain_rolled_back`.
    pub(crate) fn load(folder: &Folder<'_>, workspace: Uuid, known: Option<&Known>) -> Result<Self> {
        let mut chain = Self::empty(workspace);
        chain.extend(folder.chain(workspace)?)?;
        match known {
            // One more entry than was noted is what a crash between the two leaves.
            Some(known) if chain.hash_at(known.head.seq) != Some(known.head.hash) => Err(Error::new(
                ErrorCode::ChainRolledBack,
                "this home's copy of the membership chain is shorter than, or another than, the one it has seen",
            )
            .with_hint("agentsecrets secrets pull  # fetches it anew, and compares it with what was seen")),
            _ => Ok(chain),
        }
    }

    /// Verifies the next entries and adds them; on a refusal the chain stays as it was before the first bad one.
    ///
    /// # Errors
    /// `chain_invalid`, with the rule that is broken.
    pub(crate) fn extend(&mut self, entries: Vec<Signed<Entry>>) -> Result<()> {
        for entry in entries {
            let refused = |refusal| {
                Error::new(ErrorCode::ChainInvalid, format!("the server's membership chain is refused: {refusal}"))
            };
            let head = self.state.apply(&entry, &Strict).map_err(refused)?;
            self.said.push(entry.parse().map_err(|_| refused(Refusal::Malformed))?);
            self.hashes.push(head.hash);
            self.entries.push(entry);
        }
        Ok(())
    }

    /// The entries.
    pub(crate) fn entries(&self) -> &[Signed<Entry>] {
        &self.entries
    }

    /// What the entries say.
    pub(crate) fn said(&self) -> &[Entry] {
        &self.said
    }

    /// The entry that comes next, where its author says this.
    pub(crate) fn next(&self, author: Uuid, time: Timestamp, act: Act) -> Entry {
        let prev = self.hash_at(self.seq());
        Entry { v: 1, workspace: self.state.workspace(), seq: self.seq() + 1, prev, time, author, act }
    }

    /// Who is who.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// How many entries there are.
    pub(crate) fn seq(&self) -> u64 {
        self.hashes.len() as u64
    }

    /// The end.
    ///
    /// # Errors
    /// `chain_invalid` before the first entry.
    pub(crate) fn head(&self) -> Result<Head> {
        self.state
            .head()
            .ok_or_else(|| Error::new(ErrorCode::ChainInvalid, "the server gives a workspace without a chain"))
    }

    /// The digest of an entry, by its number.
    pub(crate) fn hash_at(&self, seq: u64) -> Option<Hash> {
        let index = usize::try_from(seq.checked_sub(1)?).ok()?;
        self.hashes.get(index).copied()
    }

    /// Compares the end that somebody else has seen with what is here.
    ///
    /// # Errors
    /// `chain_forked` where it is another chain's.
    pub(crate) fn compare(&self, seen: Head) -> Result<Seen> {
        match self.hash_at(seen.seq) {
            Some(hash) if hash == seen.hash => Ok(Seen::Here),
            None if seen.seq > self.seq() => Ok(Seen::Further),
            _ => Err(Error::new(
                ErrorCode::ChainForked,
                "a member was shown another membership chain than this home: the server, or who holds it, tells two stories",
            )
            .with_hint("compare: agentsecrets workspace log --json  # on both machines; trust neither until you know why")),
        }
    }
}

/// The chains that this process has verified: each is read and checked once, and again where another process went on with it.
#[derive(Default)]
pub(crate) struct Chains(Mutex<HashMap<Uuid, Chain>>);

impl Chains {
    /// A workspace's chain, where it ends as it was seen last.
    pub(super) fn get(&self, workspace: Uuid, head: Head) -> Option<Chain> {
        self.kept().get(&workspace).filter(|chain| chain.state.head() == Some(head)).cloned()
    }

    /// Keeps a chain that was verified.
    pub(super) fn keep(&self, workspace: Uuid, chain: &Chain) {
        self.kept().insert(workspace, chain.clone());
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Uuid, Chain>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How an end that somebody has seen stands to the chain that is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It is in the chain.
    Here,
    /// It is after its end.
    Further,
}
