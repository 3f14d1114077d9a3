//! Processes that die while they write: this test binary, started again as a writer.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::*;
use crate::error::ErrorCode;

const FOLDER: &str = "AGENTSECRETS_TEST_AUDIT_FOLDER";
const TASK: &str = "AGENTSECRETS_TEST_AUDIT_TASK";

/// What a started process does; without the variable this is no test at all.
#[test]
fn writer_process() {
    let Some(dir) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let tuning = Tuning { rotate_at: 50_000, ..Tuning::default() };
    let log = AuditLog::open_with(&dir, Options::default(), tuning).expect("open");
    match std::env::var(TASK).as_deref() {
        Ok("forever") => loop {
            call(&log);
        },
        Ok("die begun") => {
            let _begun = log.begin(&event()).expect("begin");
            std::process::abort();
        }
        Ok("full disk") => fill_the_disk(&log, &dir),
        Ok(count) => (0..count.parse().expect("a number")).for_each(|_| call(&log)),
        Err(_) => unreachable!("a task"),
    }
}

fn start(home: &Home, task: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "audit::tests::crash::writer_process", "--nocapture"]);
    command.env(FOLDER, home.dir()).env(TASK, task).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("start")
}

#[test]
fn several_processes_write_one_chain() {
    let home = Home::new();
    let children: Vec<_> = (0..4).map(|_| start(&home, "200")).collect();
    for mut child in children {
        assert!(child.wait().expect("wait").success());
    }
    assert_eq!(home.assert_sound(), 1600);
}

#[test]
fn whenever_a_writer_is_killed_the_log_verifies_and_goes_on() {
    let mut counted = 0;
    for round in 0..25_u64 {
        let home = Home::new();
        let mut children = [start(&home, "forever"), start(&home, "forever")];
        while home.segment(1).is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(round * 700));
        for child in &mut children {
            child.kill().expect("kill");
            child.wait().expect("wait");
        }
        home.assert_sound();
        call(&home.open());
        counted += home.assert_sound();
        assert_eq!(home.verdicts()[0].open_calls, 0);
    }
    assert!(counted > 1000, "the writers hardly wrote: {counted}");
}

#[test]
fn a_call_of_a_dead_process_is_ended_as_failed() {
    let home = Home::new();
    assert!(!start(&home, "die begun").wait().expect("wait").success());
    assert_eq!(home.verdicts()[0].open_calls, 1);
    let log = home.open();
    assert_eq!(log.recovered().closed, 1);
    let records = home.records();
    assert_eq!((records.len(), &records[0].call), (2, &records[1].call));
    assert_eq!((records[1].outcome, records[1].duration_ms), (Some(Outcome::Failed), None));
    assert_eq!((&records[0].secrets, &records[0].path), (&records[1].secrets, &records[1].path));
    drop(log);
    assert_eq!(home.open().recovered().closed, 0);
    assert_eq!(home.assert_sound(), 2);
}

#[test]
fn half_a_record_is_moved_aside_and_the_rest_kept() {
    let home = Home::new();
    call(&home.open());
    let segment = home.dir().join("000001.jsonl");
    fs::write(&segment, [fs::read(&segment).expect("read"), b"{\"id\":\"0".to_vec()].concat()).expect("write");
    assert_eq!(home.verdicts().map(|verdict| (verdict.ok, verdict.torn)), [(true, 8), (true, 8)]);
    assert_eq!(home.open().recovered().torn, 8);
    assert_eq!(fs::read(home.dir().join("000001.torn.2")).expect("aside"), b"{\"id\":\"0");
    assert_eq!(home.assert_sound(), 2);
}

/// The page of the state reached the disk last before a power failure, the log did to its end.
#[test]
fn a_log_ahead_of_its_state_is_counted_on() {
    let home = Home::new();
    let log = home.open_rotating_at(3000);
    log.deny_changed(DenyChange::Added, &event()).expect("deny");
    call(&log);
    let early = fs::read(home.dir().join("state")).expect("state");
    (0..10).for_each(|_| call(&log));
    log.deny_changed(DenyChange::Lifted, &event()).expect("lift");
    drop(log);
    fs::write(home.dir().join("state"), early).expect("write");
    assert_eq!(home.assert_sound(), 24);
    let log = home.open();
    assert_eq!((log.recovered().counted, log.deny_count().expect("count")), (21, 2));
    call(&log);
    assert_eq!(home.assert_sound(), 26);
}

/// Runs in a process of its own: the limit on the size of files is the process's.
fn fill_the_disk(log: &AuditLog, dir: &Path) {
    let segment = dir.join("000001.jsonl");
    let length = || fs::metadata(&segment).expect("segment").len();
    call(log);
    let under_way = log.begin(&event()).expect("begin");
    let before = length();
    limit_files_to(before + 100);
    let error = log.begin(&event()).err().expect("full");
    assert_eq!(error.code(), ErrorCode::AuditUnavailable);
    assert!(error.hint().expect("hint").contains("make room"), "{error:?}");
    assert_eq!(length(), before, "half a record was kept");
    assert!(under_way.end(ended(Outcome::Ok)).is_err());
    assert!(log.begin(&event()).is_err(), "a call began while a record is owed");
    limit_files_to(1 << 30);
    call(log);
}

#[cfg(unix)]
fn limit_files_to(bytes: u64) {
    // The hard limit stays, so that the limit can be raised again; without the signal the write fails instead.
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: plain calls with a valid pointer, in a process of its own.
    let done = unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit)
    };
    assert_eq!(done, 0);
}

#[cfg(unix)]
#[test]
fn a_full_disk_keeps_no_half_record_and_what_is_owed_is_written_late() {
    let home = Home::new();
    assert!(start(&home, "full disk").wait().expect("wait").success());
    assert_eq!(home.assert_sound(), 6);
    let ended = home.records().iter().filter(|record| record.phase == Phase::Ended).count();
    assert_eq!((ended, home.verdicts()[0].open_calls), (3, 0));
}

/// A forked child shares the lock and the mapping with its parent, and must open its own.
#[cfg(unix)]
#[test]
fn a_forked_child_writes_as_a_writer_of_its_own() {
    let home = Home::new();
    let log = home.open();
    let begun = log.begin(&event()).expect("begin");
    // SAFETY: the child writes and leaves by `_exit`, running nothing of the test harness.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let wrote = log.begin(&event()).and_then(|begun| begun.end(ended(Outcome::Ok)));
        drop(begun);
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(wrote.is_err())) };
    }
    let mut status = -1;
    // SAFETY: waits for the child made above.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    begun.end(ended(Outcome::Ok)).expect("end");
    let records = home.records();
    assert_eq!(records.len(), 4);
    assert_ne!(records[0].call[24..], records[1].call[24..]);
    assert_eq!(home.assert_sound(), 4);
}
