//! Frozen bytes of everything that members exchange: what is sealed and signed today opens in every later version.
//!
//! `tests/vectors/README.md` says what the files hold and how they are made.

#[cfg(test)]
mod account;
#[cfg(test)]
mod cast;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod codes;
#[cfg(test)]
mod make;
#[cfg(test)]
mod opened;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod records;

use std::collections::BTreeMap;

use agentsecrets_wire::chain::{Entry, Role};
use agentsecrets_wire::{Hash, Heartbeat, Record, Signed};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

macro_rules! file {
    ($name:literal) => {
        crate::sync::vectors::read(include_str!(concat!("../../../../tests/vectors/sync/", $name)))
    };
}
pub(super) use file;

/// A vector file.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).expect("a vector file")
}

/// Bytes, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hex(pub(super) Vec<u8>);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&crate::hex::lower(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
        let digits =
            digits.filter(|digits| digits.len().is_multiple_of(2)).ok_or_else(|| D::Error::custom("no hex"))?;
        let byte = |pair: &[u32]| u8::try_from(pair[0] << 4 | pair[1]).expect("two digits");
        Ok(Self(digits.chunks(2).map(byte).collect()))
    }
}

/// Who is in the vectors, with all keys. They come from the seed and protect nothing.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cast {
    pub(super) about: String,
    pub(super) seed: String,
    pub(super) workspace: Uuid,
    pub(super) project: Uuid,
    pub(super) server: String,
    pub(super) people: BTreeMap<String, Person>,
    /// Another device of Ben's, and its key.
    pub(super) laptop: Uuid,
    pub(super) laptop_key: Hex,
    /// The keys of the epochs, the first being number 1.
    pub(super) epochs: Vec<Hex>,
    pub(super) invitations: BTreeMap<String, Invitation>,
    /// What the recovery code says.
    pub(super) recovery: Hex,
    /// The export key of OPAQUE.
    pub(super) export: Hex,
    /// The seed of the owner key.
    pub(super) owner: Hex,
}

/// A member: secret keys.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    pub(super) account: Uuid,
    /// Ed25519: signs the chain; of a machine, its device's.
    pub(super) signing: Hex,
    /// X25519.
    pub(super) receiving: Hex,
    pub(super) device: Uuid,
    /// Ed25519: signs records.
    pub(super) device_key: Hex,
}

/// What an invitation's code is made of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Invitation {
    pub(super) id: Uuid,
    pub(super) secret: Hex,
}

/// A chain with an entry of every kind.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChainFile {
    pub(super) about: String,
    pub(super) entries: Vec<EntryCase>,
    /// By the founder's device, for the whole chain.
    pub(super) heartbeat: Signed<Heartbeat>,
}

/// One entry, and what follows from it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryCase {
    pub(super) name: String,
    /// Who signs, by the name in the cast.
    pub(super) by: String,
    pub(super) entry: Signed<Entry>,
    pub(super) hash: Hash,
    pub(super) then: Then,
}

/// Who is who after an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Then {
    pub(super) epoch: u64,
    pub(super) commitment: Hash,
    pub(super) policy: u64,
    pub(super) members: BTreeMap<Uuid, Is>,
    pub(super) devices: Vec<Uuid>,
    pub(super) invites: Vec<Uuid>,
}

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Is {
    pub(super) role: Role,
    pub(super) scopes: Vec<Hash>,
}

/// Records of the same workspace.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordFile {
    pub(super) about: String,
    pub(super) records: Vec<RecordCase>,
}

/// One record, and what is in it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordCase {
    pub(super) name: String,
    pub(super) by: String,
    pub(super) environment: String,
    pub(super) secret: String,
    pub(super) weak: bool,
    /// None where the name is deleted.
    pub(super) value: Option<Hex>,
    /// How many bytes are sealed, padding included.
    pub(super) bucket: usize,
    pub(super) record: Signed<Record>,
    pub(super) hash: Hash,
}
