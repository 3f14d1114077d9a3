//! Records: each opens as it did, for whoever has the key of its scope, and nowhere else.

use agentsecrets_wire::chain::Head;
use agentsecrets_wire::{Hash, Record, Signed};
use jiff::SignedDuration;
use uuid::Uuid;

use super::cast::BEGINNING;
use super::chain::{Altered, flipped, is_signed_as_ever};
use super::{Cast, ChainFile, Hex, RecordCase, RecordFile, file};
use crate::crypto::{NewRecord, ScopeKey, Strict, envelope, open_record, seal_record};
use crate::resolve::value::SecretValue;
use crate::secret_ref::{Label, SecretName};
use crate::sync::Chain;
use crate::sync::fetch::verify;

/// What is written: by whom, after how many entries, where, and what.
struct Written<'a> {
    name: &'a str,
    by: &'a str,
    after: usize,
    environment: &'a str,
    secret: &'a str,
    weak: bool,
    value: Option<Vec<u8>>,
    /// The version before.
    before: Option<&'a RecordCase>,
}

impl Written<'_> {
    fn sealed(self, cast: &Cast, chain: &ChainFile) -> RecordCase {
        let (case, person) = (&chain.entries[self.after - 1], &cast.people[self.by]);
        let key = cast.scope_key(case.then.epoch, self.environment);
        let value = self.value.as_deref().map(SecretValue::copy_from);
        let seq = u64::try_from(self.after).expect("few entries");
        let before = self.before.map(|before| before.record.parse().expect("a record"));
        let new = NewRecord {
            workspace: cast.workspace,
            project: cast.project,
            environment: &Label::parse(self.environment).expect("a label"),
            name: &SecretName::parse(self.secret).expect("a name"),
            weak: self.weak,
            value: value.as_ref(),
            version: before.map_or(1, |before| before.version + 1),
            prev: self.before.map(|before| before.hash),
            epoch: case.then.epoch,
            author: person.account,
            device: person.device,
            head: Head { seq, hash: case.hash },
            time: BEGINNING + SignedDuration::from_mins(10),
        };
        let record = seal_record(&key, &new).expect("sealed");
        let bucket = record.sealed.0.len() - envelope::OVERHEAD;
        let record = Signed::make(&record, |bytes| person.device_key().sign(bytes));
        let hash = record.hash(&Strict);
        let (environment, secret) = (self.environment.to_owned(), self.secret.to_owned());
        let (name, by, weak, value) = (self.name.to_owned(), self.by.to_owned(), self.weak, self.value.map(Hex));
        RecordCase { name, by, environment, secret, weak, value, bucket, record, hash }
    }
}

/// Three versions of one name, and others beside it.
pub(super) fn make(cast: &Cast, chain: &ChainFile) -> RecordFile {
    let first = Written {
        name: "the first version",
        by: "ben",
        after: 3,
        environment: "staging",
        secret: "STRIPE_KEY",
        weak: false,
        value: Some(b"not a real value".to_vec()),
        before: None,
    };
    let other = |name, environment, secret, value: &[u8]| Written {
        name,
        environment,
        secret,
        value: Some(value.to_vec()),
        by: "anna",
        after: 6,
        weak: false,
        before: None,
    };
    let first = first.sealed(cast, chain);
    let value = Some(b"another one, of the second epoch".to_vec());
    let changed = other("the second version, of another epoch", "staging", "STRIPE_KEY", b"");
    let second = Written { after: 12, value, before: Some(&first), ..changed }.sealed(cast, chain);
    let deleted = other("the name is deleted", "staging", "STRIPE_KEY", b"");
    let third = Written { after: 13, value: None, before: Some(&second), ..deleted }.sealed(cast, chain);
    let weak = Written { weak: true, ..other("a weak value", "staging", "PIN", b"1234") }.sealed(cast, chain);
    let elsewhere = other("the same name in production", "production", "STRIPE_KEY", b"not real either");
    let longer = other("a value for the next bucket", "staging", "CERTIFICATE", &[b'v'; 300]);
    let empty = other("no byte, and bytes that are no text", "staging", "BYTES", b"\x00\xff\xfe");
    let more = [elsewhere, longer, empty].map(|written| written.sealed(cast, chain));
    RecordFile {
        about: "Records of the workspace in chain.json, by its members.".to_owned(),
        records: [first, second, third, weak].into_iter().chain(more).collect(),
    }
}

fn files() -> (Cast, Chain, Vec<RecordCase>) {
    let (cast, chain, records): (Cast, ChainFile, RecordFile) =
        (file!("cast.json"), file!("chain.json"), file!("records.json"));
    let chain = chain.chain(cast.workspace, chain.entries.len());
    (cast, chain, records.records)
}

/// Whether it counts and opens.
fn is_accepted(chain: &Chain, key: &ScopeKey, signed: &Signed<Record>) -> bool {
    verify(chain, signed, false).is_ok() && signed.parse().is_ok_and(|record| open_record(key, &record).is_ok())
}

