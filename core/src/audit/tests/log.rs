use std::fs::{self, OpenOptions};

use super::*;
use crate::error::ErrorCode;

#[test]
fn a_call_leaves_two_records_with_one_id() {
    let home = Home::new();
    call(&home.open());
    let records = home.records();
    assert_eq!(records.iter().map(|record| record.phase).collect::<Vec<_>>(), [Phase::Begun, Phase::Ended]);
    assert_eq!(records[0].call, records[1].call);
    assert_eq!((records[0].outcome, records[1].outcome), (None, Some(Outcome::Ok)));
    assert_eq!((records[1].status, records[1].duration_ms), (Some(200), Some(12)));
    assert_eq!(records[0].path.as_deref(), Some("/v1/charges/{}"));
    assert_eq!(home.assert_sound(), 2);
}

#[test]
fn a_refused_call_leaves_ended_alone() {
    let home = Home::new();
    let refused = home.open().denied(&event(), ErrorCode::DestinationNotAllowed, std::time::Duration::from_millis(3));
    refused.expect("written");
    let records = home.records();
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].phase, records[0].outcome), (Phase::Ended, Some(Outcome::Denied)));
    assert_eq!((records[0].reason.as_deref(), records[0].duration_ms), (Some("destination_not_allowed"), Some(3)));
}

#[test]
fn a_dropped_call_is_cancelled() {
    let home = Home::new();
    drop(home.open().begin(&event()).expect("begin"));
    let last = home.records().pop().expect("two");
    assert_eq!((last.outcome, last.reason.as_deref()), (Some(Outcome::Cancelled), Some("cancelled")));
}

#[test]
fn the_chain_goes_on_across_files_and_openings() {
    let home = Home::new();
    for _ in 0..3 {
        let log = home.open_rotating_at(4000);
        (0..10).for_each(|_| call(&log));
    }
    assert!(files::segments(&home.dir()).expect("segments").len() > 5);
    assert_eq!(home.assert_sound(), 60);
}

#[test]
fn many_threads_write_one_chain() {
    let home = Home::new();
    let log = home.open();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..50).for_each(|_| call(&log)));
        }
    });
    assert_eq!(home.assert_sound(), 800);
}

#[test]
fn two_logs_open_at_once_write_one_chain() {
    let home = Home::new();
    let (a, b) = (home.open_rotating_at(5000), home.open_rotating_at(5000));
    for _ in 0..20 {
        call(&a);
        call(&b);
    }
    assert_eq!(home.assert_sound(), 80);
}

#[test]
fn opening_does_not_end_a_call_of_the_living() {
    let home = Home::new();
    let log = home.open();
    let begun = log.begin(&event()).expect("begin");
    assert_eq!(home.open().recovered().closed, 0);
    begun.end(ended(Outcome::Ok)).expect("end");
    assert_eq!(home.assert_sound(), 2);
}

#[test]
fn deny_changes_are_counted_and_remembered() {
    let home = Home::new();
    let log = home.open();
    assert_eq!(log.deny_count().expect("count"), 0);
    assert_eq!(log.deny_changed(DenyChange::Added, &event()).expect("deny"), 1);
    assert_eq!(log.deny_changed(DenyChange::Lifted, &event()).expect("lift"), 2);
    call(&log);
    drop(log);
    assert_eq!(home.open().deny_count().expect("count"), 2);
    assert_eq!(home.records()[1].act, "deny_lifted");
    assert_eq!(home.assert_sound(), 4);
}

#[test]
fn a_sound_log_is_not_made_anew_and_a_broken_one_is_set_aside() {
    let home = Home::new();
    call(&home.open());
    let again = AuditLog::create(&home.dir(), &FirstKey::make().expect("random"));
    assert_eq!(again.expect_err("sound").code(), ErrorCode::AlreadyInitialized);
    fs::remove_file(home.dir().join("state")).expect("remove");
    AuditLog::create(&home.dir(), &home.first).expect("anew");
    call(&home.open());
    assert_eq!(home.assert_sound(), 2);
    let aside = fs::read_dir(home.dir()).expect("read").flatten();
    let aside = aside.filter(|entry| entry.file_name().to_string_lossy().starts_with("set-aside-"));
    assert_eq!(aside.filter(|entry| entry.path().join("000001.jsonl").exists()).count(), 1);
}

#[cfg(unix)]
#[test]
fn files_are_for_this_user_alone_and_never_reached_through_a_symlink() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let home = Home::new();
    let log = home.open();
    call(&log);
    let mode = |path: PathBuf| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(home.dir()), mode(home.dir().join("writers"))), (0o700, 0o700));
    assert_eq!((mode(home.dir().join("state")), mode(home.dir().join("000001.jsonl"))), (0o600, 0o600));
    for name in ["state", "000001.jsonl"] {
        let elsewhere = home.folder.path().join(name);
        fs::rename(home.dir().join(name), &elsewhere).expect("rename");
        symlink(&elsewhere, home.dir().join(name)).expect("symlink");
        assert!(AuditLog::open(&home.dir(), Options::default()).is_err());
        fs::remove_file(home.dir().join(name)).expect("remove");
        fs::rename(&elsewhere, home.dir().join(name)).expect("rename");
    }
    symlink(home.dir(), home.folder.path().join("link")).expect("symlink");
    assert!(AuditLog::open(&home.folder.path().join("link"), Options::default()).is_err());
}

#[test]
fn a_removed_folder_is_noticed_by_a_running_writer() {
    let home = Home::new();
    let log = home.open();
    call(&log);
    fs::rename(home.dir(), home.folder.path().join("gone")).expect("rename");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(log.begin(&event()).err().expect("gone").code(), ErrorCode::AuditUnavailable);
}

#[test]
fn a_log_that_lost_records_is_not_continued() {
    let home = Home::new();
    let log = home.open();
    call(&log);
    drop(log);
    let file = OpenOptions::new().write(true).open(home.dir().join("000001.jsonl")).expect("open");
    file.set_len(home.lines()[0].len() as u64 + 1).expect("cut");
    let error = AuditLog::open(&home.dir(), Options::default()).err().expect("refused");
    assert_eq!((error.code(), error.hint()), (ErrorCode::AuditUnavailable, Some("agentsecrets logs verify")));
}

#[tokio::test]
async fn durable_waits_for_the_disk_and_does_so_in_groups() {
    let home = Home::new();
    let log = AuditLog::open(&home.dir(), Options { durable: true, ..Options::default() }).expect("open");
    let tasks = (0..32).map(|_| {
        let log = log.clone();
        tokio::spawn(async move {
            let begun = log.begin(&event()).expect("begin");
            log.make_durable().await.expect("synced");
            begun.end(ended(Outcome::Ok)).expect("end");
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("task");
    }
    assert_eq!(home.assert_sound(), 64);
}

#[test]
fn times_go_backwards_with_the_clock_and_the_log_stays_sound() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NOW: AtomicU64 = AtomicU64::new(1_800_000_000_123);
    let home = Home::new();
    let tuning = Tuning { clock: || NOW.fetch_sub(86_400_000, Ordering::Relaxed), ..Tuning::default() };
    let log = AuditLog::open_with(&home.dir(), Options::default(), tuning).expect("open");
    (0..5).for_each(|_| call(&log));
    let records = home.records();
    assert!(records.windows(2).all(|pair| pair[0].time > pair[1].time));
    assert!(records.iter().all(|record| record.time.ends_with(".123Z")));
    assert_eq!(home.assert_sound(), 10);
}
