//! The decoded view: what the text around `%`, `\` and `&` comes to when every escape is undone, however deep.
//!
//! The view only finds candidates; `walk` decides. It must therefore give the same text for a value and for every
//! spelling of the value, and may lose whatever stands in the way of that: case, the backslashes that undo nothing, the
//! difference between a line feed and an `n`. It is built byte by byte as the text arrives, so that what it holds does
//! not depend on how the text was cut into chunks.

mod fast;
mod normal;
mod reduce;

use zeroize::{Zeroize, Zeroizing};

use super::escapes::{MAX_ENTITY, hex_digit, is_special};
use super::table::GRAM;
use normal::{NORMAL, STOPS};

pub(super) use fast::{is_plain, lone_escape, may_begin_with};

/// How far back of an escape the view begins: a form is found by its first 15 characters.
pub(super) const BEFORE: usize = 15;

/// How many plain bytes after an escape still belong to the view: those 15, and the rest of a nested escape.
const AFTER: u8 = 48;

/// How many decoded bytes at the end an open escape, and the escapes around it, may still change.
const UNSETTLED: usize = 3 * MAX_ENTITY;

/// How much is read at a time, so that it stays in the nearest cache.
pub(super) const READ: usize = 2048;

/// Marks the place of a `u` or `x` that stood behind a backslash.
const ESCAPED: u64 = 1 << 63;

/// Marks the place of a byte that was written as `\u0000`.
const BY_JSON: u64 = 1 << 62;

/// Counts, beside the place, the backslashes of a run.
const ONE_BACKSLASH: u64 = 1 << 56;
const BACKSLASHES: u64 = BY_JSON - ONE_BACKSLASH;

/// The place itself.
const PLACE: u64 = ONE_BACKSLASH - 1;

/// The view as far as it is read.
#[derive(Default)]
pub(super) struct View {
    /// The decoded text.
    pub(super) units: Vec<u8>,
    /// For each decoded byte, where its spelling begins in the text.
    places: Vec<u64>,
    /// The next decoded byte to look at.
    checked: usize,
    /// How long the view may become before every `%` and backslash in it is surely no open escape.
    open: usize,
    /// The same for `&`.
    open_entity: usize,
    /// How many plain bytes may follow before the view closes; 0 where it is closed.
    left: u8,
    /// The view begins at the beginning of a line.
    pub(super) at_line_start: bool,
}

