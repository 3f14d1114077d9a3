//! The cast, as keys that work.

use agentsecrets_wire::chain::{Device, Member};
use agentsecrets_wire::{Blob, Hash};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::{Cast, ChainFile, Person};
use crate::crypto::{DeviceKey, EpochKey, InviteCode, Names, ReceivingKey, RecoveryCode, ScopeKey};
use crate::policy::SharedPolicy;
use crate::secret_ref::Label;
use crate::sync::{Chain, Piece};

/// When the chain begins; every entry is a minute later.
pub(crate) const BEGINNING: Timestamp = Timestamp::constant(1_767_323_045, 0);

impl Person {
    pub(crate) fn signing(&self) -> DeviceKey {
        DeviceKey::from_bytes(&self.signing.0).expect("32 bytes")
    }

    pub(crate) fn device_key(&self) -> DeviceKey {
        DeviceKey::from_bytes(&self.device_key.0).expect("32 bytes")
    }

    pub(crate) fn receiving(&self) -> ReceivingKey {
        ReceivingKey::from_bytes(&self.receiving.0).expect("32 bytes")
    }

    pub(crate) fn device(&self) -> Device {
        Device { device: self.device, key: self.device_key().public() }
    }

    pub(crate) fn member(&self, label: Blob) -> Member {
        let (signing, receiving) = (self.signing().public(), self.receiving().public());
        Member { account: self.account, signing, receiving, label }
    }
}

impl Cast {
    pub(crate) fn epoch(&self, number: u64) -> EpochKey {
        let index = usize::try_from(number - 1).expect("a small number");
        EpochKey::of(number, &self.epochs[index].0)
    }

    pub(crate) fn names(&self) -> Names {
        self.epoch(1).names(self.workspace).expect("derived")
    }

    pub(crate) fn scope(&self, environment: &str) -> Hash {
        self.names().scope(self.project, &Label::parse(environment).expect("a label")).expect("derived")
    }

    pub(crate) fn scope_key(&self, epoch: u64, environment: &str) -> ScopeKey {
        self.epoch(epoch).scope(self.workspace, self.scope(environment), &self.names()).expect("derived")
    }

    /// The code of an invitation, made in a chain that ends so.
    pub(crate) fn code(&self, name: &str, head: Hash) -> InviteCode {
        let invitation = &self.invitations[name];
        InviteCode::of(&self.server, head, name == "robot", invitation.id, &invitation.secret.0)
    }

    /// Another device of Ben's.
    pub(crate) fn laptop(&self) -> Device {
        let key = DeviceKey::from_bytes(&self.laptop_key.0).expect("32 bytes");
        Device { device: self.laptop, key: key.public() }
    }

    /// Who opens a seal.
    pub(crate) fn recipient(&self, to: &str) -> ReceivingKey {
        match to.strip_prefix("invitation ") {
            Some(name) => self.code(name, Hash::from([0; 32])).keys().expect("derived").receiving().clone(),
            None => self.people[to].receiving(),
        }
    }

    pub(crate) fn recovery_code(&self) -> RecoveryCode {
        RecoveryCode::of(&self.recovery.0)
    }

    /// The policy that the chain sets.
    pub(crate) fn policy(&self) -> SharedPolicy {
        let grant = json!({
            "id": Uuid::from_u128(1), "project": self.project, "secret": "STRIPE_KEY", "created": BEGINNING,
            "terms": {"rule": "https://api.example.com/v1/*", "slots": ["bearer"], "methods": ["GET", "POST"],
                "environment": "staging"},
        });
        let policy = json!({
            "format": 1, "name": "acme", "projects": [{"id": self.project, "name": "shop"}], "grants": [grant],
            "allowlist": ["https://api.example.com"],
            "machines": [{"project": self.project, "environment": "staging"}],
        });
        SharedPolicy::parse(policy.to_string().as_bytes()).expect("a policy")
    }

    /// What the robot is given of it.
    pub(crate) fn piece(&self) -> Vec<u8> {
        let environment = Label::parse("staging").expect("a label");
        let policy = self.policy().narrowed_to(self.project, &environment);
        serde_json::to_vec(&Piece { project: self.project, environment, policy }).expect("plain data")
    }
}

impl ChainFile {
    /// The chain as a home has it after so many entries.
    pub(crate) fn chain(&self, workspace: Uuid, entries: usize) -> Chain {
        let mut chain = Chain::empty(workspace);
        chain.extend(self.entries[..entries].iter().map(|case| case.entry.clone()).collect()).expect("a chain");
        chain
    }
}
