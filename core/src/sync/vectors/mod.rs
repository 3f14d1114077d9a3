//! Frozen bytes of everything that members exchange: what is sealed and signed today opens in every later version.
//!
//! `tests/vectors/README.md` says what the files hold and how they are made.

#[cfg(test)]
mod account;
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
        crate::sync::vectors::read(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/sync/", $name)))
    };
}
pub(crate) use cast::BEGINNING;
pub(crate) use file;

/// A vector file.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).expect("a vector file")
}

/// Bytes, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hex(pub(crate) Vec<u8>);

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
pub(crate) struct Cast {
    pub(crate) about: String,
    pub(crate) seed: String,
    pub(crate) workspace: Uuid,
    pub(crate) project: Uuid,
    pub(crate) server: String,
    pub(crate) people: BTreeMap<String, Person>,
    /// Another device of Ben's, and its key.
    pub(crate) laptop: Uuid,
    pub(crate) laptop_key: Hex,
    /// The keys of the epochs, the first being number 1.
    pub(crate) epochs: Vec<Hex>,
    pub(crate) invitations: BTreeMap<String, Invitation>,
    /// What the recovery code says.
    pub(crate) recovery: Hex,
    /// The export key of OPAQUE.
    pub(crate) export: Hex,
    /// The seed of the owner key.
    pub(crate) owner: Hex,
}

/// A member: secret keys.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Person {
    pub(crate) account: Uuid,
    /// Ed25519: signs the chain; of a machine, its device's.
    pub(crate) signing: Hex,
    /// X25519.
    pub(crate) receiving: Hex,
    pub(crate) device: Uuid,
    /// Ed25519: signs records.
    pub(crate) device_key: Hex,
}

/// What an invitation's code is made of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invitation {
    pub(crate) id: Uuid,
    pub(crate) secret: Hex,
}

/// A chain with an entry of every kind.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChainFile {
    pub(crate) about: String,
    pub(crate) entries: Vec<EntryCase>,
    /// By the founder's device, for the whole chain.
    pub(crate) heartbeat: Signed<Heartbeat>,
}

/// One entry, and what follows from it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryCase {
    pub(crate) name: String,
    /// Who signs, by the name in the cast.
    pub(crate) by: String,
    pub(crate) entry: Signed<Entry>,
    pub(crate) hash: Hash,
    pub(crate) then: Then,
}

/// Who is who after an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Then {
    pub(crate) epoch: u64,
    pub(crate) commitment: Hash,
    pub(crate) policy: u64,
    pub(crate) members: BTreeMap<Uuid, Is>,
    pub(crate) devices: Vec<Uuid>,
    pub(crate) invites: Vec<Uuid>,
}

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Is {
    pub(crate) role: Role,
    pub(crate) scopes: Vec<Hash>,
}

/// Records of the same workspace.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordFile {
    pub(crate) about: String,
    pub(crate) records: Vec<RecordCase>,
}

/// One record, and what is in it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordCase {
    pub(crate) name: String,
    pub(crate) by: String,
    pub(crate) environment: String,
    pub(crate) secret: String,
    pub(crate) weak: bool,
    /// None where the name is deleted.
    pub(crate) value: Option<Hex>,
    /// How many bytes are sealed, padding included.
    pub(crate) bucket: usize,
    pub(crate) record: Signed<Record>,
    pub(crate) hash: Hash,
}
