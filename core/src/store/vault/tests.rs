use std::fs;

use super::super::StoreKind;
use super::super::memory::MemoryStore;
use super::super::testing::{home, records_in};
use super::*;
use crate::crypto::make_random;
use crate::resolve::input::SecretInput;
use crate::secret_ref::Label;

pub(super) struct Fixture {
    home: tempfile::TempDir,
    id: Uuid,
    key: UseKey,
}

impl Fixture {
    pub(super) fn new() -> (Self, Vault) {
        let fixture = Self { home: home(), id: Uuid::new_v4(), key: UseKey::make().expect("random") };
        let vault = Vault::create(fixture.home.path(), fixture.id, fixture.store(), &fixture.key).expect("a new vault");
        (fixture, vault)
    }

    fn store(&self) -> Box<dyn SecretStore> {
        super::super::open(StoreKind::File, self.home.path(), self.id).expect("a store")
    }

    fn open(&self) -> Result<Vault> {
        Vault::open(self.home.path(), self.id, self.store(), &self.key)
    }

    fn record_path(&self, vault: &Vault, place: &Place, text: &str) -> PathBuf {
        let record = vault.index().expect("readable").get(place, &name(text)).expect("there").record.to_string();
        self.home.path().join("store").join(&record[..2]).join(record)
    }
}

pub(super) fn place(environment: &str) -> Place {
    let environment = Label::parse(environment).expect("legal");
    Place { workspace: Uuid::from_u128(1), project: Uuid::from_u128(2), environment }
}

pub(super) fn name(text: &str) -> SecretName {
    SecretName::parse(text).expect("legal")
}

pub(super) fn new(text: &str, value: &[u8]) -> NewSecret {
    NewSecret { name: name(text), input: SecretInput::from_bytes(value.to_vec()).expect("legal"), weak: false }
}

fn random() -> [u8; 32] {
    make_random().expect("random")
}

pub(super) fn shown(vault: &Vault, place: &Place, text: &str) -> Result<Vec<u8>> {
    // EXPOSE: the test compares what went in with what came out.
    vault.value(place, &name(text)).map(|value| value.expose().to_vec())
}

fn code<T>(outcome: Result<T>) -> ErrorCode {
    outcome.err().expect("refused").code()
}

#[test]
fn a_value_has_a_place_and_a_version() {
    let (fixture, vault) = Fixture::new();
    let (development, production) = (place("development"), place("production"));
    let (one, two) = (random(), random());
    assert_eq!(vault.set(&development, new("KEY", &one), &Expectation::New).expect("set"), 1);
    assert_eq!(vault.set(&production, new("KEY", &two), &Expectation::New).expect("set"), 1);
    assert_eq!(vault.set(&production, new("KEY", &two), &Expectation::Overwrite).expect("set"), 2);
    let again = fixture.open().expect("a vault");
    assert!(shown(&again, &development, "KEY").expect("there") == one);
    assert!(shown(&again, &production, "KEY").expect("there") == two);
    assert_eq!(again.check(&development, &[name("KEY"), name("NONE")]).expect("checked"), [true, false]);
    assert_eq!(again.places().expect("listed"), [development, production.clone()]);
    let listed = again.list(&production).expect("listed");
    assert_eq!((listed.len(), listed[0].version, listed[0].weak), (1, 2, false));
    assert!(listed[0].created <= listed[0].updated);
    assert_eq!(records_in(fixture.home.path()).len(), 2, "the old version is swept");
}

#[test]
fn a_set_of_many_is_all_or_nothing() {
    let (fixture, vault) = Fixture::new();
    let place = place("development");
    vault.set(&place, new("TAKEN", &random()), &Expectation::New).expect("set");
    let many = |names: &[&str]| names.iter().map(|name| new(name, &random())).collect();
    assert_eq!(code(vault.set_many(&place, many(&["A", "TAKEN"]), &Expectation::New)), ErrorCode::OwnerRequired);
    assert_eq!(code(vault.set_many(&place, many(&["A", "B", "A"]), &Expectation::New)), ErrorCode::InvalidCall);
    let mut short: Vec<NewSecret> = many(&["A"]);
    short.push(new("SHORT", b"1234567"));
    assert_eq!(code(vault.set_many(&place, short, &Expectation::New)), ErrorCode::InvalidValue);
    assert_eq!(vault.list(&place).expect("listed").len(), 1);
    assert_eq!(records_in(fixture.home.path()).len(), 1);
    assert_eq!(vault.set_many(&place, many(&["B", "A", "TAKEN"]), &Expectation::Overwrite).expect("set"), [1, 1, 2]);
}

