//! Carries one body through a scanner, holding back what is not yet decided.
//!
//! Up to the last line feed everything is decided, behind it everything but the last [`WINDOW`] bytes: how much is
//! released depends on lengths and line feeds, never on a value. What stands at a place is decided from the window
//! behind it and no more, also where more is at hand, so that chunks make no difference.

mod effort;
mod follow;

use std::sync::Arc;

use bytes::Bytes;
use memchr::{memchr, memrchr};

use super::Found;
use super::scanner::{Hit, Scanner};
use super::search::Search;
use super::walk::Outcome;
use effort::{Effort, FOLLOW};
use follow::Followed;

/// How much of a line without an end is held back.
pub(super) const WINDOW: usize = 4096;

/// How much is searched and released at a time, so that it stays in the nearest cache.
pub(super) const BLOCK: usize = 32 * 1024;

/// Redacts one stream.
pub(crate) struct Redactor {
    scanner: Arc<Scanner>,
    stream: Stream,
}

impl Redactor {
    /// Begins a stream.
    pub(crate) fn new(scanner: Arc<Scanner>) -> Self {
        Self { scanner, stream: Stream::default() }
    }

    /// Takes what has come and appends to `out` what is decided by it.
    pub(crate) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        self.stream.push(&self.scanner, chunk, out);
    }

    /// The stream has ended: appends the rest.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.stream.finish(&self.scanner, out);
    }

    /// Begins another stream, which pays for its work with what the one before left: a host that sends many does not
    /// make more work than one that sends one.
    pub(crate) fn begin_another(&mut self, scanner: Arc<Scanner>) {
        let effort = self.stream.effort.carried(self.stream.decided);
        self.scanner = scanner;
        self.stream = Stream::default();
        self.stream.effort = effort;
    }

    /// Whether nothing was pushed yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.stream.decided == 0 && self.stream.held.is_empty()
    }

    /// Begins a stream for which so much work is paid.
    #[cfg(test)]
    pub(super) fn with_effort(scanner: Arc<Scanner>, left: i64) -> Self {
        let mut new = Self::new(scanner);
        new.stream.effort = Effort::of(left);
        new
    }

    /// How much of the stream is decided and released.
    #[cfg(test)]
    pub(super) fn decided(&self) -> u64 {
        self.stream.decided
    }

    /// What was found so far.
    pub(crate) fn found(&self) -> &Found {
        &self.stream.found
    }
}

impl Scanner {
    /// Redacts a whole body: the same bytes, not copied, where nothing was found.
    pub(crate) fn redact_bytes(&self, body: Bytes, found: &mut Found) -> Bytes {
        match self.redact_text(&body, found) {
            Some(redacted) => redacted.into(),
            None => body,
        }
    }
}

/// Redacts a whole text; `None` where nothing was found.
pub(super) fn redact_whole(scanner: &Scanner, text: &[u8], found: &mut Found) -> Option<Vec<u8>> {
    let (mut stream, mut out) = (Stream::default(), Vec::with_capacity(text.len()));
    stream.push(scanner, text, &mut out);
    stream.finish(scanner, &mut out);
    for name in &stream.found.names {
        found.add(Some(name));
    }
    found.unnamed |= stream.found.unnamed;
    stream.found.any().then_some(out)
}

/// A form that may stand at a place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    /// Where to redact from: a base64 form's first bits may be in the character before it.
    begin: u64,
    /// Where the form is read from.
    place: u64,
    form: usize,
    from: usize,
}

/// The state of one stream.
#[derive(Default)]
struct Stream {
    search: Search,
    hits: Vec<Hit>,
    /// What has come and is not decided.
    held: Vec<u8>,
    /// The place of its first byte in the stream: up to here all is decided.
    decided: u64,
    /// In the order in which they begin.
    candidates: Vec<Candidate>,
    followed: Vec<Followed>,
    /// Up to here everything is covered by a replacement already written.
    covered: u64,
    effort: Effort,
    /// A place, the end of its line, and whether a line feed stands there.
    line: (u64, u64, bool),
    found: Found,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.held.fill(0);
        zeroize::optimization_barrier(&self.held);
    }
}

