//! One suite for every store, and for a vault over every store.
//!
//! The real keychain takes part where `AGENTSECRETS_TEST_KEYCHAIN=1` says that there is one made for the test; else its
//! tests say NOT RUN.

use std::io::Write as _;
use std::process::{Command, Stdio};

use uuid::Uuid;

use super::file::FileStore;
use super::index::Place;
use super::keychain::{self, KeychainStore};
use super::memory::MemoryStore;
use super::testing::home;
use super::vault::{Expectation, NewSecret, Vault};
use super::{RecordId, SecretStore};
use crate::crypto::make_random;
use crate::crypto::use_key::UseKey;
use crate::error::ErrorCode;
use crate::resolve::input::SecretInput;
use crate::secret_ref::{Label, SecretName};

/// What every store does.
fn keeps_records(store: &dyn SecretStore) {
    store.health().expect("a store that works");
    let ids: Vec<RecordId> = (0..3).map(|_| RecordId::make().expect("random")).collect();
    assert_eq!(store.get(&ids[0]).expect("readable"), None, "nothing is found before it was put");
    store.delete(&ids[0]).expect("forgetting nothing is no error");

    let random: [u8; 64] = make_random().expect("random");
    let long: Vec<u8> = random.iter().copied().cycle().take((64 << 10) + 44).collect();
    store.put_many(&[(ids[0], b"\0one\xff".to_vec()), (ids[1], long.clone())]).expect("kept");
    store.put(ids[2], Vec::new()).expect("kept");
    assert_eq!(store.get(&ids[0]).expect("readable").as_deref(), Some(&b"\0one\xff"[..]));
    assert_eq!(store.get(&ids[1]).expect("readable"), Some(long));
    assert_eq!(store.get(&ids[2]).expect("readable"), Some(Vec::new()));

    store.delete(&ids[1]).expect("deleted");
    assert_eq!(store.get(&ids[1]).expect("readable"), None);
    assert!(store.get(&ids[0]).expect("readable").is_some(), "its neighbour stays");
    store.put_many(&[]).expect("nothing is kept");
    let many: Vec<(RecordId, Vec<u8>)> =
        (0..40u8).map(|number| (RecordId::make().expect("random"), vec![number; 50])).collect();
    store.put_many(&many).expect("kept");
    for (id, sealed) in &many {
        assert_eq!(store.get(id).expect("readable").as_ref(), Some(sealed));
    }
    for id in many.iter().map(|(id, _)| id).chain(&ids) {
        store.delete(id).expect("deleted");
        assert_eq!(store.get(id).expect("readable"), None);
    }
}

/// What a vault does over every store.
fn carries_a_vault(store: Box<dyn SecretStore>, home_id: Uuid) {
    let home = home();
    let key = UseKey::make().expect("random");
    let vault = Vault::create(home.path(), home_id, store, &key).expect("a new vault");
    let place = Place {
        workspace: Uuid::from_u128(1),
        project: Uuid::from_u128(2),
        environment: Label::parse("development").expect("legal"),
    };
    let name = SecretName::parse("STRIPE_KEY").expect("legal");
    let (first, second): ([u8; 32], [u8; 32]) = (make_random().expect("random"), make_random().expect("random"));
    let set = |bytes: &[u8], expect| {
        let input = SecretInput::from_bytes(bytes.to_vec()).expect("legal");
        vault.set(&place, NewSecret { name: name.clone(), input, weak: false }, expect)
    };
    // EXPOSE: the test compares what went in with what came out.
    let value = || vault.value(&place, &name).map(|value| value.expose().to_vec());

    assert_eq!(value().expect_err("nothing there").code(), ErrorCode::SecretNotFound);
    assert_eq!(set(&first, &Expectation::New).expect("set"), 1);
    assert!(value().expect("there") == first);
    vault.forget();
    assert!(value().expect("there, read from the store") == first);
    assert_eq!(set(&second, &Expectation::New).expect_err("there already").code(), ErrorCode::OwnerRequired);
    assert_eq!(set(&second, &Expectation::Overwrite).expect("set"), 2);
    assert!(value().expect("there") == second);
    assert_eq!(vault.list(&place).expect("listed").len(), 1);
    vault.delete(&place, &name).expect("deleted");
    assert_eq!(value().expect_err("gone").code(), ErrorCode::SecretNotFound);
}

#[test]
fn the_file_store_conforms() {
    let home = home();
    let store = || FileStore::open(&home.path().join("store")).expect("a store");
    keeps_records(&store());
    carries_a_vault(Box::new(store()), Uuid::from_u128(7));
    assert!(super::testing::records_in(home.path()).is_empty(), "nothing stays behind");
}

#[test]
fn the_memory_store_conforms() {
    keeps_records(&MemoryStore::default());
    carries_a_vault(Box::new(MemoryStore::default()), Uuid::from_u128(7));
}

#[test]
fn a_keychain_with_short_items_conforms() {
    keeps_records(&keychain::tests::split_store());
    carries_a_vault(Box::new(keychain::tests::split_store()), Uuid::from_u128(7));
}