#[test]
fn a_missing_name_is_told_with_those_near_it() {
    let (_fixture, vault) = Fixture::new();
    let place = place("development");
    for text in ["STRIPE_KEY", "STRIPE_KEYS", "OPENAI_KEY"] {
        vault.set(&place, new(text, &random()), &Expectation::New).expect("set");
    }
    let error = shown(&vault, &place, "STRIPE_KEX").expect_err("not there");
    assert_eq!(error.code(), ErrorCode::SecretNotFound);
    let hint = error.hint().expect("a hint").to_owned();
    assert!(hint.contains("STRIPE_KEY or STRIPE_KEYS") && !hint.contains("OPENAI"), "{hint}");
    let far = shown(&vault, &place, "ZZZ").expect_err("not there");
    assert_eq!(far.hint(), Some("agentsecrets secrets set ZZZ"));
    assert_eq!(code(vault.delete(&place, &name("ZZZ"))), ErrorCode::SecretNotFound);
}

#[test]
fn swapped_altered_and_rolled_back_records_do_not_open() {
    let (fixture, vault) = Fixture::new();
    let place = place("development");
    for text in ["ONE", "TWO"] {
        vault.set(&place, new(text, &random()), &Expectation::New).expect("set");
    }
    let (one, two) = (fixture.record_path(&vault, &place, "ONE"), fixture.record_path(&vault, &place, "TWO"));
    let old = fs::read(&one).expect("there");
    fs::write(&one, fs::read(&two).expect("there")).expect("written");
    assert_eq!(code(shown(&vault, &place, "ONE")), ErrorCode::StoreCorrupted, "swapped");
    fs::write(&one, &old[..old.len() - 1]).expect("written");
    assert_eq!(code(shown(&vault, &place, "ONE")), ErrorCode::StoreCorrupted, "cut");
    fs::write(&one, b"").expect("written");
    assert_eq!(code(shown(&vault, &place, "ONE")), ErrorCode::StoreCorrupted, "emptied");
    fs::remove_file(&one).expect("there");
    assert_eq!(code(shown(&vault, &place, "ONE")), ErrorCode::StoreCorrupted, "gone");
    vault.set(&place, new("ONE", &random()), &Expectation::Overwrite).expect("set");
    fs::write(fixture.record_path(&vault, &place, "ONE"), &old).expect("written");
    assert_eq!(code(shown(&vault, &place, "ONE")), ErrorCode::StoreCorrupted, "rolled back");
    vault.delete(&place, &name("ONE")).expect("deleted");
    vault.set(&place, new("ONE", &random()), &Expectation::New).expect("set");
    fs::write(fixture.record_path(&vault, &place, "ONE"), &old).expect("written");
    assert_eq!(code(shown(&vault, &place, "ONE")), ErrorCode::StoreCorrupted, "the same version of an earlier life");
    assert!(shown(&vault, &place, "TWO").is_ok(), "its neighbour is whole");
}

#[test]
fn every_part_of_the_binding_matters() {
    let entry = Entry::after(None, RecordId::make().expect("random"), false);
    let next = Entry::after(Some(&entry), entry.record, false);
    let mut other_record = entry.clone();
    other_record.record = RecordId::make().expect("random");
    let base = place("development");
    let bindings = [
        binding(&base, &name("KEY"), &entry),
        binding(&Place { workspace: Uuid::from_u128(9), ..base.clone() }, &name("KEY"), &entry),
        binding(&Place { project: Uuid::from_u128(9), ..base.clone() }, &name("KEY"), &entry),
        binding(&place("production"), &name("KEY"), &entry),
        binding(&base, &name("KEYS"), &entry),
        binding(&base, &name("KEY"), &next),
        binding(&base, &name("KEY"), &other_record),
    ];
    let key = UseKey::make().and_then(|key| key.derive(Purpose::Records, b"home")).expect("derived");
    let sealed = envelope::seal(&key, &bindings[0], b"a value").expect("sealed");
    assert!(envelope::open(&key, &bindings[0], &sealed).is_ok());
    for other in &bindings[1..] {
        assert_eq!(code(envelope::open(&key, other, &sealed)), ErrorCode::StoreCorrupted);
    }
}

