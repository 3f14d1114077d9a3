//! What a power failure leaves: any of the pages that were written, with the log as far as it was synced, or farther.

use super::state::State;
use super::*;
use crate::error::ErrorCode;

const SYNCED: usize = 128;
const BOOT: usize = 136;

/// Writes calls and stops; the files are those of a machine that went down then.
struct Down {
    home: Home,
    /// The lengths of all whole records, in the order of the log.
    lengths: Vec<usize>,
}

impl Down {
    fn after(calls: usize, rotate_at: u64, synced: u64) -> Self {
        let home = Home::new();
        let log = home.open_rotating_at(rotate_at);
        (0..calls).for_each(|_| call(&log));
        drop(log);
        let lengths = home.lines().iter().map(|line| line.len() + 1).collect();
        let down = Self { home, lengths };
        down.page(|page| {
            page[SYNCED..SYNCED + 8].copy_from_slice(&synced.to_ne_bytes());
            page[BOOT..BOOT + 16].fill(7);
        });
        down
    }

    fn page(&self, change: impl FnOnce(&mut [u8])) {
        let path = self.home.dir().join("state");
        let mut bytes = fs::read(&path).expect("state");
        change(&mut bytes);
        fs::write(path, bytes).expect("write");
    }

    /// Leaves the first records of the first file, and so many bytes of what follows.
    fn keep(&self, records: usize, torn: usize) {
        let length = self.lengths[..records].iter().sum::<usize>() + torn;
        let path = files::segment_path(&self.home.dir(), 1);
        let bytes = fs::read(&path).expect("read");
        fs::write(path, &bytes[..length]).expect("cut");
    }

    /// Before and after the opening, so many records are lost and nothing is bad; and the log goes on.
    #[track_caller]
    fn assert_lost(&self, lost: u64) {
        self.assert_whole(lost);
        let log = self.home.open();
        assert_eq!(log.recovered().lost, lost);
        self.assert_whole(lost);
        call(&log);
        drop(log);
        self.assert_whole(lost);
        assert_eq!(self.home.open().recovered().lost, 0);
    }

    #[track_caller]
    fn assert_whole(&self, lost: u64) {
        for verdict in self.home.verdicts() {
            assert!(verdict.ok && verdict.tail_lost_in_crash == lost, "{verdict:?}");
        }
    }
}

#[test]
fn unsynced_records_that_went_with_the_machine_are_told_and_the_log_goes_on() {
    for kept in 4..8 {
        for torn in [0, 1, 100] {
            let down = Down::after(4, 1 << 20, 4);
            down.keep(kept, torn);
            down.assert_lost(8 - kept as u64);
            let told = down.home.records().into_iter().filter(|record| record.act == "tail_lost");
            assert_eq!(told.map(|record| record.id[24..].to_owned()).collect::<Vec<_>>(), ["000000000009"]);
        }
    }
}

#[test]
fn blocks_that_were_never_filled_are_no_records() {
    let down = Down::after(4, 1 << 20, 4);
    let path = files::segment_path(&down.home.dir(), 1);
    let mut bytes = fs::read(&path).expect("read");
    let kept: usize = down.lengths[..5].iter().sum();
    let last: usize = down.lengths[7];
    let end = bytes.len() - last;
    bytes[kept + 3..end].fill(0); // The last record did reach the disk, those before it did not.
    fs::write(path, bytes).expect("write");
    down.assert_lost(3);
}

#[test]
fn a_synced_record_that_is_missing_is_no_crash() {
    let down = Down::after(4, 1 << 20, 6);
    down.keep(5, 0);
    for verdict in down.home.verdicts() {
        assert!(verdict.first_bad.expect("found").why.contains("missing at the end: 3"));
    }
    let error = AuditLog::open(&down.home.dir(), Options::default()).err().expect("refused");
    assert_eq!((error.code(), error.hint()), (ErrorCode::AuditUnavailable, Some("agentsecrets logs verify")));
}

#[test]
fn a_cut_tail_without_a_crash_is_no_crash() {
    let down = Down::after(4, 1 << 20, 0);
    down.page(|page| page[BOOT..BOOT + 16].copy_from_slice(&boot::current()));
    down.keep(7, 0);
    assert!(AuditLog::open(&down.home.dir(), Options::default()).is_err());
    assert!(down.home.verdicts().iter().all(|verdict| !verdict.ok));
}

#[test]
fn a_log_lost_whole_begins_again_behind_the_loss() {
    let down = Down::after(2, 1 << 20, 0);
    down.keep(0, 0);
    down.assert_lost(4);
    let down = Down::after(2, 1 << 20, 0);
    fs::remove_file(files::segment_path(&down.home.dir(), 1)).expect("remove");
    down.assert_lost(4);
}

#[test]
fn files_that_were_never_named_on_the_disk_are_lost_with_their_records() {
    let down = Down::after(5, 2500, 3);
    assert_eq!(files::segments(&down.home.dir()).expect("segments").len(), 3);
    fs::remove_file(files::segment_path(&down.home.dir(), 3)).expect("remove");
    fs::write(files::segment_path(&down.home.dir(), 2), vec![0; 700]).expect("zeros");
    down.assert_lost(6);
}

#[test]
fn a_loss_that_was_told_is_told_once_even_if_the_machine_goes_down_over_it() {
    let down = Down::after(4, 1 << 20, 4);
    down.keep(6, 0);
    let page = fs::read(down.home.dir().join("state")).expect("state");
    drop(down.home.open());
    fs::write(down.home.dir().join("state"), page).expect("the page did not reach the disk");
    down.assert_lost(2);
}

#[test]
fn a_second_loss_is_added_to_the_first() {
    let down = Down::after(4, 1 << 20, 4);
    down.keep(6, 0);
    let log = down.home.open();
    (0..2).for_each(|_| call(&log));
    drop(log);
    down.page(|page| {
        page[SYNCED..SYNCED + 8].copy_from_slice(&10_u64.to_ne_bytes());
        page[BOOT..BOOT + 16].fill(9);
    });
    let text = down.home.segment(1);
    let kept: usize = text.lines().take(8).map(|line| line.len() + 1).sum();
    fs::write(files::segment_path(&down.home.dir(), 1), &text[..kept]).expect("cut");
    down.assert_whole(5);
    drop(down.home.open());
    down.assert_whole(5);
}

#[test]
fn an_anchor_that_knows_a_lost_record_is_not_lied_to() {
    let down = Down::after(4, 1 << 20, 4);
    let hash = String::from_utf8(chain::Digest::of(b"x").hex().to_vec()).expect("hex");
    let anchor = Anchor { seq: 8, hash, time: jiff::Timestamp::now() };
    down.keep(6, 0);
    for _ in 0..2 {
        let verdict = verify(&down.home.dir(), Some(&down.home.first), Some(&anchor)).expect("readable");
        assert!(verdict.first_bad.expect("found").why.contains("anchor remembers"));
        drop(down.home.open());
    }
}

#[test]
fn what_was_synced_is_noted_in_the_page() {
    let home = Home::new();
    let log = home.open();
    call(&log);
    drop(log); // Dropping it syncs what is left.
    let state = fs::File::open(home.dir().join("state")).expect("open");
    let peeked = state::StatePage::peek(&state).expect("peek");
    assert_eq!((peeked.synced, peeked.went_down), (2, false));
    assert_eq!(peeked.state.as_ref().map(|State { seq, .. }| *seq), Some(2));
}
