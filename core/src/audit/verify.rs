//! Whether the log is what was written: every record in its place, none altered, none missing.
//!
//! Without the first key the chain, the state and the anchor are checked, and with it every MAC. Nothing in the folder
//! names a place outside, so a moved or copied home verifies too.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::path::Path;

use jiff::Timestamp;

use super::chain::{Digest, FirstKey, Key, is_sealed};
use super::files::{self, Lines, unavailable};
use super::record::{Links, Phase};
use super::recover::count;
use super::snapshot::Snapshot;
use super::state::{Anchor, Peeked, State};
use super::verdict::{FirstBad, Verdict};
use crate::error::Result;

/// Checks the log, while others may be writing.
///
/// # Errors
/// `audit_unavailable` where it cannot be read at all. What is wrong *in* it is the verdict's.
pub(crate) fn verify<'a>(
    dir: &Path,
    first: Option<&FirstKey>,
    anchors: impl IntoIterator<Item = &'a Anchor>,
) -> Result<Verdict> {
    let mut anchors: Vec<_> = anchors.into_iter().collect();
    anchors.sort_by_key(|anchor| anchor.seq);
    let newest = anchors.iter().max_by_key(|anchor| anchor.time).copied();
    let check = || {
        let snapshot = Snapshot::take(dir)?;
        let mut walk = Walk::new(&snapshot.page, first, anchors.clone().into());
        let first_bad = walk.all(dir, &snapshot)?.or_else(|| walk.at_the_end(&snapshot));
        Ok(Verdict {
            ok: first_bad.is_none(),
            records: walk.seq - walk.lost,
            tail_lost_in_crash: walk.lost + walk.unmended(),
            segments: snapshot.segments.len(),
            open_calls: walk.open.len(),
            torn: walk.torn,
            macs_checked: first.is_some(),
            anchor_age_ms: newest.map(age_ms),
            first_bad,
        })
    };
    check().map_err(|why: io::Error| unavailable("read", &why))
}

fn age_ms(anchor: &Anchor) -> u64 {
    u64::try_from(Timestamp::now().as_millisecond() - anchor.time.as_millisecond()).unwrap_or(0)
}

/// A line and where it stands.
#[derive(Clone)]
struct At {
    id: Option<String>,
    segment: u32,
    line: u64,
}

impl At {
    fn bad(&self, why: impl Into<String>) -> FirstBad {
        FirstBad { id: self.id.clone(), file: format!("{:06}.jsonl", self.segment), line: self.line, why: why.into() }
    }
}

/// What a line turned out to be.
enum Step {
    Sound,
    Bad(FirstBad),
    /// This line and the one before do not fit together, and the next line tells which of them is the bad one.
    OneOfTwo {
        before: FirstBad,
        this: FirstBad,
        digest: Digest,
    },
    /// The rest is half a record.
    Torn,
}

struct Walk<'a> {
    /// The state as the folder has it; once all it counts is passed, it counts on.
    state: Option<State>,
    /// Those not passed yet, in the order of the log.
    anchors: VecDeque<&'a Anchor>,
    key: Option<Key>,
    seq: u64,
    last: Digest,
    before_last: Option<Digest>,
    at: At,
    denies: u64,
    open: HashSet<String>,
    torn: u64,
    /// Records that a `tail_lost` stands for.
    lost: u64,
    /// From which place on records may have been lost when the machine went down, and nobody opened the log since.
    unsynced_from: Option<u64>,
    /// Whether such a loss was met: what follows is moved aside by the next opening.
    crashed: bool,
}

impl<'a> Walk<'a> {
    fn new(page: &Peeked, first: Option<&FirstKey>, anchors: VecDeque<&'a Anchor>) -> Self {
        Self {
            state: page.state.clone(),
            anchors,
            key: first.map(FirstKey::key),
            seq: 0,
            last: Digest::default(),
            before_last: None,
            at: At { id: None, segment: 1, line: 0 },
            denies: 0,
            open: HashSet::new(),
            torn: 0,
            lost: 0,
            unsynced_from: page.went_down.then_some(page.synced),
            crashed: false,
        }
    }

    /// Records that the state counts and the machine lost, and no `tail_lost` stands for yet.
    fn unmended(&self) -> u64 {
        let counted = self.state.as_ref().map_or(0, |state| state.seq);
        if self.unsynced_from.is_some_and(|synced| self.seq >= synced) { counted.saturating_sub(self.seq) } else { 0 }
    }