#[test]
fn a_damaged_or_missing_index_is_never_replaced() {
    let (fixture, vault) = Fixture::new();
    let place = place("development");
    vault.set(&place, new("KEY", &random()), &Expectation::New).expect("set");
    let path = index::path(fixture.home.path());
    let whole = fs::read(&path).expect("there");
    let mut altered = whole.clone();
    altered[40] ^= 1;
    for damage in [&altered[..], &whole[..whole.len() - 1], b""] {
        fs::write(&path, damage).expect("written");
        assert_eq!(code(fixture.open()), ErrorCode::StoreCorrupted);
        assert_eq!(code(vault.set(&place, new("NEW", &random()), &Expectation::New)), ErrorCode::StoreCorrupted);
        assert_eq!(code(vault.list(&place)), ErrorCode::StoreCorrupted);
        assert!(fs::read(&path).expect("there") == damage, "not overwritten");
    }
    fs::remove_file(&path).expect("there");
    assert_eq!(code(fixture.open()), ErrorCode::StoreCorrupted);
    assert_eq!(code(vault.set(&place, new("NEW", &random()), &Expectation::New)), ErrorCode::StoreCorrupted);
    super::super::atomic::write(&path, &whole).expect("put back");
    assert!(shown(&fixture.open().expect("a vault"), &place, "KEY").is_ok());
    let again = Vault::create(fixture.home.path(), fixture.id, fixture.store(), &fixture.key);
    assert_eq!(code(again), ErrorCode::AlreadyInitialized);
    let stranger = UseKey::make().expect("random");
    assert_eq!(
        code(Vault::open(fixture.home.path(), fixture.id, fixture.store(), &stranger)),
        ErrorCode::StoreCorrupted
    );
    let moved = Vault::open(fixture.home.path(), Uuid::new_v4(), fixture.store(), &fixture.key);
    assert_eq!(code(moved), ErrorCode::StoreCorrupted, "another home's id");
}

#[test]
fn vaults_see_each_others_writes_and_lose_none() {
    let (fixture, vault) = Fixture::new();
    let place = place("development");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (fixture, place) = (&fixture, &place);
            scope.spawn(move || {
                let vault = fixture.open().expect("a vault");
                for number in 0..10 {
                    vault.set(place, new(&format!("T{thread}_{number}"), &random()), &Expectation::New).expect("set");
                    vault.set(place, new("SHARED", &random()), &Expectation::Overwrite).expect("set");
                    shown(&vault, place, "SHARED").expect("there, whoever wrote it last");
                }
            });
        }
    });
    let listed = vault.list(&place).expect("listed");
    assert_eq!(listed.len(), 41);
    let shared = listed.iter().find(|listed| listed.name.as_str() == "SHARED").expect("there");
    assert_eq!(shared.version, 40, "every update counted");
    assert_eq!(records_in(fixture.home.path()).len(), 41);
}

#[test]
fn a_value_is_read_once_and_again_when_it_changed() {
    let (fixture, vault) = Fixture::new();
    let other = fixture.open().expect("a vault");
    let place = place("development");
    let (one, two) = (random(), random());
    vault.set(&place, new("KEY", &one), &Expectation::New).expect("set");
    let first = vault.value(&place, &name("KEY")).expect("there");
    assert!(Arc::ptr_eq(&first, &vault.value(&place, &name("KEY")).expect("there")), "kept in memory");
    other.set(&place, new("KEY", &two), &Expectation::Overwrite).expect("set");
    assert!(shown(&vault, &place, "KEY").expect("there") == two, "another's write is seen at once");
    assert_eq!(vault.values().len(), 1, "the old value is let go");
    vault.forget();
    assert!(vault.values().is_empty());
    other.delete(&place, &name("KEY")).expect("deleted");
    assert_eq!(code(shown(&vault, &place, "KEY")), ErrorCode::SecretNotFound);
}

