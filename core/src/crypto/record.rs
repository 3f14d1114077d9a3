//! A secret as the members exchange it: name and value in one ciphertext, bound to everything that stands beside it.
//!
//! What is sealed is the length of a header (u32, little endian), the header (JSON), the length of the value (u32), the value, and
//! zeroes up to the next size that a power of two gives, so that a length says little of a value.

use agentsecrets_wire::chain::Head;
use agentsecrets_wire::{Hash, Record};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::binding::Binding;
use super::envelope;
use super::epoch::ScopeKey;
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};
use crate::secret_ref::{Label, SecretName};

/// The smallest size that is sealed.
const SMALLEST: usize = 256;

/// A version to be sealed.
pub(crate) struct NewRecord<'a> {
    pub(crate) workspace: Uuid,
    pub(crate) project: Uuid,
    pub(crate) environment: &'a Label,
    pub(crate) name: &'a SecretName,
    pub(crate) weak: bool,
    /// The value; none where the name is deleted.
    pub(crate) value: Option<&'a SecretValue>,
    pub(crate) version: u64,
    pub(crate) prev: Option<Hash>,
    pub(crate) epoch: u64,
    pub(crate) author: Uuid,
    pub(crate) device: Uuid,
    pub(crate) head: Head,
    pub(crate) time: Timestamp,
}

/// What was in a record.
pub(crate) struct OpenedRecord {
    pub(crate) project: Uuid,
    pub(crate) environment: Label,
    pub(crate) name: SecretName,
    pub(crate) weak: bool,
    pub(crate) value: Option<SecretValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    project: Uuid,
    environment: Label,
    name: SecretName,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    weak: bool,
    gone: bool,
}

/// Seals a version.
///
/// # Errors
/// `internal` where it cannot be sealed.
pub(crate) fn seal_record(key: &ScopeKey, new: &NewRecord<'_>) -> Result<Record> {
    let header = Header {
        project: new.project,
        environment: new.environment.clone(),
        name: new.name.clone(),
        weak: new.weak,
        gone: new.value.is_none(),
    };
    let header = serde_json::to_vec(&header).map_err(|_| broken("a record cannot be written"))?;
    // EXPOSE: the value goes into the buffer that is sealed.
    let value = new.value.map_or(&[][..], |value| value.expose());
    let plain = padded(&header, value)?;
    let mut record = Record {
        v: 1,
        workspace: new.workspace,
        scope: key.scope(),
        record: key.record_id(new.name),
        version: new.version,
        prev: new.prev,
        epoch: new.epoch,
        author: new.author,
        device: new.device,
        head: new.head,
        time: new.time,
        gone: new.value.is_none(),
        sealed: Vec::new().into(),
    };
    let sealing = key.purpose("record", new.workspace)?;
    record.sealed = envelope::seal(&sealing, &binding(&record), plain.as_slice())?.into();
    Ok(record)
}

/// What a member could make who seals anything at all.
#[cfg(any(test, fuzzing))]
pub(super) fn seal_plain(key: &ScopeKey, record: &mut Record, plain: &[u8]) {
    let sealing = key.purpose("record", record.workspace).expect("derived");
    record.sealed = envelope::seal(&sealing, &binding(record), plain).expect("sealed").into();
}

/// Opens a version whose signature was verified.
///
/// # Errors
/// `record_invalid` where it was altered, moved, or says another name than it lies under.
pub(crate) fn open_record(key: &ScopeKey, record: &Record) -> Result<OpenedRecord> {
    let sealing = key.purpose("record", record.workspace)?;
    let plain = envelope::open(&sealing, &binding(record), record.sealed.as_bytes())
        .map_err(|_| broken("a record of the server does not open: it was altered or moved"))?;
    let (header, value) = parse(plain.as_slice()).ok_or_else(|| broken("a record of the server has another form"))?;
    if header.gone != record.gone || (header.gone && !value.is_empty()) {
        return Err(broken("a record of the server says of itself what its author did not"));
    }
    if key.scope() != record.scope || key.record_id(&header.name) != record.record {
        return Err(broken("a record of the server says another name than it lies under"));
    }
    let value = (!header.gone).then(|| SecretValue::copy_from(value));
    Ok(OpenedRecord {
        project: header.project,
        environment: header.environment,
        name: header.name,
        weak: header.weak,
        value,
    })
}

fn padded(header: &[u8], value: &[u8]) -> Result<SecretBuf> {
    let size = (8 + header.len() + value.len()).next_power_of_two().max(SMALLEST);
    let mut plain = SecretBuf::with_capacity(size);
    for part in [header, value] {
        let length = u32::try_from(part.len()).map_err(|_| broken("a value is too long to be shared"))?;
        plain.extend(&length.to_le_bytes());
        plain.extend(part);
    }
    let zeroes = [0; 1024];
    while plain.len() < size {
        plain.extend(&zeroes[..zeroes.len().min(size - plain.len())]);
    }
    Ok(plain)
}

