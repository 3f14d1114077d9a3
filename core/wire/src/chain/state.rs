//! Who is who after a number of entries.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::entry::{Invite, Role};
use crate::{Hash, PublicKey};

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The number of the last entry.
    pub seq: u64,
    /// Its digest.
    pub hash: Hash,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// What it may do.
    pub role: Role,
    /// Ed25519.
    pub signing: PublicKey,
    /// X25519.
    pub receiving: PublicKey,
    /// The scopes of a machine.
    pub scopes: Vec<Hash>,
    /// When it was there; who left may be invited again.
    pub spans: Vec<Span>,
}

/// From one entry to before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The entry it came with.
    pub since: u64,
    /// The entry it left with; none for who is there.
    pub until: Option<u64>,
}

impl Span {
    pub(super) const fn open(since: u64) -> Self {
        Self { since, until: None }
    }

    fn covers(&self, seq: u64) -> bool {
        self.since <= seq && self.until.is_none_or(|until| seq < until)
    }
}

pub(super) fn is_open(spans: &[Span]) -> bool {
    spans.last().is_some_and(|span| span.until.is_none())
}

pub(super) fn close(spans: &mut [Span], seq: u64) {
    if let Some(span) = spans.last_mut() {
        span.until.get_or_insert(seq);
    }
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Whose.
    pub account: Uuid,
    /// Ed25519.
    pub key: PublicKey,
    /// When it counted.
    pub spans: Vec<Span>,
}

/// An open invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invited {
    /// As it was made.
    pub invite: Invite,
    /// Who made it.
    pub by: Uuid,
    /// When.
    pub time: Timestamp,
}

/// A workspace's membership. Former members and devices stay, because what they wrote does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub(super) workspace: Uuid,
    pub(super) head: Option<Head>,
    pub(super) members: BTreeMap<Uuid, Joined>,
    pub(super) devices: BTreeMap<Uuid, Registered>,
    pub(super) invites: BTreeMap<Uuid, Invited>,
    /// Ids and keys that were ever used.
    pub(super) ids: BTreeSet<Uuid>,
    pub(super) keys: BTreeSet<PublicKey>,
    /// The commitment of each epoch, and the entry it began with; the first is number 1.
    pub(super) epochs: Vec<(Hash, u64)>,
    pub(super) policy: u64,
}

impl State {
    /// The state before the first entry.
    #[must_use]
    pub const fn new(workspace: Uuid) -> Self {
        Self {
            workspace,
            head: None,
            members: BTreeMap::new(),
            devices: BTreeMap::new(),
            invites: BTreeMap::new(),
            ids: BTreeSet::new(),
            keys: BTreeSet::new(),
            epochs: Vec::new(),
            policy: 0,
        }
    }

    /// The workspace.
    #[must_use]
    pub const fn workspace(&self) -> Uuid {
        self.workspace
    }

    /// The end of the chain; none before the first entry.
    #[must_use]
    pub const fn head(&self) -> Option<Head> {
        self.head
    }

    /// The number of the epoch whose key seals now.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epochs.len() as u64
    }

    /// The commitment of an epoch.
    #[must_use]
    pub fn commitment(&self, epoch: u64) -> Option<Hash> {
        let index = usize::try_from(epoch.checked_sub(1)?).ok()?;
        self.epochs.get(index).map(|(commitment, _)| *commitment)
    }

    /// The epoch whose key sealed when the chain ended with entry `seq`.
    #[must_use]
    pub fn epoch_at(&self, seq: u64) -> u64 {
        self.epochs.partition_point(|(_, since)| *since <= seq) as u64
    }

    /// The version of the policy; 0 where none was set.
    #[must_use]
    pub const fn policy(&self) -> u64 {
        self.policy
    }

    /// A member who is there now.
    #[must_use]
    pub fn member(&self, account: &Uuid) -> Option<&Joined> {
        self.members.get(account).filter(|member| is_open(&member.spans))
    }

    /// A device that counts now, of a member who is there now.
    #[must_use]
    pub fn device(&self, device: &Uuid) -> Option<&Registered> {
        self.devices.get(device).filter(|device| is_open(&device.spans))
    }

    /// Whether a device ever counted.
    #[must_use]
    pub fn has_had(&self, device: &Uuid) -> bool {
        self.devices.contains_key(device)
    }

    /// A device that counted when the chain ended with entry `seq`: what it signed then still counts.
    #[must_use]
    pub fn device_at(&self, device: &Uuid, seq: u64) -> Option<&Registered> {
        self.devices.get(device).filter(|device| device.spans.iter().any(|span| span.covers(seq)))
    }

    /// A member who was there when the chain ended with entry `seq`.
    #[must_use]
    pub fn member_at(&self, account: &Uuid, seq: u64) -> Option<&Joined> {
        self.members.get(account).filter(|member| member.spans.iter().any(|span| span.covers(seq)))
    }

    /// The members who are there now.
    pub fn members(&self) -> impl Iterator<Item = (&Uuid, &Joined)> {
        self.members.iter().filter(|(_, member)| is_open(&member.spans))
    }

    /// The devices that count now.
    pub fn devices(&self) -> impl Iterator<Item = (&Uuid, &Registered)> {
        self.devices.iter().filter(|(_, device)| is_open(&device.spans))
    }

    /// What a removal leaves, before its entry is written: an epoch is sealed to those who stay.
    pub fn forget(&mut self, account: &Uuid) {
        self.members.remove(account);
        self.invites.retain(|_, invited| invited.by != *account);
    }

    /// The invitations nobody has used or withdrawn; some may have expired.
    pub fn invites(&self) -> impl Iterator<Item = (&Uuid, &Invited)> {
        self.invites.iter()
    }
}
