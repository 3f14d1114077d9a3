//! The search through one stream for places where a form may stand.

use memchr::{memchr3, memmem, memrchr2};

use super::scanner::{Hit, Piece, Scanner};
use super::table::{GRAM, LEVELS, MAX_STRIDE, gram};
use super::view::{BEFORE, READ, View, may_begin_with};

/// How many bytes of the past a search looks back on.
const TAIL: usize = BEFORE + 1;

/// A search as far as it has come in one stream.
#[derive(Default)]
pub(super) struct Search {
    /// How much of the stream was read.
    place: u64,
    /// The last bytes read.
    tail: [u8; TAIL],
    tail_len: usize,
    view: View,
}

impl Search {
    /// Reads on. The hits found depend on the stream alone, not on how it is cut.
    pub(super) fn feed(&mut self, scanner: &Scanner, chunk: &[u8], hits: &mut Vec<Hit>) {
        if chunk.is_empty() {
            return;
        }
        if !scanner.is_empty() {
            let (border, border_len) = self.border(chunk);
            let border = &border[..border_len];
            self.feed_plain(scanner, border, chunk, hits);
            self.feed_short(scanner, border, chunk, hits);
            self.feed_view(scanner, border, chunk, hits);
        }
        self.pass(chunk);
    }

    /// Goes over a part of a line in which nothing has to be found.
    pub(super) fn skip(&mut self, chunk: &[u8]) {
        self.view.clear();
        self.pass(chunk);
    }

    fn pass(&mut self, chunk: &[u8]) {
        let kept = chunk.len().min(TAIL);
        let old = self.tail_len.min(TAIL - kept);
        self.tail.copy_within(self.tail_len - old..self.tail_len, 0);
        self.tail[old..old + kept].copy_from_slice(&chunk[chunk.len() - kept..]);
        self.tail_len = old + kept;
        self.place += chunk.len() as u64;
    }

    /// Ends the stream.
    pub(super) fn finish(&mut self, scanner: &Scanner, hits: &mut Vec<Hit>) {
        self.view.close();
        self.look_at_view(scanner, hits);
        self.view.clear();
    }

    /// The end of the past and the beginning of a chunk, in one piece.
    fn border(&self, chunk: &[u8]) -> ([u8; 3 * TAIL], usize) {
        let mut border = [0; 3 * TAIL];
        let ahead = chunk.len().min(2 * TAIL);
        border[..self.tail_len].copy_from_slice(&self.tail[..self.tail_len]);
        border[self.tail_len..self.tail_len + ahead].copy_from_slice(&chunk[..ahead]);
        (border, self.tail_len + ahead)
    }

    fn feed_plain(&self, scanner: &Scanner, border: &[u8], chunk: &[u8], hits: &mut Vec<Hit>) {
        if scanner.pieces.is_empty() {
            return;
        }
        let (stride, behind) = (scanner.stride, self.place - self.tail_len as u64);
        let first_from = |place: u64| (stride as u64 - 1 - (place + stride as u64 - 1) % stride as u64) as usize;
        // Grams that begin in the past and end in the chunk.
        let crossing = self.tail_len.saturating_sub(GRAM - 1);
        let first = crossing + first_from(behind + crossing as u64);
        for at in (first..self.tail_len.min((border.len() + 1).saturating_sub(GRAM))).step_by(stride) {
            let gram = gram(border, at);
            if scanner.table.may_hold(gram) {
                plain_hits(scanner, gram, border, at, behind, hits);
            }
        }
        scanner.table.scan(chunk, first_from(self.place), stride, &mut |at, gram| {
            if at < GRAM {
                plain_hits(scanner, gram, border, self.tail_len + at, behind, hits);
            } else {
                plain_hits(scanner, gram, chunk, at, self.place, hits);
            }
        });
    }

    /// The strings too short for the table.
    fn feed_short(&self, scanner: &Scanner, border: &[u8], chunk: &[u8], hits: &mut Vec<Hit>) {
        for (index, form) in scanner.forms.short.iter().enumerate() {
            let (needle, form) = (scanner.forms.needle(form), scanner.forms.list.len() + index);
            let mut add = |place: u64| hits.push(Hit { first: place, last: place, form, from: 0 });
            let reach = needle.len() - 1;
            let past = self.tail_len.min(reach);
            let crossing = &border[self.tail_len - past..(self.tail_len + reach).min(border.len())];
            find_all(crossing, needle, &mut |at| add(self.place - past as u64 + at as u64));
            find_all(chunk, needle, &mut |at| add(self.place + at as u64));
        }
    }

    /// The text around escapes.
    fn feed_view(&mut self, scanner: &Scanner, border: &[u8], chunk: &[u8], hits: &mut Vec<Hit>) {
        let mut at = 0;
        loop {
            if self.view.is_open() {
                let place = self.place + at as u64;
                let read = self.view.read(&chunk[at..chunk.len().min(at + READ)], place);
                try_faint(scanner, &chunk[at..], read, place, hits);
                at += read;
                self.look_at_view(scanner, hits);
                if self.view.is_open() {
                    self.view.trim();
                    if at == chunk.len() {
                        return;
                    }
                    continue;
                }
                self.view.clear();
            }
            let Some(skip) = memchr3(b'%', b'\\', b'&', &chunk[at..]) else { return };
            at += skip;
            let (context, end) = if at < TAIL { (border, self.tail_len + at) } else { (chunk, at) };
            let context = &context[end.saturating_sub(TAIL)..end];
            let line = memrchr2(b'\n', b'\r', context).map(|line| &context[line + 1..]);
            let before = line.unwrap_or(&context[context.len().saturating_sub(BEFORE)..]);
            let place = self.place + at as u64 - before.len() as u64;
            self.view.open(before, place, line.is_some() || place == 0);
            try_faint(scanner, before, before.len(), place, hits);
        }
    }