fn parse(plain: &[u8]) -> Option<(Header, &[u8])> {
    let (header, rest) = part(plain)?;
    let (value, padding) = part(rest)?;
    let size_is_right = plain.len().is_power_of_two() && plain.len() >= SMALLEST;
    if !size_is_right || padding.iter().any(|byte| *byte != 0) {
        return None;
    }
    Some((serde_json::from_slice(header).ok()?, value))
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

/// Every field but the ciphertext.
fn binding(record: &Record) -> Binding {
    let none = [0; 32];
    Binding::new("agentsecrets/shared-record/1")
        .field(&[record.v, u8::from(record.gone), u8::from(record.prev.is_some())])
        .field(record.workspace.as_bytes())
        .field(record.scope.as_bytes())
        .field(record.record.as_bytes())
        .field(&record.version.to_le_bytes())
        .field(record.prev.as_ref().map_or(&none, |prev| prev.as_bytes()))
        .field(&record.epoch.to_le_bytes())
        .field(record.author.as_bytes())
        .field(record.device.as_bytes())
        .field(&record.head.seq.to_le_bytes())
        .field(record.head.hash.as_bytes())
        .field(&record.time.as_nanosecond().to_le_bytes())
}

fn broken(why: &'static str) -> Error {
    Error::new(ErrorCode::RecordInvalid, why)
}

#[cfg(test)]
mod tests {
    use super::super::epoch::EpochKey;
    use super::*;

    const WORKSPACE: Uuid = Uuid::from_u128(1);

    fn key(environment: &str) -> ScopeKey {
        let epoch = EpochKey::make(1).expect("random");
        let names = epoch.names(WORKSPACE).expect("derived");
        let environment = Label::parse(environment).expect("a label");
        let scope = names.scope(Uuid::from_u128(5), &environment).expect("derived");
        epoch.scope(WORKSPACE, scope, &names).expect("derived")
    }

    fn sealed(key: &ScopeKey, value: Option<&[u8]>) -> Record {
        let value = value.map(SecretValue::copy_from);
        let (environment, name) =
            (Label::parse("staging").expect("a label"), SecretName::parse("STRIPE_KEY").expect("a name"));
        seal_record(
            key,
            &NewRecord {
                workspace: WORKSPACE,
                project: Uuid::from_u128(5),
                environment: &environment,
                name: &name,
                weak: false,
                value: value.as_ref(),
                version: 2,
                prev: Some([9; 32].into()),
                epoch: 1,
                author: Uuid::from_u128(6),
                device: Uuid::from_u128(7),
                head: Head { seq: 3, hash: [4; 32].into() },
                time: Timestamp::UNIX_EPOCH,
            },
        )
        .expect("sealed")
    }

    #[test]
    fn a_record_opens_where_it_belongs_and_its_length_is_a_bucket() {
        let key = key("staging");
        for (len, size) in [(0, 256), (8, 256), (100, 256), (300, 512), (65_536, 131_072)] {
            let value = vec![b'v'; len];
            let record = sealed(&key, Some(&value));
            assert_eq!(record.sealed.0.len(), size + envelope::OVERHEAD, "{len}");
            let opened = open_record(&key, &record).expect("opens");
            // EXPOSE: the test compares what went in with what came out.
            assert_eq!(opened.value.expect("a value").expose(), value);
            assert_eq!((opened.name.as_str(), opened.environment.as_str()), ("STRIPE_KEY", "staging"));
        }
        assert!(open_record(&key, &sealed(&key, None)).expect("opens").value.is_none());
    }

    #[test]
    fn nothing_beside_the_ciphertext_can_be_another() {
        let own = key("staging");
        let right = sealed(&own, Some(b"a value of ours"));
        let altered: [fn(&mut Record); 12] = [
            |record| record.workspace = Uuid::from_u128(2),
            |record| record.record = [1; 32].into(),
            |record| record.version = 3,
            |record| record.prev = Some([8; 32].into()),
            |record| record.prev = None,
            |record| record.epoch = 2,
            |record| record.author = Uuid::from_u128(2),
            |record| record.device = Uuid::from_u128(2),
            |record| record.head.seq = 4,
            |record| record.head.hash = [1; 32].into(),
            |record| record.time = Timestamp::MAX,
            |record| record.gone = true,
        ];
        for (at, alter) in altered.iter().enumerate() {
            let mut record = right.clone();
            alter(&mut record);
            let refused = open_record(&own, &record).err().expect("refused").code();
            assert_eq!(refused, ErrorCode::RecordInvalid, "{at}");
        }
        for at in 0..right.sealed.0.len() {
            let mut record = right.clone();
            record.sealed.0[at] ^= 0x80;
            assert!(open_record(&own, &record).is_err(), "byte {at}");
            record.sealed.0.truncate(at);
            assert!(open_record(&own, &record).is_err(), "cut to {at}");
        }
        assert!(open_record(&key("staging"), &right).is_err(), "another epoch's key");
    }
}
