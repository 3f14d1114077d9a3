//! Decides whether a form stands at a place: follows form and text side by side, through every reading of an escape.

use super::encodings::{Form, Kind};
use super::escapes::{Reader, Unit, is_special};
use super::view::{is_plain, lone_escape};

/// How much of a form must stand at a line's edge to be redacted; less would tell which known prefix a value has.
const MIN_AT_EDGE: usize = 16;

/// How much of a form must fill the window to be redacted: less is an escape of an escape of an escape.
const MIN_IN_WINDOW: usize = 8;

/// How much of a form has to be read before the work is charged for. It is more than the search looks at, so that a
/// candidate that is charged for is found however the text was cut.
const DEEP: usize = 72;

/// What reading a character in every reading costs, in the time that one escape of one layer takes.
const SLOW: usize = 48;

/// How many plain bytes are read in that time.
const RUN: usize = 16;

/// A place both in the text and in the form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    pub(super) text: usize,
    pub(super) form: usize,
}

/// What stands at a place.
pub(super) enum Outcome {
    /// Not this form.
    None,
    /// The form, or what there is of it on this line, up to a place in the text.
    Closed(usize),
    /// As much of the form as there is text; to be followed from these pairs when there is more.
    Open(Vec<Pair>),
}

/// A form and its bytes.
#[derive(Clone, Copy)]
pub(super) struct Needle<'a> {
    pub(super) form: &'a Form,
    pub(super) bytes: &'a [u8],
}

/// The ends met on the way.
#[derive(Default)]
struct Ends {
    /// The whole form was read, up to here.
    full: Option<usize>,
    /// A line break was met behind enough of the form.
    edge: Option<usize>,
    /// The farthest place the form reached.
    farthest: usize,
    /// Where the text, or what may be read of it, ran out.
    cut: Vec<Pair>,
    /// How far into the form it went.
    deepest: usize,
    /// What the reading took.
    work: usize,
}

