//! A secret as it is shared: what is sealed in a record of the protocol, and what a record is held to when it is opened.
//!
//! The plaintext is the length of the header (u32, little endian), the header as JSON, the length of the value (u32), the value,
//! and zeroes up to a size bucket. Everything else of the record is authenticated with it.

use agentsecrets_wire::{Blob, Record, limits};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::binding::Binding;
use super::envelope;
use super::epoch::{NameKey, ScopeKey};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};

const SMALLEST: usize = 256;
const LARGEST: usize = 128 << 10;

/// What stands before the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// The project.
    pub(crate) project: Uuid,
    /// One of its environments.
    pub(crate) environment: String,
    /// The secret's name.
    pub(crate) name: String,
    /// Whether a value under eight bytes was asked for.
    pub(crate) weak: bool,
    /// Whether the name was deleted; the record says so too.
    pub(crate) gone: bool,
}

/// What an open record holds: no value where the name was deleted.
pub(crate) struct Opened {
    /// What it is.
    pub(crate) header: Header,
    /// The value.
    pub(crate) value: Option<SecretValue>,
}

/// Seals a value, or that it is gone, into a record whose every other field is set; `gone`, `scope` and `record` among them.
///
/// # Errors
/// `invalid_value` where it is too long.
pub(crate) fn seal(keys: &ScopeKey, record: &mut Record, header: &Header, value: Option<&SecretValue>) -> Result<()> {
    let plaintext = encode(header, value)?;
    record.sealed = envelope::seal(&keys.records()?, &binding(record), plaintext.as_slice()).map(Blob)?;
    Ok(())
}

/// Opens what [`seal`] made, and checks that it belongs where it stands. A machine has no key of names, and its scope's key says
/// as much: what opens under it was sealed for its scope.
///
/// # Errors
/// `record_invalid` where one bit of the record is another, or it was sealed for another place.
pub(crate) fn open(keys: &ScopeKey, names: Option<&NameKey>, record: &Record) -> Result<Opened> {
    if record.v != 1 || record.sealed.as_bytes().len() > limits::SEALED {
        return Err(invalid("a record is not of the form that this version knows"));
    }
    let sealed = record.sealed.as_bytes();
    let plaintext = envelope::open(&keys.records()?, &binding(record), sealed)
        .map_err(|_| invalid("a record does not open: it was altered, swapped, or is of another place"))?;
    let opened = decode(plaintext.as_slice()).ok_or_else(|| invalid("a record holds what this version cannot read"))?;
    let header = &opened.header;
    let scoped = names.is_none_or(|names| names.scope(&header.project, &header.environment) == record.scope);
    if !scoped || keys.record(&header.name) != record.record || header.gone != record.gone {
        return Err(invalid("a record holds another name than it stands for"));
    }
    Ok(opened)
}

/// The plaintext, padded.
fn encode(header: &Header, value: Option<&SecretValue>) -> Result<SecretBuf> {
    let header =
        serde_json::to_vec(header).map_err(|_| Error::new(ErrorCode::Internal, "a header cannot be written"))?;
    let length = |bytes: usize| u32::try_from(bytes).map_err(|_| too_long());
    let value_length = value.map_or(0, SecretValue::len);
    let padded = bucket(8 + header.len() + value_length).ok_or_else(too_long)?;
    let mut plaintext = SecretBuf::with_capacity(padded);
    plaintext.extend(&length(header.len())?.to_le_bytes());
    plaintext.extend(&header);
    plaintext.extend(&length(value_length)?.to_le_bytes());
    if let Some(value) = value {
        // EXPOSE: the value is what is sealed.
        plaintext.extend(value.expose());
    }
    while plaintext.len() < padded {
        plaintext.extend(&[0; SMALLEST][..SMALLEST.min(padded - plaintext.len())]);
    }
    Ok(plaintext)
}