#[test]
fn every_record_opens_as_it_did() {
    let (cast, chain, records) = files();
    assert_eq!(records.len(), 7);
    for case in &records {
        verify(&chain, &case.record, false).expect(&case.name);
        let record = case.record.parse().expect("a record");
        let opened = open_record(&cast.scope_key(record.epoch, &case.environment), &record).expect(&case.name);
        assert_eq!((opened.name.as_str(), opened.environment.as_str()), (&*case.secret, &*case.environment));
        assert_eq!((opened.project, opened.weak), (cast.project, case.weak), "{}", case.name);
        // EXPOSE: the test compares with the known answer.
        assert_eq!(opened.value.map(|value| Hex(value.expose().to_vec())), case.value, "{}", case.name);
        assert_eq!(record.sealed.0.len() - envelope::OVERHEAD, case.bucket, "{}", case.name);
        is_signed_as_ever(&case.record, &cast.people[&case.by].device_key(), Some(case.hash));
    }
    let versions: Vec<Record> = records[..3].iter().map(|case| case.record.parse().expect("a record")).collect();
    let before: Vec<Option<Hash>> = versions.iter().map(|version| version.prev).collect();
    assert_eq!(before, [None, Some(records[0].hash), Some(records[1].hash)]);
}

#[test]
fn no_record_counts_with_one_byte_altered() {
    let (cast, chain, records) = files();
    for case in &records {
        let record = case.record.parse().expect("a record");
        let key = cast.scope_key(record.epoch, &case.environment);
        assert!(is_accepted(&chain, &key, &case.record), "{}: the control", case.name);
        for (at, altered) in flipped(&case.record).enumerate() {
            assert!(verify(&chain, &altered, false).is_err(), "{}, byte {at}", case.name);
        }
        // Its author, who may sign anew, still cannot alter a byte under another's key.
        for at in 0..record.sealed.0.len() {
            let mut altered = record.clone();
            altered.sealed.0[at] ^= 1;
            assert!(open_record(&key, &altered).is_err(), "{}, sealed byte {at}", case.name);
        }
    }
}

#[test]
fn a_version_without_one_before_or_after_is_refused_even_of_a_member() {
    let (cast, chain, records) = files();
    let (record, ben) = (records[0].record.parse().expect("a record"), cast.people["ben"].device_key());
    let key = cast.scope_key(1, "staging");
    for (version, prev, accepted) in
        [(1, false, true), (7, true, true), (u64::MAX - 1, true, true), (u64::MAX, true, false), (0, true, false)]
    {
        let mut record = Record { version, prev: prev.then(|| [1; 32].into()), ..record.clone() };
        crate::crypto::fuzz::sealed_anew(&key, &mut record);
        let signed = Signed::make(&record, |bytes| ben.sign(bytes));
        assert_eq!(is_accepted(&chain, &key, &signed), accepted, "version {version}");
    }
}

#[test]
fn no_record_opens_in_another_place() {
    let (cast, chain, records) = files();
    let elsewhere: [Altered<Record>; 14] = [
        ("workspace", |record| record.workspace = Uuid::from_u128(1)),
        ("form", |record| record.v = 2),
        ("scope", |record| record.scope = [1; 32].into()),
        ("name", |record| record.record = [1; 32].into()),
        ("version", |record| record.version += 1),
        ("past", |record| record.prev = Some([1; 32].into())),
        ("no past", |record| record.prev = if record.prev.is_some() { None } else { Some([0; 32].into()) }),
        ("epoch", |record| record.epoch += 1),
        ("author", |record| record.author = Uuid::from_u128(1)),
        ("device", |record| record.device = Uuid::from_u128(1)),
        ("end of the chain", |record| record.head.seq -= 1),
        ("digest of it", |record| record.head.hash = [1; 32].into()),
        ("time", |record| record.time += SignedDuration::from_nanos(1)),
        ("deletion", |record| record.gone = !record.gone),
    ];
    for case in &records {
        let record = case.record.parse().expect("a record");
        let (key, author) = (cast.scope_key(record.epoch, &case.environment), cast.people[&case.by].device_key());
        for (what, alter) in elsewhere {
            let mut altered = record.clone();
            alter(&mut altered);
            assert!(open_record(&key, &altered).is_err(), "{}: another {what}", case.name);
            let (kept, anew) =
                (Signed::make(&altered, |_| case.record.signature), Signed::make(&altered, |bytes| author.sign(bytes)));
            assert!(verify(&chain, &kept, false).is_err(), "{}: another {what}", case.name);
            assert!(!is_accepted(&chain, &key, &anew), "{}: another {what}, signed anew", case.name);
        }
        let stranger = Signed::make(&record, |bytes| cast.people["robot"].device_key().sign(bytes));
        assert!(verify(&chain, &stranger, false).is_err(), "{}: signed by another", case.name);
        for (epoch, environment) in [(1, "staging"), (2, "staging"), (3, "staging"), (1, "production")] {
            let own = epoch == record.epoch && environment == case.environment;
            let opens = open_record(&cast.scope_key(epoch, environment), &record).is_ok();
            assert_eq!(opens, own, "{}: the key of {environment} in epoch {epoch}", case.name);
        }
    }
}