/// Whether a keychain was made for this run.
fn keychain_is_there(test: &str) -> bool {
    let there = std::env::var_os("AGENTSECRETS_TEST_KEYCHAIN").is_some_and(|value| value == "1");
    if !there {
        let _ = writeln!(std::io::stderr(), "NOT RUN: {test} (AGENTSECRETS_TEST_KEYCHAIN is not 1)");
    }
    there
}

#[test]
fn the_keychain_conforms() {
    if !keychain_is_there("the_keychain_conforms") {
        return;
    }
    let home = Uuid::new_v4();
    keeps_records(&KeychainStore::open(home).expect("a keychain"));
    keeps_records(&keychain::tests::split_keychain(home));
    carries_a_vault(Box::new(KeychainStore::open(home).expect("a keychain")), home);
}

#[test]
fn the_keychain_holds_use_keys_and_only_ciphertext() {
    if !keychain_is_there("the_keychain_holds_use_keys_and_only_ciphertext") {
        return;
    }
    let (home, other) = (Uuid::new_v4(), Uuid::new_v4());
    let key = UseKey::make().expect("random");
    assert!(keychain::use_key(home).expect("readable").is_none());
    keychain::put_use_key(home, &key).expect("kept");
    let read = keychain::use_key(home).expect("readable").expect("there");
    assert!(read.bytes() == key.bytes());
    assert!(keychain::use_key(other).expect("readable").is_none(), "homes are kept apart");

    let store = KeychainStore::open(home).expect("a keychain");
    let id = RecordId::make().expect("random");
    store.put(id, b"sealed, as far as the store can tell".to_vec()).expect("kept");
    // Any process of the user reads any item of the Secret Service, so another one looks at what is there.
    let seen = Command::new("secret-tool")
        .args(["lookup", "service", "agentsecrets", "username", &format!("{home}/{id}")])
        .stderr(Stdio::null())
        .output()
        .expect("secret-tool is installed");
    assert_eq!(seen.stdout, b"\0\0sealed, as far as the store can tell");
    store.delete(&id).expect("deleted");
    keychain::delete_use_key(home).expect("deleted");
    assert!(keychain::use_key(home).expect("readable").is_none());
}

#[test]
fn a_locked_keychain_says_so() {
    if !keychain_is_there("a_locked_keychain_says_so") {
        return;
    }
    // A session bus and keychain of its own, locked before the child looks: a lock would disturb the other tests.
    let directory = home();
    let child = super::crash::child("locked-keychain", directory.path());
    let session = r#"set -e
        service() { dbus-send --session --print-reply --dest=org.freedesktop.secrets /org/freedesktop/secrets "$@"; }
        printf pw | gnome-keyring-daemon --unlock --components=secrets
        service org.freedesktop.DBus.Properties.Get string:org.freedesktop.Secret.Service string:Collections
        printf 0123456789abcdef0123456789abcdef \
            | secret-tool store --label agentsecrets service agentsecrets username "use-key:$ITEM"
        service org.freedesktop.Secret.Service.Lock array:objpath:/org/freedesktop/secrets/collection/login
        exec "$@""#;
    let mut command = Command::new("dbus-run-session");
    command.args(["--", "sh", "-c", session, "sh"]).arg(child.get_program()).args(child.get_args());
    for (name, value) in child.get_envs().filter_map(|(name, value)| Some((name, value?))) {
        command.env(name, value);
    }
    command.env("XDG_RUNTIME_DIR", directory.path()).env("HOME", directory.path());
    command.env("ITEM", Uuid::nil().to_string());
    super::crash::wait(command);
}

/// Runs in a child whose keychain is locked.
pub(super) fn has_a_locked_keychain() {
    let error = keychain::use_key(Uuid::nil()).err().expect("locked");
    assert_eq!(error.code(), ErrorCode::StoreLocked, "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("unlock the login keychain")));
    let store = KeychainStore::open(Uuid::nil()).expect("it is there, and locked");
    let id = RecordId::make().expect("random");
    assert_eq!(store.put(id, b"sealed".to_vec()).expect_err("locked").code(), ErrorCode::StoreLocked);
    assert_eq!(store.health().expect_err("locked").code(), ErrorCode::StoreLocked);
}

#[test]
fn without_a_keychain_the_hint_names_the_other_store() {
    // A process of its own, because the keychain's connection is made once a process.
    let directory = home();
    let mut child = super::crash::child("no-keychain", directory.path());
    child.env_remove("DBUS_SESSION_BUS_ADDRESS").env("XDG_RUNTIME_DIR", directory.path());
    super::crash::wait(child);
}

/// Runs in a child that has no session bus.
pub(super) fn has_no_keychain() {
    let error = KeychainStore::open(Uuid::new_v4()).err().expect("there is no keychain");
    assert_eq!(error.code(), ErrorCode::StoreUnavailable);
    assert_eq!(error.hint(), Some("agentsecrets init --store file"));
    assert_eq!(keychain::use_key(Uuid::new_v4()).err().expect("nor an item").code(), ErrorCode::StoreUnavailable);
}