/// What [`encode`] wrote, and nothing that it would not write.
fn decode(plaintext: &[u8]) -> Option<Opened> {
    let (header, rest) = counted(plaintext)?;
    let (value, padding) = counted(rest)?;
    let used = plaintext.len() - padding.len();
    if bucket(used) != Some(plaintext.len()) || padding.iter().any(|byte| *byte != 0) {
        return None;
    }
    let header: Header = serde_json::from_slice(header).ok()?;
    if header.gone != value.is_empty() {
        return None;
    }
    let value = (!header.gone).then(|| SecretValue::copy_from(value));
    Some(Opened { header, value })
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

/// The size that a plaintext is padded to: 256 bytes, or the next power of two up to 128 KiB.
fn bucket(length: usize) -> Option<usize> {
    Some(length.next_power_of_two().max(SMALLEST)).filter(|size| *size <= LARGEST)
}

/// Every field of the record but what is sealed.
fn binding(record: &Record) -> Binding {
    let prev = record.prev.as_ref().map_or(&[][..], |prev| &prev.as_bytes()[..]);
    Binding::new("agentsecrets/sync-record/1")
        .field(&[record.v])
        .field(record.workspace.as_bytes())
        .field(record.scope.as_bytes())
        .field(record.record.as_bytes())
        .field(&record.version.to_le_bytes())
        .field(prev)
        .field(&record.epoch.to_le_bytes())
        .field(record.author.as_bytes())
        .field(record.device.as_bytes())
        .field(&record.head.seq.to_le_bytes())
        .field(record.head.hash.as_bytes())
        .field(&record.time.as_nanosecond().to_le_bytes())
        .field(&[u8::from(record.gone)])
}

fn invalid(why: &'static str) -> Error {
    Error::new(ErrorCode::RecordInvalid, why)
}

fn too_long() -> Error {
    Error::new(ErrorCode::InvalidValue, "the value and its name are too long to be shared")
}

#[cfg(test)]
mod tests {
    use agentsecrets_wire::Hash;
    use agentsecrets_wire::chain::Head;
    use jiff::Timestamp;

    use super::super::epoch::EpochKey;
    use super::*;

    const HERE: Uuid = Uuid::from_u128(7);
    const PROJECT: Uuid = Uuid::from_u128(3);

    struct World {
        epoch: EpochKey,
        names: NameKey,
    }

    impl World {
        fn new() -> Self {
            let epoch = EpochKey::make().expect("random");
            let names = epoch.names(&HERE).expect("derived");
            Self { epoch, names }
        }

        fn keys(&self, environment: &str) -> ScopeKey {
            let scope = self.names.scope(&PROJECT, environment);
            self.epoch.scope(&HERE, &self.names, &scope).expect("derived")
        }

        fn record(&self, environment: &str, name: &str, value: Option<&[u8]>) -> Record {
            let head = Head { seq: 4, hash: Hash::from([1; 32]) };
            let mut record = Record {
                v: 1,
                workspace: HERE,
                scope: self.names.scope(&PROJECT, environment),
                record: self.keys(environment).record(name),
                version: 2,
                prev: Some(Hash::from([2; 32])),
                epoch: 1,
                author: Uuid::from_u128(11),
                device: Uuid::from_u128(12),
                head,
                time: Timestamp::UNIX_EPOCH,
                gone: value.is_none(),
                sealed: Blob::default(),
            };
            let header = header(environment, name, value.is_none());
            let value = value.map(SecretValue::copy_from);
            seal(&self.keys(environment), &mut record, &header, value.as_ref()).expect("sealed");
            record
        }

        fn refuses(&self, record: &Record) -> bool {
            let refused = open(&self.keys("production"), Some(&self.names), record).err();
            refused.is_some_and(|error| error.code() == ErrorCode::RecordInvalid)
        }
    }

    fn header(environment: &str, name: &str, gone: bool) -> Header {
        Header { project: PROJECT, environment: environment.into(), name: name.into(), weak: false, gone }
    }

    #[test]
    fn a_record_opens_where_it_stands() {
        let world = World::new();
        for length in [1, 100, 200, 1000, 65_536] {
            let value: Vec<u8> = (1..=255).cycle().take(length).collect();
            let record = world.record("production", "KEY", Some(&value));
            for names in [Some(&world.names), None] {
                let opened = open(&world.keys("production"), names, &record).expect("opens");
                assert_eq!(opened.header, header("production", "KEY", false));
                // EXPOSE: the test compares what went in with what came out.
                assert_eq!(opened.value.expect("a value").expose(), value);
            }
            let plain = record.sealed.as_bytes().len() - envelope::OVERHEAD;
            assert!(plain.is_power_of_two() && plain >= SMALLEST && record.sealed.as_bytes().len() <= limits::SEALED);
        }
        let gone = world.record("production", "KEY", None);
        assert!(open(&world.keys("production"), None, &gone).expect("opens").value.is_none());
    }

    #[test]
    fn no_field_of_a_record_can_be_another() {
        let world = World::new();
        let record = world.record("production", "KEY", Some(b"canary value"));
        assert!(!world.refuses(&record), "as it was sealed, it opens");
        let changes: [fn(&mut Record); 13] = [
            |it| it.v = 2,
            |it| it.workspace = Uuid::from_u128(8),
            |it| it.scope = Hash::from([9; 32]),
            |it| it.record = Hash::from([9; 32]),
            |it| it.version = 3,
            |it| it.prev = None,
            |it| it.epoch = 2,
            |it| it.author = Uuid::from_u128(1),
            |it| it.device = Uuid::from_u128(1),
            |it| it.head.seq = 5,
            |it| it.head.hash = Hash::from([9; 32]),
            |it| it.time = Timestamp::MAX,
            |it| it.gone = true,
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut altered = record.clone();
            change(&mut altered);
            assert!(world.refuses(&altered), "change {number}");
        }
    }

    #[test]
    fn no_ciphertext_opens_in_the_place_of_another() {
        let world = World::new();
        let record = world.record("production", "KEY", Some(b"canary value"));
        for other in [world.record("staging", "KEY", Some(b"x")), world.record("production", "OTHER", Some(b"x"))] {
            assert!(world.refuses(&Record { sealed: other.sealed.clone(), ..record.clone() }));
        }
        assert!(world.refuses(&world.record("staging", "KEY", Some(b"x"))), "the whole record of another scope");
        assert!(World::new().refuses(&record), "another workspace's keys");
        let bits = record.sealed.as_bytes().len() * 8;
        for bit in 0..bits {
            let mut altered = record.clone();
            altered.sealed.0[bit / 8] ^= 1 << (bit % 8);
            assert!(world.refuses(&altered), "bit {bit}");
        }
    }

    #[test]
    fn a_member_cannot_seal_one_name_for_another() {
        // Whoever holds the keys can seal anything; the name inside has to be the one outside.
        let world = World::new();
        let keys = world.keys("production");
        let value = SecretValue::copy_from(b"canary value");
        for lie in [header("production", "OTHER", false), header("staging", "KEY", false)] {
            let mut record = world.record("production", "KEY", Some(b"x"));
            seal(&keys, &mut record, &lie, Some(&value)).expect("sealed");
            assert!(world.refuses(&record));
        }
    }

    #[test]
    fn padding_says_nothing_and_is_checked() {
        let plaintext =
            encode(&header("production", "KEY", false), Some(&SecretValue::copy_from(b"x"))).expect("short");
        assert!(decode(plaintext.as_slice()).is_some());
        let mut padded = plaintext.as_slice().to_vec();
        padded[SMALLEST - 1] = 1;
        assert!(decode(&padded).is_none());
        padded[SMALLEST - 1] = 0;
        padded.extend_from_slice(&[0; SMALLEST]);
        assert!(decode(&padded).is_none(), "a larger bucket than it needs");
        for length in 0..SMALLEST {
            assert!(decode(&plaintext.as_slice()[..length]).is_none(), "cut to {length}");
        }
    }
}