impl Stream {
    fn push(&mut self, scanner: &Scanner, chunk: &[u8], out: &mut Vec<u8>) {
        for block in chunk.chunks(BLOCK) {
            if self.effort.is_drowning() && memchr(b'\n', block).is_none() {
                self.search.skip(block);
            } else {
                self.search.feed(scanner, block, &mut self.hits);
            }
            let end = self.decided + (self.held.len() + block.len()) as u64;
            // A line feed farther from the end than the window makes no difference.
            let near = &block[block.len().saturating_sub(WINDOW)..];
            let line = memrchr(b'\n', near).map_or(0, |at| end - (near.len() - at - 1) as u64);
            let decide = line.max(end.saturating_sub(WINDOW as u64)).max(self.decided);
            self.take(scanner, block, decide, false, out);
        }
    }

    fn finish(&mut self, scanner: &Scanner, out: &mut Vec<u8>) {
        self.search.finish(scanner, &mut self.hits);
        let end = self.decided + self.held.len() as u64;
        self.take(scanner, &[], end, true, out);
    }

    /// Takes a block in and releases everything up to a place.
    fn take(&mut self, scanner: &Scanner, block: &[u8], decide: u64, last: bool, out: &mut Vec<u8>) {
        let idle = !self.effort.is_drowning()
            && self.hits.is_empty()
            && self.candidates.is_empty()
            && self.followed.is_empty();
        if !idle || self.covered > self.decided {
            self.held.extend_from_slice(block);
            self.queue_hits(scanner);
            self.settle(scanner, decide, last, out);
            return;
        }
        // Nothing to redact, so nothing to look at in one piece: what is released is copied once.
        let release = (decide - self.decided) as usize;
        let from_held = release.min(self.held.len());
        let from_block = release - from_held;
        self.forget(from_held, out);
        if from_block > 0 {
            out.extend_from_slice(&block[..from_block]);
            self.decided += from_block as u64;
        }
        self.held.extend_from_slice(&block[from_block..]);
    }

    /// Releases bytes held.
    fn forget(&mut self, count: usize, out: &mut Vec<u8>) {
        if count > 0 {
            out.extend_from_slice(&self.held[..count]);
            self.drop_held(count);
        }
    }

    fn drop_held(&mut self, count: usize) {
        self.decided += count as u64;
        if count == self.held.len() {
            self.held.clear();
        } else {
            self.held.drain(..count);
        }
    }

    /// Keeps of the hits those that may still be a form.
    fn queue_hits(&mut self, scanner: &Scanner) {
        if self.is_drowned() {
            return self.hits.clear();
        }
        let mut hits = std::mem::take(&mut self.hits);
        for hit in &hits {
            let from = hit.first.max(self.decided);
            for place in self.effort.not_seen(hit, from..hit.last + 1).into_iter().flatten() {
                let text = &self.held[(place - self.decided) as usize..];
                if scanner.needle(hit.form).may_begin(text, hit.from) {
                    self.candidates.push(self.candidate(scanner, *hit, place));
                }
            }
        }
        self.candidates.sort();
        self.candidates.dedup();
        hits.clear();
        self.hits = hits;
    }

    fn candidate(&self, scanner: &Scanner, hit: Hit, place: u64) -> Candidate {
        let at = (place - self.decided) as usize;
        let partial = hit.from == 0 && at > 0 && scanner.needle(hit.form).form.left.fits(self.held[at - 1]);
        Candidate { begin: place - u64::from(partial), place, form: hit.form, from: hit.from }
    }

    /// The text in which a candidate is decided, and whether it ends with its line.
    fn text_of(&self, candidate: Candidate, line: u64, last: bool) -> (&[u8], bool) {
        let at = (candidate.place - self.decided) as usize;
        let reach = (candidate.begin - self.decided) as usize + WINDOW;
        let line = (line - self.decided) as usize;
        if line < reach.min(self.held.len()) {
            return (&self.held[at..line], true);
        }
        (&self.held[at..reach.min(self.held.len())], last && reach >= self.held.len())
    }