    fn look_at_view(&mut self, scanner: &Scanner, hits: &mut Vec<Hit>) {
        if scanner.pieces.is_empty() {
            return;
        }
        let (from, end) = self.view.take_settled(scanner.view_stride);
        let view = &self.view;
        scanner.table.scan(&view.units[..end], from, scanner.view_stride, &mut |at, gram| {
            view_hits(scanner, gram, view, at, end, hits);
        });
    }
}

/// The forms a view tells nothing of, at every place of a stretch that may begin with their first character.
fn try_faint(scanner: &Scanner, text: &[u8], len: usize, place: u64, hits: &mut Vec<Hit>) {
    for &form in &scanner.faint {
        let needle = scanner.needle(form);
        for at in
            (0..len).filter(|at| may_begin_with(&text[*at..], |byte| needle.form.kind.same(needle.bytes[0], byte)))
        {
            let place = place + at as u64;
            hits.push(Hit { first: place, last: place, form, from: 0 });
        }
    }
}

/// The forms that hold a gram found in plain text, where they would begin or where their line does.
fn plain_hits(scanner: &Scanner, gram: u64, text: &[u8], at: usize, behind: u64, hits: &mut Vec<Hit>) {
    let place = behind + at as u64;
    let starts_line = |back: usize| match at.checked_sub(back + 1) {
        Some(before) => matches!(text[before], b'\n' | b'\r'),
        None => behind == 0 && at == back,
    };
    let line = (0..MAX_STRIDE).find(|back| starts_line(*back));
    let next = |level: usize| tame(text, at + level * GRAM, level);
    scanner.pieces_with(gram, next, |piece, offset| {
        let reach = piece.plain_reach(scanner.stride);
        let begin = place.checked_sub(offset as u64).filter(|_| offset < reach).map(|begin| (begin, begin));
        add_hits(scanner, piece, offset, begin, line.map(|back| (back, place - back as u64)), hits);
    });
}

/// The same for a gram found in a view, where a form's beginning is not known to the byte.
fn view_hits(scanner: &Scanner, gram: u64, view: &View, at: usize, end: usize, hits: &mut Vec<Hit>) {
    let starts_line = |back: usize| match at.checked_sub(back + 1) {
        Some(before) => view.is_line_break(before),
        None => view.at_line_start && at == back,
    };
    let line = (0..MAX_STRIDE).find(|back| starts_line(*back)).map(|back| (back, view.place(at - back)));
    let next = |level: usize| {
        let from = at + level * GRAM;
        // A form may end at a line break, and of an `r` a view does not tell whether it is one.
        let may_break = |unit: usize| unit + 1 >= end || view.units[unit] == b'r' || view.is_line_break(unit);
        let breaks = |from: usize| (from..from + GRAM).any(may_break);
        tame(&view.units[..end], from, level).filter(|_| !breaks(from))
    };
    scanner.pieces_with(gram, next, |piece, offset| {
        // An escape cut off before the form may have swallowed some of its characters.
        let first = view.place(at.saturating_sub(offset + 2));
        // The form may begin inside what spells the character: behind a backslash that belongs to the text before it.
        let last = view.place(at).max(view.place(at + 1).saturating_sub(1));
        let begin = Some((first, last)).filter(|_| offset < piece.view_reach(scanner.view_stride));
        add_hits(scanner, piece, offset, begin, line, hits);
    });
}

/// Eight bytes of a text where a form that stands here must have the same ones, but for their case.
fn tame(text: &[u8], from: usize, level: usize) -> Option<u64> {
    let next = text.get(from..from + GRAM).filter(|_| level < LEVELS)?;
    let same = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'+' | b'%' | b'\\' | b'&');
    next.iter().all(same).then(|| gram(text, from))
}

fn add_hits(
    scanner: &Scanner,
    piece: &Piece,
    offset: usize,
    begin: Option<(u64, u64)>,
    line: Option<(usize, u64)>,
    hits: &mut Vec<Hit>,
) {
    if let Some((first, last)) = begin {
        hits.push(Hit { first, last, form: piece.form, from: 0 });
    }
    if let Some((back, place)) = line
        && offset > back
        && scanner.forms.list[piece.form].at_edges
    {
        hits.push(Hit { first: place, last: place, form: piece.form, from: piece.place(offset - back) });
    }
}

/// Every place of a needle, overlapping ones too.
fn find_all(text: &[u8], needle: &[u8], found: &mut impl FnMut(usize)) {
    let mut at = 0;
    while let Some(skip) = memmem::find(&text[at..], needle) {
        found(at + skip);
        at += skip + 1;
    }
}