impl View {
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.left > 0
    }

    /// Begins a view in front of an escape, with the plain bytes before it.
    pub(super) fn open(&mut self, before: &[u8], place: u64, at_line_start: bool) {
        self.clear();
        self.at_line_start = at_line_start;
        self.left = AFTER;
        self.extend(before, place);
    }

    /// The view of a form, cut before an escape left open at its end, and for each decoded byte its place in the form.
    pub(super) fn of(form: &[u8]) -> (Zeroizing<Vec<u8>>, Vec<u32>) {
        let mut view = Self::default();
        view.units.reserve_exact(form.len());
        for (place, byte) in form.iter().enumerate() {
            view.push(NORMAL[usize::from(*byte)], place as u64);
        }
        view.cut_unsettled();
        let places = view.places.iter().map(|place| (place & PLACE) as u32).collect();
        (Zeroizing::new(std::mem::take(&mut view.units)), places)
    }

    /// Ends the view: nothing more can change it.
    pub(super) fn close(&mut self) {
        self.left = 0;
    }

    pub(super) fn clear(&mut self) {
        self.units.clear();
        self.places.clear();
        (self.checked, self.open, self.open_entity, self.left) = (0, 0, 0, 0);
    }

    /// Reads on until the text ends or the view closes; gives how many bytes were read.
    pub(super) fn read(&mut self, text: &[u8], place: u64) -> usize {
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            if byte == b'\n' || self.left == 0 {
                self.left = 0;
                return at;
            }
            if self.units.len() >= self.open {
                let read = self.read_fast(&text[at..], place + at as u64);
                at += read;
                if read > 0 {
                    continue;
                }
            }
            if is_special(byte) {
                self.left = AFTER;
                at += self.special(&text[at..], place + at as u64);
            } else if self.units.len() < self.open || byte == b';' {
                self.push(NORMAL[usize::from(byte)], place + at as u64);
                self.left -= 1;
                at += 1;
            } else {
                let run = self.plain(&text[at..], place + at as u64);
                self.left -= run as u8;
                at += run;
            }
        }
        at
    }

    /// Where the spelling of a decoded byte begins.
    pub(super) fn place(&self, unit: usize) -> u64 {
        self.places[unit] & PLACE
    }

    /// Whether a decoded byte is a line feed or carriage return that was escaped.
    pub(super) fn is_line_break(&self, unit: usize) -> bool {
        matches!(self.units[unit], b'n' | b'r') && self.place(unit + 1) - self.place(unit) > 1
    }

    /// The decoded bytes that can be looked at, and the first of them that was not yet; all of them once it is closed.
    pub(super) fn take_settled(&mut self, stride: usize) -> (usize, usize) {
        let pending = self.is_open() && self.units.len() < self.open.max(self.open_entity);
        let open = if pending { UNSETTLED } else { 0 };
        let end = self.units.len().saturating_sub(open);
        let from = self.checked;
        let looks = (end + 1).saturating_sub(from + GRAM).div_ceil(stride);
        self.checked += looks * stride;
        (from, end)
    }

    /// Forgets what was looked at, once there is much of it.
    pub(super) fn trim(&mut self) {
        const KEEP: usize = 64;
        if self.units.len() > READ && self.checked > KEEP {
            let drop = self.checked - KEEP;
            self.units.drain(..drop);
            self.places.drain(..drop);
            self.checked = KEEP;
            self.open = self.open.saturating_sub(drop);
            self.open_entity = self.open_entity.saturating_sub(drop);
            self.at_line_start = false;
        }
    }

    /// Drops the end as far as a character behind it could change it.
    fn cut_unsettled(&mut self) {
        let tail = self.units.len().saturating_sub(MAX_ENTITY + 2);
        if let Some(open) = (tail..self.units.len()).find(|&unit| unit + self.room(unit) >= self.units.len()) {
            self.units.truncate(open);
            self.places.truncate(open);
        }
    }

    fn extend(&mut self, plain: &[u8], place: u64) {
        self.units.extend(plain.iter().map(|byte| NORMAL[usize::from(*byte)]));
        self.places.extend(place..place + plain.len() as u64);
    }

    /// The plain bytes at the front, as many as there are and the view takes.
    fn plain(&mut self, text: &[u8], place: u64) -> usize {
        let text = &text[..text.len().min(usize::from(self.left))];
        self.units.reserve(text.len());
        self.places.reserve(text.len());
        for (run, byte) in text.iter().enumerate() {
            if STOPS[usize::from(*byte)] {
                return run;
            }
            self.units.push(NORMAL[usize::from(*byte)]);
            self.places.push(place + run as u64);
        }
        text.len()
    }

    /// A byte that may begin an escape, with the escape where it is a plain one.
    fn special(&mut self, text: &[u8], place: u64) -> usize {
        if self.units.len() >= self.open {
            match *text {
                [b'\\', letter, ..]
                    if !is_special(letter) && !matches!(letter, b'u' | b'x' | b'U' | b'X' | b'\n' | b';') =>
                {
                    self.units.push(NORMAL[usize::from(letter)]);
                    self.places.push(place);
                    self.left -= 1;
                    return 2;
                }
                [b'%', high, low, ..] => {
                    if let (Some(high), Some(low)) = (hex_digit(high), hex_digit(low)) {
                        self.push_decoded((high << 4 | low) as u8, place, 1);
                        self.left -= 2;
                        return 3;
                    }
                }
                _ => {}
            }
        }
        self.push(text[0], place);
        1
    }

    /// Adds what an escape gave. A backslash counts as many times as the outermost layer must have written it.
    fn push_decoded(&mut self, byte: u8, place: u64, weight: u64) {
        self.push(NORMAL[usize::from(byte)], place);
        if let Some(at) = self.places.last_mut()
            && weight > 1
        {
            *at |= BY_JSON;
            if byte == b'\\' {
                *at = plus_backslashes(*at, weight - 1);
            }
        }
    }

    /// Adds a byte, and undoes the escape it completes.
    fn push(&mut self, unit: u8, place: u64) {
        match (self.units.last_mut(), self.places.last_mut()) {
            // Backslashes melt into what follows them, however many there are; of what may begin an escape it is not yet
            // known what follows.
            (Some(last), Some(at)) if *last == b'\\' && !matches!(unit, b'%' | b'&') => {
                *last = unit;
                if unit == b'\\' {
                    *at = plus_backslashes(*at, 1);
                } else if matches!(unit, b'u' | b'x') {
                    *at |= ESCAPED;
                }
            }
            _ => {
                self.units.push(unit);
                self.places.push(if unit == b'\\' { place + ONE_BACKSLASH } else { place });
            }
        }
        let top = self.units.len() - 1;
        let reduced = match unit {
            b';' => top < self.open_entity && self.reduce(top),
            _ => top < self.open && unit.is_ascii_hexdigit() && self.reduce(top),
        };
        if !reduced {
            match self.room(top) {
                0 => {}
                room if unit == b'&' => self.open_entity = top + 1 + room,
                room => self.open = self.open.max(top + 1 + room),
            }
        }
    }

    /// How many bytes an escape that begins here takes after this one; 0 where none begins.
    #[inline]
    fn room(&self, unit: usize) -> usize {
        match self.units[unit] {
            b'\\' => 1,
            b'%' => 2,
            b'&' => MAX_ENTITY + 1,
            b'u' if self.places[unit] & ESCAPED != 0 => 4,
            b'x' if self.places[unit] & ESCAPED != 0 => 2,
            _ => 0,
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.units.zeroize();
    }
}

fn plus_backslashes(place: u64, more: u64) -> u64 {
    let count = (place & BACKSLASHES) / ONE_BACKSLASH + more;
    (place & !BACKSLASHES) | (count.min(BACKSLASHES / ONE_BACKSLASH) * ONE_BACKSLASH)
}