    /// The next line feed, or the end of what is held: kept, as candidates stand near one another.
    fn line_end(&mut self, place: u64) -> u64 {
        let end = self.decided + self.held.len() as u64;
        let (from, upto, ended) = self.line;
        if place < from || place > upto || !(ended || upto == end) {
            let line = memchr(b'\n', &self.held[(place - self.decided) as usize..]);
            self.line = (place, line.map_or(end, |at| place + at as u64), line.is_some());
        }
        self.line.1
    }

    /// Decides everything up to a place and releases it.
    fn settle(&mut self, scanner: &Scanner, decide: u64, last: bool, out: &mut Vec<u8>) {
        let mut released = 0;
        self.drown_on();
        self.follow(scanner, decide, last);
        let ready = self.candidates.partition_point(|candidate| candidate.begin < decide);
        let candidates: Vec<_> = self.candidates.drain(..ready).collect();
        for same_begin in candidates.chunk_by(|one, other| one.begin == other.begin) {
            let begin = same_begin[0].begin;
            if self.effort.is_drowned(begin) {
                continue;
            }
            self.effort.refill(begin);
            let Some((owner_form, end)) = self.longest(scanner, same_begin, decide, last) else { continue };
            if end <= self.covered {
                continue;
            }
            let label = scanner.label(scanner.needle(owner_form).form);
            self.found.add(label);
            if begin >= self.covered {
                self.release(&mut released, begin, out);
                write_marker(label.map(|name| name.as_str()), out);
            }
            self.covered = end;
        }
        self.release(&mut released, decide, out);
        self.drop_held((decide - self.decided) as usize);
    }

    /// Appends what is not covered, up to a place.
    fn release(&self, released: &mut usize, upto: u64, out: &mut Vec<u8>) {
        let upto = (upto - self.decided) as usize;
        let from = (*released).max(self.covered.saturating_sub(self.decided) as usize);
        if from < upto {
            out.extend_from_slice(&self.held[from..upto]);
        }
        *released = upto;
    }

    /// Of the candidates that begin at one place the form that reaches farthest, and how far they cover.
    fn longest(
        &mut self,
        scanner: &Scanner,
        candidates: &[Candidate],
        decide: u64,
        last: bool,
    ) -> Option<(usize, u64)> {
        let mut longest: Option<(usize, u64)> = None;
        let mut followed = false;
        for &candidate in candidates {
            let line = self.line_end(candidate.place);
            let (text, whole) = self.text_of(candidate, line, last);
            let (needle, mut work) = (scanner.needle(candidate.form), 0);
            if self.effort.is_spent() && needle.is_deep(text, candidate.from) {
                return Some((candidate.form, self.drown(candidate.place)));
            }
            let outcome = needle.read(text, candidate.from, whole, &mut work);
            let text_len = text.len() as u64;
            self.effort.charge(work);
            let end = match outcome {
                Outcome::None => continue,
                Outcome::Closed(end) => candidate.place + end as u64,
                Outcome::Open(pairs) => {
                    let end = candidate.place + text_len;
                    let pairs = pairs.iter().map(|pair| (candidate.place + pair.text as u64, pair.form)).collect();
                    self.effort.charge(FOLLOW);
                    self.followed.push(Followed { form: candidate.form, pairs });
                    followed = true;
                    end
                }
            };
            if longest.is_none_or(|(_, farthest)| end > farthest) {
                longest = Some((candidate.form, end));
            }
            // Nothing reaches behind the line.
            if whole && end == candidate.place + text_len {
                break;
            }
        }
        let (form, end) = longest?;
        self.effort.refund(candidates[0].begin, end);
        let reach = if followed { self.follow_to(scanner, decide, last) } else { 0 };
        Some((form, end.max(reach)))
    }
}

fn write_marker(name: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"[REDACTED");
    if let Some(name) = name {
        out.push(b':');
        out.extend_from_slice(name.as_bytes());
    }
    out.push(b']');
}