impl Needle<'_> {
    /// Reads the form from its byte `from` on at the beginning of `text`, which ends with its line (`whole`) or is cut.
    /// Adds to `work` what it took, where the form was read deeply.
    pub(super) fn read(self, text: &[u8], from: usize, whole: bool, work: &mut usize) -> Outcome {
        let ends = self.follow(text, Some(Pair { text: 0, form: from }), Vec::new(), text.len(), from);
        if ends.deepest - from >= DEEP {
            *work += ends.work;
        }
        if let Some(end) = ends.full
            && (from == 0 || self.bytes.len() - from >= MIN_AT_EDGE)
        {
            return Outcome::Closed(self.with_partial(text, end));
        }
        let cut_behind = |least: usize| ends.cut.iter().any(|pair| pair.form - from >= least);
        if !whole && cut_behind(MIN_IN_WINDOW) {
            return Outcome::Open(ends.cut);
        }
        if self.form.at_edges && whole && cut_behind(MIN_AT_EDGE) {
            return Outcome::Closed(text.len());
        }
        ends.edge.map_or(Outcome::None, Outcome::Closed)
    }

    /// Whether so much of the form stands at the beginning of `text` that reading on would be charged for.
    pub(super) fn is_deep(self, text: &[u8], from: usize) -> bool {
        let Some(bytes) = self.bytes.get(..from + DEEP) else { return false };
        let front = Needle { form: self.form, bytes };
        front.follow(text, Some(Pair { text: 0, form: from }), Vec::new(), text.len(), from).full.is_some()
    }

    /// Whether a plain stretch of text, which may be cut, can hold the form or its beginning.
    pub(super) fn may_begin(self, text: &[u8], from: usize) -> bool {
        super::view::may_begin_with(text, |byte| self.form.kind.same(self.bytes[from], byte))
    }

    /// Follows an open form through more text, up to `stop`: the pairs to go on from, or nothing where it ended, and how
    /// far it reached.
    pub(super) fn resume(self, text: &[u8], pairs: Vec<Pair>, stop: usize, whole: bool) -> (Vec<Pair>, usize) {
        let ends = self.follow(text, None, pairs, stop, 0);
        if whole && stop == text.len() {
            let end = if ends.cut.is_empty() { ends.farthest } else { stop };
            return (Vec::new(), ends.full.map_or(end, |full| end.max(self.with_partial(text, full))));
        }
        let end = ends.full.map_or(ends.farthest, |full| ends.farthest.max(self.with_partial(text, full)));
        (ends.cut, end)
    }

    /// Follows the form from one pair, or from many. The first is apart, as most are followed without a second.
    fn follow(self, text: &[u8], mut first: Option<Pair>, mut pairs: Vec<Pair>, stop: usize, from: usize) -> Ends {
        let mut ends = Ends::default();
        pairs.sort_unstable_by(|one, other| other.cmp(one));
        while let Some(mut pair) = first.take().or_else(|| pairs.pop()) {
            if pairs.is_empty() {
                let begin = pair.text;
                pair = self.run(text, pair, stop);
                ends.work += 1 + (pair.text - begin) / RUN;
            }
            ends.farthest = ends.farthest.max(pair.text);
            ends.deepest = ends.deepest.max(pair.form);
            if pair.form == self.bytes.len() {
                ends.full = ends.full.max(Some(pair.text));
            } else if pair.text >= stop {
                ends.cut.push(pair);
            } else {
                self.step(text, pair, from, &mut pairs, &mut ends);
            }
        }
        ends
    }

    /// The stretch without escapes: most of any text.
    fn run(self, text: &[u8], mut pair: Pair, stop: usize) -> Pair {
        let text = &text[..stop];
        while let (Some(have), Some(want)) = (text.get(pair.text..), self.bytes.get(pair.form..))
            && let (Some(have), Some(want)) = (have.first_chunk(), want.first_chunk())
            && have == want
            && is_plain(have)
        {
            pair = Pair { text: pair.text + have.len(), form: pair.form + have.len() };
        }
        while let (Some(&have), Some(&want)) = (text.get(pair.text), self.bytes.get(pair.form)) {
            if is_special(have) || !self.form.kind.same(want, have) {
                break;
            }
            pair = Pair { text: pair.text + 1, form: pair.form + 1 };
        }
        pair
    }

    /// One character, in every reading.
    fn step(self, text: &[u8], pair: Pair, from: usize, pairs: &mut Vec<Pair>, ends: &mut Ends) {
        if self.form.kind == Kind::Exact {
            if self.bytes[pair.form] == text[pair.text] {
                pairs.push(Pair { text: pair.text + 1, form: pair.form + 1 });
            }
            return;
        }
        let mut give = |unit: Unit| {
            if self.takes(pair.form, unit) {
                let next = Pair { text: unit.next, form: pair.form + unit.bytes().len() };
                if let Err(at) = pairs.binary_search_by(|other| next.cmp(other)) {
                    pairs.insert(at, next);
                }
            } else if self.form.at_edges && matches!(unit.bytes(), b"\n" | b"\r") && pair.form - from >= MIN_AT_EDGE {
                ends.edge = ends.edge.max(Some(pair.text));
            }
        };
        if let Some(unit) = lone_escape(&text[pair.text..], pair.text) {
            ends.work += 1;
            give(Unit::byte(text[pair.text], pair.text + 1));
            give(unit);
            return;
        }
        let mut reader = Reader::new(text);
        reader.readings(pair.text, give);
        if reader.ran_off {
            ends.cut.push(pair);
        }
        ends.work += if is_special(text[pair.text]) { SLOW } else { 1 };
    }

    fn takes(self, at: usize, unit: Unit) -> bool {
        let have = unit.bytes();
        let want = self.bytes.get(at..at + have.len());
        want.is_some_and(|want| want.iter().zip(have).all(|(want, have)| self.form.kind.same(*want, *have)))
    }

    /// Past a base64 form: the character that holds its last bits, and the padding.
    fn with_partial(self, text: &[u8], mut end: usize) -> usize {
        if self.form.kind != Kind::Base64 {
            return end;
        }
        let mut take = |fits: &dyn Fn(u8) -> bool| {
            let mut next = None;
            Reader::new(text).readings(end, |unit| {
                if matches!(unit.bytes(), [byte] if fits(*byte)) {
                    next = next.max(Some(unit.next));
                }
            });
            end = next.unwrap_or(end);
            next.is_some()
        };
        take(&|byte| self.form.right.fits(byte));
        while take(&|byte| byte == b'=') {}
        end
    }
}