    fn all(&mut self, dir: &Path, snapshot: &Snapshot) -> io::Result<Option<FirstBad>> {
        let mut doubt: Option<(FirstBad, FirstBad, Digest)> = None;
        for (index, (number, length)) in snapshot.segments.iter().enumerate() {
            if usize::try_from(*number) != Ok(index + 1) {
                let missing = At { id: None, segment: self.at.segment + u32::from(index > 0), line: 1 };
                return Ok(Some(missing.bad("the file is missing")));
            }
            let file = files::options().open(files::segment_path(dir, *number))?;
            let mut lines = Lines::between(file, 0, *length)?;
            (self.at.segment, self.at.line) = if *length > 0 { (*number, 0) } else { (self.at.segment, self.at.line) };
            while let Some(line) = lines.next_line()? {
                if let Some((before, this, digest)) = doubt.take() {
                    let follows = Links::parse(line.trim_ascii_end()).and_then(|links| links.prev()) == Some(digest);
                    return Ok(Some(if follows { before } else { this }));
                }
                match self.step_or_loss(line, *number) {
                    Step::Sound => {}
                    Step::Bad(bad) => return Ok(Some(bad)),
                    Step::OneOfTwo { before, this, digest } => doubt = Some((before, this, digest)),
                    Step::Torn => self.torn += line.len() as u64,
                }
            }
        }
        let ends_with = self.state.as_ref().map(|state| state.last);
        Ok(doubt.map(|(before, this, digest)| if ends_with == Some(digest) { before } else { this }))
    }

    /// A step; what does not fit where the machine may have lost records is the rest of those.
    fn step_or_loss(&mut self, line: &[u8], segment: u32) -> Step {
        if self.crashed {
            return Step::Torn;
        }
        match self.step(line, segment) {
            Step::Bad(_) | Step::OneOfTwo { .. } if self.unmended() > 0 => {
                self.crashed = true;
                Step::Torn
            }
            step => step,
        }
    }

    fn step(&mut self, line: &[u8], segment: u32) -> Step {
        let here = At { id: None, segment, line: self.next_line_number(segment) };
        let before = std::mem::replace(&mut self.at, here);
        if self.state.as_ref().is_some_and(|state| state.seq == self.seq) {
            return self.step_beyond(line);
        }
        let Some(body) = line.strip_suffix(b"\n") else {
            return Step::Bad(self.at.bad("the record is cut off"));
        };
        let Some(links) = Links::parse(body) else {
            return Step::Bad(self.at.bad("the line is no record"));
        };
        self.at.id = Some(links.id.to_owned());
        let digest = Digest::of(body);
        if links.is_loss()
            && let Some(step) = self.step_over_loss(&links, body)
        {
            return step;
        }
        match self.why_bad(&links, body) {
            None => self.accept(&links, digest),
            Some(Why::This(why)) => Step::Bad(self.at.bad(why)),
            Some(Why::Before(why)) => Step::Bad(before.bad(why)),
            Some(Why::OneOfTwo) if self.seq == 0 => Step::Bad(self.at.bad(ALTERED)),
            Some(Why::OneOfTwo) => Step::OneOfTwo { before: before.bad(ALTERED), this: self.at.bad(ALTERED), digest },
        }
    }

    fn next_line_number(&self, segment: u32) -> u64 {
        if self.at.segment == segment { self.at.line + 1 } else { 1 }
    }

    /// A line the state does not count yet: of a writer killed just then, or nobody's.
    fn step_beyond(&mut self, line: &[u8]) -> Step {
        let Some(state) = &mut self.state else { return Step::Sound };
        if state.last != self.last || self.torn > 0 {
            return Step::Torn; // `at_the_end` says what is wrong; more half records follow half records only.
        }
        if !line.ends_with(b"\n") {
            return Step::Torn;
        }
        let body = line.trim_ascii_end();
        let links = Links::parse(body);
        self.at.id = links.as_ref().map(|links| links.id.to_owned());
        match links {
            Some(links) if count(state, line) => self.accept(&links, Digest::of(body)),
            _ => Step::Bad(self.at.bad("the line was not written by this log")),
        }
    }