#[test]
fn names_and_values_are_not_on_disk() {
    let (fixture, vault) = Fixture::new();
    let value = random();
    vault.set(&place("development"), new("VERY_TELLING_NAME", &value), &Expectation::New).expect("set");
    let found = |needle: &[u8]| {
        let mut left = vec![fixture.home.path().to_owned()];
        let mut found = false;
        while let Some(path) = left.pop() {
            found |= path.to_string_lossy().as_bytes().windows(needle.len()).any(|window| window == needle);
            match path.is_dir() {
                true => left.extend(fs::read_dir(&path).expect("readable").flatten().map(|entry| entry.path())),
                false => {
                    found |= fs::read(&path).expect("readable").windows(needle.len()).any(|window| window == needle);
                }
            }
        }
        found
    };
    assert!(!found(&value) && !found(b"VERY_TELLING_NAME") && !found(b"development"));
    fs::write(fixture.home.path().join("sentinel"), [b"x".as_slice(), &value].concat()).expect("written");
    assert!(found(&value), "the search finds what is there");
}

#[test]
fn ten_thousand_values_are_set_listed_and_read() {
    let (fixture, vault) = Fixture::new();
    let place = place("development");
    let many = (0..10_000).map(|number| new(&format!("NAME_{number:05}"), format!("value {number:05}").as_bytes()));
    let took = |what: &str, since: std::time::Instant| {
        let _ = std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!("10,000 values: {what} {:?}\n", since.elapsed()),
        );
    };
    let start = std::time::Instant::now();
    vault.set_many(&place, many.collect(), &Expectation::New).expect("set");
    took("set", start);
    let start = std::time::Instant::now();
    let again = fixture.open().expect("a vault");
    let listed = again.list(&place).expect("listed");
    took("opened and listed", start);
    assert_eq!(listed.len(), 10_000);
    let start = std::time::Instant::now();
    for number in [0, 4_999, 9_999] {
        assert!(
            shown(&again, &place, listed[number].name.as_str()).expect("there")
                == format!("value {number:05}").as_bytes()
        );
    }
    took("three read", start);
}

/// A store that refuses at a chosen step, like a keychain that goes away.
struct Failing {
    inner: MemoryStore,
    refuse: Arc<std::sync::atomic::AtomicBool>,
}

impl SecretStore for Failing {
    fn put_many(&self, records: &[(RecordId, Vec<u8>)]) -> Result<()> {
        let kept = self.inner.put_many(&records[..records.len().div_ceil(2)]);
        if self.refuse.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(Error::new(ErrorCode::StoreUnavailable, "gone away"));
        }
        kept.and_then(|()| self.inner.put_many(records))
    }

    fn get(&self, id: &RecordId) -> Result<Option<Vec<u8>>> {
        self.inner.get(id)
    }

    fn delete(&self, id: &RecordId) -> Result<()> {
        match self.refuse.load(std::sync::atomic::Ordering::Relaxed) {
            true => Err(Error::new(ErrorCode::StoreUnavailable, "gone away")),
            false => self.inner.delete(id),
        }
    }

    fn health(&self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_store_that_goes_away_leaves_the_old_values() {
    let (home, id, key) = (home(), Uuid::new_v4(), UseKey::make().expect("random"));
    let refuse = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let store = Box::new(Failing { inner: MemoryStore::default(), refuse: Arc::clone(&refuse) });
    let vault = Vault::create(home.path(), id, store, &key).expect("a new vault");
    let place = place("development");
    let (one, two) = (random(), random());
    vault.set(&place, new("KEY", &one), &Expectation::New).expect("set");
    refuse.store(true, std::sync::atomic::Ordering::Relaxed);
    let both = || vec![new("KEY", &two), new("MORE", &two)];
    assert_eq!(code(vault.set_many(&place, both(), &Expectation::Overwrite)), ErrorCode::StoreUnavailable);
    vault.forget();
    assert!(shown(&vault, &place, "KEY").expect("there") == one);
    assert!(home.path().join("store.journal").exists(), "what could not be swept is remembered");
    refuse.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(vault.set_many(&place, both(), &Expectation::Overwrite).expect("set"), [2, 1]);
    assert!(shown(&vault, &place, "KEY").expect("there") == two);
    assert!(!home.path().join("store.journal").exists());
}
