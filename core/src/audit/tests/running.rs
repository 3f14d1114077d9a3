//! A log that is changed under a process that writes it.

use super::*;
use crate::error::ErrorCode;

#[track_caller]
fn assert_refuses(log: &AuditLog) {
    let error = log.begin(&event()).err().expect("refused");
    assert_eq!((error.code(), error.hint()), (ErrorCode::AuditUnavailable, Some("agentsecrets logs verify")));
}

fn written() -> (Home, AuditLog) {
    let home = Home::new();
    let log = home.open();
    (0..3).for_each(|_| call(&log));
    (home, log)
}

fn after_a_second() {
    std::thread::sleep(std::time::Duration::from_millis(1100));
}

#[test]
fn a_cut_tail_is_noticed_before_the_next_record() {
    for cut in [1, 100, 2000] {
        let (home, log) = written();
        let segment = files::segment_path(&home.dir(), 1);
        let file = fs::OpenOptions::new().write(true).open(&segment).expect("open");
        file.set_len(fs::metadata(&segment).expect("there").len() - cut).expect("cut");
        let left = fs::read(&segment).expect("read");
        assert_refuses(&log);
        assert_refuses(&log);
        assert_eq!(fs::read(&segment).expect("read"), left, "the cut was written over");
        let bad = verify(&home.dir(), None, Some(&log.anchor())).expect("readable").first_bad;
        assert!(bad.is_some(), "the anchor is lost with the tail");
    }
}

#[test]
fn an_ended_call_of_a_cut_log_is_owed() {
    let (home, log) = written();
    let begun = log.begin(&event()).expect("begin");
    let segment = files::segment_path(&home.dir(), 1);
    let whole = fs::read(&segment).expect("read");
    fs::write(&segment, &whole[..whole.len() / 2]).expect("cut");
    assert!(begun.end(ended(Outcome::Ok)).is_err());
    assert_refuses(&log);
    fs::write(&segment, whole).expect("put back");
    call(&log);
    assert_eq!(home.assert_sound(), 10);
}

#[test]
fn a_replaced_file_is_noticed_within_a_second() {
    let (home, log) = written();
    let segment = files::segment_path(&home.dir(), 1);
    let fresh = home.dir().join("fresh");
    fs::write(&fresh, &fs::read(&segment).expect("read")[..1000]).expect("write");
    fs::rename(fresh, segment).expect("rename");
    after_a_second();
    assert_refuses(&log);
    assert_refuses(&log);
}

#[test]
fn a_folder_rolled_back_under_a_writer_is_noticed() {
    let (home, log) = written();
    let copy = home.folder.path().join("copy");
    copy_folder(&home.dir(), &copy);
    call(&log);
    fs::rename(home.dir(), home.folder.path().join("gone")).expect("rename");
    fs::rename(&copy, home.dir()).expect("rename");
    after_a_second();
    assert_refuses(&log);
    let bad = verify(&home.dir(), None, Some(&log.anchor())).expect("readable").first_bad.expect("found");
    assert!(bad.why.contains("the anchor remembers 8"), "{bad:?}");
}

#[test]
fn files_rolled_back_in_place_are_noticed() {
    let (home, log) = written();
    let files = ["state", "000001.jsonl"].map(|name| home.dir().join(name));
    let early = files.each_ref().map(|path| fs::read(path).expect("read"));
    call(&log);
    for (path, bytes) in files.iter().zip(early) {
        let file = fs::OpenOptions::new().write(true).open(path).expect("open");
        file.set_len(bytes.len() as u64).expect("cut");
        files::write_at(&file, &bytes, 0).expect("write");
    }
    assert_refuses(&log);
    assert_eq!(log.anchor().seq, 8);
}

/// What stands behind the last record and is none of this log's is kept aside, and nothing is written over.
#[test]
fn bytes_of_a_stranger_are_moved_aside() {
    use std::io::Write as _;
    let (home, log) = written();
    let segment = files::segment_path(&home.dir(), 1);
    let mut file = fs::OpenOptions::new().append(true).open(&segment).expect("open");
    file.write_all(b"{}\n").expect("write");
    call(&log);
    assert_eq!(fs::read(home.dir().join("000001.torn.6")).expect("aside"), b"{}\n");
    assert_eq!(home.assert_sound(), 8);
}

#[test]
fn a_writer_is_alone_until_another_comes_and_after_it_left() {
    let home = Home::new();
    let owner = || {
        let page = state::StatePage::open(&home.dir()).expect("page");
        page.turn().0.get()
    };
    let log = home.open();
    let alone = owner();
    assert_ne!(alone, 0);
    let other = home.open();
    assert_eq!(owner(), 0);
    (0..3).for_each(|_| [&log, &other].into_iter().for_each(call));
    drop(other);
    after_a_second();
    call(&log);
    assert_eq!(owner(), alone);
    call(&log);
    assert_eq!(home.assert_sound(), 16);
}

#[test]
fn one_that_comes_waits_for_the_only_writer_and_not_for_a_dead_one() {
    let home = Home::new();
    let log = home.open();
    call(&log);
    let (owner, busy) = state::StatePage::open(&home.dir()).expect("page").turn();
    busy.set(owner.get());
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| home.open());
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!opening.is_finished(), "it did not wait");
        busy.set(0);
        call(&opening.join().expect("opened"));
    });
    busy.set(0xdead);
    call(&home.open());
    assert_eq!((home.assert_sound(), busy.get()), (6, 0));
}

#[test]
fn a_log_is_verified_while_it_is_written() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let home = Home::new();
    let (log, stop) = (home.open_rotating_at(100_000), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Not without end: each verification reads all that was written.
            for _ in 0..1000 {
                if !stop.load(Ordering::Relaxed) {
                    call(&log);
                }
            }
        });
        for _ in 0..20 {
            let verdict = verify(&home.dir(), Some(&home.first), Some(&log.anchor()));
            stop.store(!verdict.as_ref().is_ok_and(|verdict| verdict.ok), Ordering::Relaxed);
            assert!(!stop.load(Ordering::Relaxed), "{verdict:?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
}
