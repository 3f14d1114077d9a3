//! Attacks on the log: by whoever can write to its folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::record::{Links, event_part};
use super::{Anchor, AuditLog, Ended, Event, FirstKey, Identity, Isolation, LogsQuery, Options, Outcome, Record};
use super::{anchors_in, files, list, records, show, verify};
use crate::fuzz::{Dice, Input, Target};
use crate::secret_ref::SecretName;

/// A log that is altered in any way is never taken for what was written, and can be read whatever stands in it.
pub(crate) const LOG: Target = Target { name: "audit_log", attack: log, seeds, words: WORDS };

const WORDS: &[&str] = &[
    "\"act\":",
    "\"status\":",
    ",\"prev\":\"",
    ",\"mac\":\"",
    "\"phase\":\"ended\"",
    "tail_lost",
    "deny_lifted",
    "\n",
    "\"id\":\"",
    "null",
    "\\u0000",
];
const CALLS: usize = 3;

/// A log of a few calls, as it lay on the disk, and what is remembered of it.
struct Written {
    log: Vec<u8>,
    state: Vec<u8>,
    first: FirstKey,
    anchor: Anchor,
}

impl Written {
    fn once() -> &'static Self {
        static ONCE: OnceLock<Written> = OnceLock::new();
        ONCE.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a folder");
            let dir = folder.path().join("audit");
            let first = FirstKey::make().expect("random");
            AuditLog::create(&dir, &first).expect("a new log");
            let log = AuditLog::open(&dir, Options::default()).expect("its own log");
            let mut event = Event::new(Identity::Declared, Isolation::Broker);
            event.secrets = vec![SecretName::parse("KEY").expect("a name")];
            for _ in 0..CALLS {
                let ended = Ended {
                    outcome: Outcome::Ok,
                    status: Some(200),
                    reason: None,
                    redacted: Vec::new(),
                    duration_ms: Some(1),
                };
                log.begin(&event).expect("begun").end(ended).expect("ended");
            }
            let anchor = log.anchor();
            drop(log);
            let read = |path: PathBuf| fs::read(path).expect("a file of the log");
            Self { log: read(files::segment_path(&dir, 1)), state: read(dir.join("state")), first, anchor }
        })
    }
}

fn log(data: &[u8]) {
    line(data);
    let written = Written::once();
    let mut input = Input::new(data);
    let mut altered = [written.log.clone(), written.state.clone()];
    match input.byte() {
        0 => altered[0] = input.rest().to_vec(),
        1 => altered[0].extend_from_slice(input.rest()),
        _ => edit(&mut altered, input),
    }
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("audit");
    files::make_folder(&dir).expect("a folder");
    fs::write(files::segment_path(&dir, 1), &altered[0]).expect("written");
    fs::write(dir.join("state"), &altered[1]).expect("written");
    check(&dir, written, &altered[0]);
}

fn check(dir: &Path, written: &Written, log: &[u8]) {
    for first in [None, Some(&written.first)] {
        let verdict = verify(dir, first, [&written.anchor]).expect("what can be read is judged");
        assert_eq!(verdict.ok, verdict.first_bad.is_none());
        if verdict.ok && first.is_some() {
            assert!(log.starts_with(&written.log), "an altered log is taken for what was written");
            assert_eq!(verdict.records, 2 * CALLS as u64);
        }
    }
    let all = list(dir, &LogsQuery::default()).expect("readable");
    let every = records(dir, &LogsQuery::default()).expect("readable");
    assert!(all.len() <= every.len());
    for record in &every {
        assert!(
            show(dir, &record.call).expect("readable").contains(record)
                || record.call.to_ascii_lowercase() != record.call
        );
    }
}

/// Alters files in places: which file, where, how much goes, and what comes there.
fn edit(files: &mut [Vec<u8>; 2], mut input: Input<'_>) {
    for _ in 0..8 {
        let [which, at, gone] = [input.byte(), input.byte(), input.byte()];
        let text = input.piece();
        if gone == 0 && text.is_empty() {
            return;
        }
        let file = &mut files[usize::from(which % 2)];
        let from = Dice(u64::from(at) << 8 | u64::from(which)).below(file.len() + 1);
        let to = (from + usize::from(gone)).min(file.len());
        file.splice(from..to, text.iter().copied());
    }
}

fn line(data: &[u8]) {
    if let Some(record) = Record::parse(data) {
        let written = serde_json::to_vec(&record).expect("what was JSON");
        assert_eq!(Record::parse(&written), Some(record));
    }
    if let Some(links) = Links::parse(data) {
        let _ = (links.place(), links.prev(), links.is_deny(), links.is_loss());
    }
    if let Some(part) = std::str::from_utf8(data).ok().and_then(event_part) {
        assert!(part.starts_with(",\"act\":"));
    }
    let _ = anchors_in(uuid::Uuid::nil(), data);
}

fn seeds() -> Vec<Vec<u8>> {
    let written = Written::once();
    let first = written.log.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let whole = [b"\0", &written.log[..]].concat();
    let mut seeds = vec![first.to_vec(), [b"\x01", first, b"\n"].concat(), b"\x01half a rec".to_vec(), whole];
    for byte in 2..24_u8 {
        seeds.push([&[2, byte % 2, byte.wrapping_mul(11), byte % 3][..], b"x"].concat());
    }
    seeds
}
