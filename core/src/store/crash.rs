//! Writers in processes of their own: killed in the middle of writes, and two at once.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use uuid::Uuid;

use super::index::Place;
use super::testing::{home, records_in};
use super::vault::{Expectation, NewSecret, Vault};
use super::{StoreKind, conformance, full_disk};
use crate::crypto::make_random;
use crate::crypto::use_key::UseKey;
use crate::resolve::input::SecretInput;
use crate::secret_ref::{Label, SecretName};

const ROLE: &str = "AGENTSECRETS_TEST_ROLE";
const HOME: &str = "AGENTSECRETS_TEST_HOME";
const PLAYED: &str = "played to the end";
const NAMES: usize = 5;
const ROUNDS: usize = 25;

/// This test program again, as a child in a role.
pub(super) fn child(role: &str, home: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a test program"));
    command
        .args(["--exact", "store::crash::in_a_child_plays_its_role", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(HOME, home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// What children run. Without a role there is nothing to play.
#[test]
fn in_a_child_plays_its_role() {
    let (Some(role), Some(home)) = (std::env::var_os(ROLE), std::env::var_os(HOME).map(PathBuf::from)) else { return };
    match role.to_str().expect("a role") {
        "rewrite" => rewrite_for_ever(&home),
        "no-keychain" => conformance::has_no_keychain(),
        "locked-keychain" => conformance::has_a_locked_keychain(),
        "full-disk" => full_disk::on_a_full_disk(&home),
        "file-limit" => full_disk::under_a_file_limit(&home),
        "read-only" => full_disk::on_a_read_only_disk(&home),
        writer => add_names(&home, writer),
    }
    writeln!(std::io::stdout(), "\n{PLAYED}").expect("the parent listens");
}

/// Waits for a child, and makes sure that it played its role to the end.
pub(super) fn wait(mut command: Command) -> String {
    let output = command.stderr(Stdio::piped()).output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let played = output.status.success() && said.lines().any(|line| line == PLAYED);
    assert!(played, "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

pub(super) fn open(home: &Path) -> Vault {
    let store = super::open(StoreKind::File, home, home_id()).expect("a store");
    Vault::open(home, home_id(), store, &key()).expect("a vault")
}

pub(super) fn create(home: &Path) -> Vault {
    let store = super::open(StoreKind::File, home, home_id()).expect("a store");
    Vault::create(home, home_id(), store, &key()).expect("a new vault")
}

pub(super) fn place() -> Place {
    let environment = Label::parse("development").expect("legal");
    Place { workspace: Uuid::from_u128(1), project: Uuid::from_u128(2), environment }
}

pub(super) fn secret(name: &str, value: Vec<u8>) -> NewSecret {
    let input = SecretInput::from_bytes(value).expect("legal");
    NewSecret { name: SecretName::parse(name).expect("legal"), input, weak: false }
}

pub(super) fn value(vault: &Vault, name: &str) -> Vec<u8> {
    let value = vault.value(&place(), &SecretName::parse(name).expect("legal")).expect("there");
    // EXPOSE: the test compares what went in with what came out.
    value.expose().to_vec()
}

/// The children open the parent's home, so its key is no random one; it guards nothing.
fn key() -> UseKey {
    UseKey::from_bytes(&[0x42; 32]).expect("32 bytes")
}

fn home_id() -> Uuid {
    Uuid::from_u128(0x42)
}

/// The value of a name after so many writes: long enough to be torn, and checkable to the last byte.
fn value_after(name: &str, count: u64) -> Vec<u8> {
    format!("{name}={count};").into_bytes().repeat(2000)
}

fn name(number: u64) -> String {
    format!("NAME_{}", number % NAMES as u64)
}

fn rewrite_for_ever(home: &Path) {
    let vault = open(home);
    let mut counts: HashMap<String, u64> =
        vault.list(&place()).expect("listed").iter().map(|listed| (listed.name.to_string(), listed.version)).collect();
    let mut stdout = std::io::stdout();
    for number in 0.. {
        let name = name(number);
        let count = counts.get(&name).copied().unwrap_or(0) + 1;
        let version = vault.set(&place(), secret(&name, value_after(&name, count)), &Expectation::Overwrite);
        assert_eq!(version.expect("set"), count);
        counts.insert(name.clone(), count);
        // Said only after `set` returned: from here on the value may not be lost.
        writeln!(stdout, "\nset {name} {count}").and_then(|()| stdout.flush()).expect("the parent listens");
    }
}

#[test]
fn a_writer_killed_in_the_middle_leaves_every_value_old_or_new() {
    let home = home();
    drop(create(home.path()));
    let mut written: HashMap<String, u64> = HashMap::new();
    let mut killed_within = 0;
    for _ in 0..ROUNDS {
        let mut writer = child("rewrite", home.path()).spawn().expect("this program runs");
        let mut stdout = BufReader::new(writer.stdout.take().expect("piped"));
        let mut said = String::new();
        // The child's first word about a write is awaited, so that the kill falls among its writes.
        while !said.contains("\nset ") {
            assert_ne!(stdout.read_line(&mut said).expect("readable"), 0, "the child starts: {said}");
        }
        let [low, high]: [u8; 2] = make_random().expect("random");
        std::thread::sleep(Duration::from_micros(u64::from(u16::from_le_bytes([low, high]))));
        writer.kill().expect("the child is there to be killed");
        stdout.read_to_string(&mut said).expect("readable");
        assert!(!writer.wait().expect("waited").success());
        for line in said.lines() {
            if let Some((name, count)) = line.strip_prefix("set ").and_then(|rest| rest.split_once(' '))
                && let Ok(count) = count.parse::<u64>()
            {
                let before = written.entry(name.to_owned()).or_default();
                *before = (*before).max(count);
            }
        }
        killed_within += usize::from(home.path().join("store.journal").exists());
        check_after_kill(home.path(), &mut written);
    }
    assert!(written.values().sum::<u64>() > ROUNDS as u64, "the children wrote");
    assert!(killed_within > 0, "no kill fell into a write");
    let vault = open(home.path());
    vault.set(&place(), secret("LAST", b"the last one".to_vec()), &Expectation::New).expect("set");
    assert_eq!(records_in(home.path()).len(), vault.list(&place()).expect("listed").len(), "garbage is swept");
    assert!(!home.path().join("store.journal").exists());
}

fn check_after_kill(home: &Path, written: &mut HashMap<String, u64>) {
    let vault = open(home);
    for (name, count) in written.iter_mut() {
        let listed = vault.list(&place()).expect("listed").into_iter().find(|listed| listed.name.as_str() == name);
        let version = listed.expect("never lost").version;
        assert!(version == *count || version == *count + 1, "{name}: {version} on disk, {count} said");
        assert!(value(&vault, name) == value_after(name, version), "{name} holds what was written");
        *count = version;
    }
}

fn add_names(home: &Path, writer: &str) {
    let vault = open(home);
    for number in 0..20 {
        let name = format!("{writer}_{number}");
        vault.set(&place(), secret(&name, value_after(&name, 1)), &Expectation::New).expect("set");
    }
}

#[test]
fn two_processes_lose_no_update_of_each_other() {
    let home = home();
    let reader = create(home.path());
    let writers = ["ONE", "TWO", "THREE"];
    let children: Vec<_> = writers
        .iter()
        .map(|writer| child(writer, home.path()))
        .map(|child| std::thread::spawn(|| wait(child)))
        .collect();
    for child in children {
        child.join().expect("played to the end");
    }
    assert_eq!(reader.list(&place()).expect("listed").len(), 60, "a long-lived reader sees what others wrote");
    for writer in writers {
        for number in 0..20 {
            let name = format!("{writer}_{number}");
            assert!(value(&reader, &name) == value_after(&name, 1));
        }
    }
    assert_eq!(records_in(home.path()).len(), 60);
}