    /// A record that stands for lost ones, where it follows the last one there is; its place says how many they were.
    fn step_over_loss(&mut self, links: &Links<'_>, body: &[u8]) -> Option<Step> {
        let lost = links.place()?.checked_sub(self.seq + 1).filter(|lost| (1..=MOST_LOST).contains(lost))?;
        let key = self.key.as_ref().map(|key| (0..lost).fold(key.clone(), |key, _| key.next()));
        if links.prev() != Some(self.last) || key.as_ref().is_some_and(|key| !is_sealed(body, key)) {
            return None;
        }
        if self.unmended() == lost {
            return Some(Step::Bad(self.at.bad("the state does not count it"))); // It went down again: moved aside.
        }
        if self.anchors.iter().any(|anchor| (self.seq + 1..=self.seq + lost).contains(&anchor.seq)) {
            return Some(Step::Bad(self.at.bad("the anchor remembers a record that is said to be lost")));
        }
        (self.seq, self.lost, self.key) = (self.seq + lost, self.lost + lost, key);
        Some(self.accept(links, Digest::of(body)))
    }

    fn why_bad(&self, links: &Links<'_>, body: &[u8]) -> Option<Why> {
        let (place, prev) = (links.place().unwrap_or(0), links.prev());
        let expected = self.seq + 1;
        if prev == Some(self.last) && place == expected {
            let sealed = self.key.as_ref().is_none_or(|key| is_sealed(body, key));
            return (!sealed).then_some(Why::This(ALTERED.into()));
        }
        if place > expected {
            return Some(Why::This(format!("records before it are missing: {}", place - expected)));
        }
        if self.key.is_some() {
            // The record before has its MAC, so this one is the stranger.
            return Some(Why::This(if place == expected { ALTERED.into() } else { OUT_OF_ORDER.into() }));
        }
        match prev {
            _ if Digest::of(body) == self.last => Some(Why::This(OUT_OF_ORDER.into())),
            Some(prev) if Some(prev) == self.before_last => Some(Why::Before("the record was inserted".into())),
            _ if place == expected => Some(Why::OneOfTwo),
            _ => Some(Why::This(OUT_OF_ORDER.into())),
        }
    }

    fn accept(&mut self, links: &Links<'_>, digest: Digest) -> Step {
        self.seq += 1;
        self.before_last = Some(std::mem::replace(&mut self.last, digest));
        self.key = self.key.take().map(|key| key.next());
        self.denies += u64::from(links.is_deny());
        match links.phase {
            Phase::Begun => drop(self.open.insert(links.call.to_owned())),
            Phase::Ended => drop(self.open.remove(links.call)),
        }
        if self.is_contradicted(digest) {
            return Step::Bad(self.at.bad("the anchor remembers another record here: the log was rewritten"));
        }
        Step::Sound
    }

    /// Whether an anchor remembers something else at this place. Passes those of the places before.
    fn is_contradicted(&mut self, digest: Digest) -> bool {
        while let Some(anchor) = self.anchors.front().copied().filter(|anchor| anchor.seq <= self.seq) {
            self.anchors.pop_front();
            if anchor.seq == self.seq && Digest::parse(&anchor.hash) != Some(digest) {
                return true;
            }
        }
        false
    }

    /// What only the end of the log can tell.
    fn at_the_end(&self, snapshot: &Snapshot) -> Option<FirstBad> {
        let behind = At { id: None, segment: self.at.segment, line: self.at.line + 1 };
        let missing = |known: u64, who: &str| {
            (known > self.seq).then(|| {
                behind.bad(format!("records are missing at the end: {} ({who} remembers {known})", known - self.seq))
            })
        };
        let state = snapshot.page.state.as_ref();
        let unmended = self.unmended() > 0;
        if let Some(bad) = missing(state.map_or(0, |state| state.seq), "the state").filter(|_| !unmended) {
            return Some(bad);
        }
        if let Some(bad) = missing(self.anchors.back().map_or(0, |anchor| anchor.seq), "the anchor") {
            return Some(bad);
        }
        if unmended {
            return None; // The state is ahead of the log, and says nothing of what the log has.
        }
        let of_state = |why: &str| Some(FirstBad { id: None, file: "state".into(), line: 0, why: why.into() });
        let Some(now) = &self.state else {
            return of_state("the state is missing or damaged: nothing says where the log ends");
        };
        if now.last != self.last {
            return Some(self.at.bad(ALTERED));
        }
        if self.key.as_ref().is_some_and(|key| *key != now.key) {
            return of_state("the state's key does not come from the first key");
        }
        if !(self.denies..=self.denies + self.lost).contains(&now.denies) {
            return of_state("the state counts other changes of the deny overlay than the log");
        }
        None
    }
}

/// More are not believed to be lost at once: they are what was written since the last sync.
const MOST_LOST: u64 = 1 << 24;
const ALTERED: &str = "the record was altered";
const OUT_OF_ORDER: &str = "the record stands in the wrong place";

enum Why {
    This(String),
    Before(String),
    OneOfTwo,
}
