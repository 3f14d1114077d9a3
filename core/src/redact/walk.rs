//! Decides whether a form stands at a place: follows form and text side by side, through every reading of an escape.

use super::encodings::{Form, Kind};
use super::escapes::{Reader, Unit, is_special};

/// How much of a form must stand at a line's edge to be redacted; less would tell which known prefix a value has.
const MIN_AT_EDGE: usize = 16;

/// How much of a form must fill the window to be redacted: less is an escape of an escape of an escape.
const MIN_IN_WINDOW: usize = 8;

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
}

impl Needle<'_> {
    /// Reads the form from its byte `from` on at the beginning of `text`, which ends with its line (`whole`) or is cut.
    pub(super) fn read(self, text: &[u8], from: usize, whole: bool) -> Outcome {
        let ends = self.follow(text, vec![Pair { text: 0, form: from }], text.len(), from);
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

    /// Whether the form may still stand here when there is more text.
    pub(super) fn may_stand(self, text: &[u8], from: usize, whole: bool) -> bool {
        if !matches!(self.read(text, from, whole), Outcome::None) {
            return true;
        }
        !whole && !self.follow(text, vec![Pair { text: 0, form: from }], text.len(), from).cut.is_empty()
    }

    /// Follows an open form through more text, up to `stop`: the pairs to go on from, or nothing where it ended, and how
    /// far it reached.
    pub(super) fn resume(self, text: &[u8], pairs: Vec<Pair>, stop: usize, whole: bool) -> (Vec<Pair>, usize) {
        let ends = self.follow(text, pairs, stop, 0);
        if whole && stop == text.len() {
            let end = if ends.cut.is_empty() { ends.farthest } else { stop };
            return (Vec::new(), ends.full.map_or(end, |full| end.max(self.with_partial(text, full))));
        }
        let end = ends.full.map_or(ends.farthest, |full| ends.farthest.max(self.with_partial(text, full)));
        (ends.cut, end)
    }

    fn follow(self, text: &[u8], mut pairs: Vec<Pair>, stop: usize, from: usize) -> Ends {
        let mut ends = Ends::default();
        pairs.sort_unstable_by(|one, other| other.cmp(one));
        while let Some(mut pair) = pairs.pop() {
            if pairs.is_empty() {
                pair = self.run(text, pair, stop);
            }
            ends.farthest = ends.farthest.max(pair.text);
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
        let mut reader = Reader::new(text);
        reader.readings(pair.text, |unit| {
            if self.takes(pair.form, unit) {
                let next = Pair { text: unit.next, form: pair.form + unit.bytes().len() };
                if let Err(at) = pairs.binary_search_by(|other| next.cmp(other)) {
                    pairs.insert(at, next);
                }
            } else if self.form.at_edges && matches!(unit.bytes(), b"\n" | b"\r") && pair.form - from >= MIN_AT_EDGE {
                ends.edge = ends.edge.max(Some(pair.text));
            }
        });
        if reader.ran_off {
            ends.cut.push(pair);
        }
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
