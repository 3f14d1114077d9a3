//! What an entry of the chain can say.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Blob, Hash, PublicKey, Signature, Statement, signed};

/// One entry, signed by its author's signing key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The form of this statement: 1.
    pub v: u8,
    /// The workspace, whose id its founder drew.
    pub workspace: Uuid,
    /// From 1, without a gap.
    pub seq: u64,
    /// The entry before; none for the first.
    pub prev: Option<Hash>,
    /// When, by the author's clock.
    pub time: Timestamp,
    /// The member who says it; of a join, the one who joins.
    pub author: Uuid,
    /// What is said.
    pub act: Act,
}

impl Statement for Entry {
    const DOMAIN: &'static str = "agentsecrets/chain/1";
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// The workspace begins, with its first admin. The keys stand for themselves; whoever joins has them from an invitation.
    Genesis {
        /// The founder.
        member: Member,
        /// The device it was founded on.
        device: Device,
        /// The first epoch, sealed to the founder.
        epoch: Epoch,
    },
    /// Somebody may join.
    Invite {
        /// The invitation.
        invite: Invite,
    },
    /// An invitation counts no more.
    Withdraw {
        /// Its id.
        invite: Uuid,
    },
    /// Somebody joins, with the invitation's proof.
    Join {
        /// The invitation's id.
        invite: Uuid,
        /// By the key that the invitation's code leads to, over [`join_proof`].
        proof: Signature,
        /// Who joins. Of a machine, the signing key is its device's.
        member: Member,
        /// The first device.
        device: Device,
        /// What the invitation opened, sealed anew to the member's own key.
        seals: Vec<Seal>,
    },
    /// A member uses another device.
    AddDevice {
        /// The device.
        device: Device,
    },
    /// A device of the author counts no more; an admin may say so of anybody's.
    RemoveDevice {
        /// Its id.
        device: Uuid,
    },
    /// A member becomes an admin, or an admin a member.
    SetRole {
        /// Whose role.
        account: Uuid,
        /// The new one; never `machine`.
        role: Role,
    },
    /// A member leaves, and the keys are made anew in the same breath.
    Remove {
        /// Who.
        account: Uuid,
        /// The epoch that the leaver cannot open.
        epoch: Epoch,
    },
    /// The keys are made anew.
    Rotate {
        /// The new epoch.
        epoch: Epoch,
    },
    /// The workspace's policy, which its admins sign by signing this entry.
    SetPolicy {
        /// One more with every change.
        version: u64,
        /// The document, sealed under the epoch's key.
        sealed: Blob,
    },
}

/// A member's lasting keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The account; a machine draws an id of its own.
    pub account: Uuid,
    /// Ed25519.
    pub signing: PublicKey,
    /// X25519: epochs are sealed to it.
    pub receiving: PublicKey,
    /// What the others call it, sealed under the epoch's key.
    pub label: Blob,
}

/// A device, which signs records, heartbeats and requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Its id.
    pub device: Uuid,
    /// Ed25519.
    pub key: PublicKey,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads some scopes, and writes nothing.
    Machine,
    /// Reads and writes records.
    Member,
    /// Changes the chain, too.
    Admin,
}

/// An invitation. Its code leads to both keys, and travels by another way than the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// Its id.
    pub invite: Uuid,
    /// What the one who joins will be.
    pub role: Role,
    /// The scopes of a machine; empty for others.
    pub scopes: Vec<Hash>,
    /// Ed25519, from the code: proves that who joins knows it.
    pub signing: PublicKey,
    /// X25519, from the code: the epoch is sealed to it.
    pub receiving: PublicKey,
    /// After this moment nobody joins by it.
    pub expires: Timestamp,
    /// What opens the workspace, sealed to `receiving`.
    pub seals: Vec<Seal>,
}

/// A span of the chain during which one key seals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// From 1, without a gap.
    pub number: u64,
    /// The digest of the epoch's key, so that all who are sealed it hold the same one.
    pub commitment: Hash,
    /// The key of the epoch before, sealed under this one's: who is here today reads what was written before. None for the first.
    pub previous: Option<Blob>,
    /// The key, sealed to each member and open invitation; to a machine, the keys of its scopes.
    pub seals: Vec<Seal>,
}

/// A key, sealed to one recipient with HPKE (RFC 9180, base mode).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// The member's or invitation's id.
    pub recipient: Uuid,
    /// The epoch of the key.
    pub epoch: u64,
    /// Of a machine, the scope whose key it is; otherwise it is the epoch's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Hash>,
    /// The encapsulated key, then the ciphertext.
    pub sealed: Blob,
}

/// What the invitation's key signs when somebody joins: for whom and for which keys, so that the server can put in no other.
#[must_use]
pub fn join_proof(workspace: &Uuid, invite: &Uuid, member: &Member, device: &Device) -> Vec<u8> {
    let fields: [&[u8]; 7] = [
        workspace.as_bytes(),
        invite.as_bytes(),
        member.account.as_bytes(),
        member.signing.as_bytes(),
        member.receiving.as_bytes(),
        device.device.as_bytes(),
        device.key.as_bytes(),
    ];
    signed::bound("agentsecrets/join/1", &fields)
}
