//! Homes that cannot be written: full, limited, read-only. Each is tried in a child, on a small file system of its own
//! where the system lets us mount one.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::crash::{child, create, open, place, secret, value, wait};
use super::testing::{home, records_in};
use super::vault::{Expectation, Vault};
use crate::error::{Error, ErrorCode};

const KEPT: &[u8] = b"kept through it all";

fn plays(role: &str) {
    let home = home();
    for line in wait(child(role, home.path())).lines().filter(|line| line.starts_with("NOT RUN")) {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    plays("full-disk");
}

#[test]
fn a_file_limit_loses_nothing() {
    plays("file-limit");
}

#[test]
fn a_read_only_home_can_be_read() {
    plays("read-only");
}

/// Fills the home until it refuses, and gives the refusal.
fn fill(vault: &Vault) -> Error {
    let fills = |number: usize| {
        let value = vec![b'x'; 60 << 10];
        vault.set(&place(), secret(&format!("FILLS_{number}"), value), &Expectation::New).err()
    };
    (0..100).find_map(fills).expect("the disk is small")
}

fn refused_but_whole(home: &Path, error: &Error, why: &str) {
    assert_eq!(error.code(), ErrorCode::StoreUnavailable);
    assert!(error.message().contains(why), "{error}");
    assert!(error.hint().is_some());
    let again = open(home);
    assert!(value(&again, "KEPT") == KEPT);
    for listed in again.list(&place()).expect("listed") {
        again.value(&place(), &listed.name).expect("what is listed opens");
    }
    assert_eq!(records_in(home).len(), again.list(&place()).expect("listed").len(), "nothing half written stays");
}

pub(super) fn on_a_full_disk(home: &Path) {
    if !mount(home, "size=600k,mode=700", 0) {
        return;
    }
    let vault = create(home);
    vault.set(&place(), secret("KEPT", KEPT.to_vec()), &Expectation::New).expect("set");
    refused_but_whole(home, &fill(&vault), "the disk is full");
    let error = vault.set(&place(), secret("KEPT", vec![b'y'; 60 << 10]), &Expectation::Overwrite).expect_err("full");
    refused_but_whole(home, &error, "the disk is full");
    mount(home, "size=4m,mode=700", libc::MS_REMOUNT);
    vault.set(&place(), secret("KEPT", b"a later value".to_vec()), &Expectation::Overwrite).expect("there is space");
    assert!(value(&open(home), "KEPT") == b"a later value");
}

pub(super) fn under_a_file_limit(home: &Path) {
    let vault = create(home);
    vault.set(&place(), secret("KEPT", KEPT.to_vec()), &Expectation::New).expect("set");
    let limit = libc::rlimit { rlim_cur: 32 << 10, rlim_max: 32 << 10 };
    // SAFETY: this child is alone with its limits and signals; the structure outlives the call.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
    }
    refused_but_whole(home, &fill(&vault), "the disk is full");
    vault.set(&place(), secret("SHORT", b"short enough".to_vec()), &Expectation::New).expect("still works");
}

pub(super) fn on_a_read_only_disk(home: &Path) {
    let vault = create(home);
    vault.set(&place(), secret("KEPT", KEPT.to_vec()), &Expectation::New).expect("set");
    drop(vault);
    let Some(why) = make_read_only(home) else { return };
    let vault = open(home);
    for error in [
        vault.set(&place(), secret("NEW", b"not written".to_vec()), &Expectation::New).expect_err("read-only"),
        vault.delete(&place(), &vault.list(&place()).expect("listed")[0].name).expect_err("read-only"),
        vault.health().expect_err("read-only"),
    ] {
        refused_but_whole(home, &error, why);
    }
    make_writable(home);
}

/// Root may write where permissions say no, so it is a mount that refuses; others are refused by permissions.
fn make_read_only(home: &Path) -> Option<&'static str> {
    // SAFETY: `geteuid` only reads.
    if unsafe { libc::geteuid() } != 0 {
        permit(home, 0o500);
        permit(&home.join("store"), 0o500);
        permit(&home.join("lock"), 0o400);
        return Some("permission denied");
    }
    let held: Vec<_> = walk(home);
    if !mount(home, "size=4m,mode=700", 0) {
        return None;
    }
    for (path, bytes) in held {
        let target = home.join(path);
        match bytes {
            Some(bytes) => {
                fs::write(&target, bytes).expect("written");
                permit(&target, 0o600);
            }
            None => {
                fs::create_dir(&target).expect("made");
                permit(&target, 0o700);
            }
        }
    }
    assert!(mount(home, "mode=700", libc::MS_REMOUNT | libc::MS_RDONLY));
    Some("the disk is read-only")
}

fn make_writable(home: &Path) {
    // SAFETY: `geteuid` only reads.
    if unsafe { libc::geteuid() } != 0 {
        permit(home, 0o700);
        permit(&home.join("store"), 0o700);
    }
}

fn permit(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

/// Everything below a directory, parents first, relative to it.
fn walk(home: &Path) -> Vec<(std::path::PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut left = vec![home.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).expect("readable").flatten() {
            let path = entry.path();
            let relative = path.strip_prefix(home).expect("below").to_owned();
            if path.is_dir() {
                found.push((relative, None));
                left.push(path);
            } else {
                found.push((relative, Some(fs::read(&path).expect("readable"))));
            }
        }
    }
    found
}

/// Mounts a file system in memory, seen by this process alone, or says NOT RUN where the system does not let us.
fn mount(home: &Path, options: &str, flags: libc::c_ulong) -> bool {
    let text = |text: &str| std::ffi::CString::new(text).expect("no NUL");
    let (target, kind, options) = (text(home.to_str().expect("text")), text("tmpfs"), text(options));
    // SAFETY: the strings outlive the calls; the mount namespace is this child's own.
    let mounted = unsafe {
        (flags & libc::MS_REMOUNT != 0 || libc::unshare(libc::CLONE_NEWNS) == 0)
            && libc::mount(
                std::ptr::null(),
                c"/".as_ptr(),
                std::ptr::null(),
                libc::MS_REC | libc::MS_PRIVATE,
                std::ptr::null(),
            ) == 0
            && libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast()) == 0
    };
    if !mounted {
        let _ = writeln!(std::io::stdout(), "\nNOT RUN: a small file system cannot be mounted here");
    }
    mounted
}
