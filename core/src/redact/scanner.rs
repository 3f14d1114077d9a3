//! What is looked for, and the search for places where it may stand.

use memchr::{memchr3, memmem, memrchr2};

use super::encodings::{Form, Forms, Kind};
use super::table::{GRAM, MAX_STRIDE, Table, gram};
use super::view::{BEFORE, READ, View};
use super::walk::Needle;
use super::{Found, Known};
use crate::secret_ref::SecretName;

/// How many bytes of the past a search looks back on.
const TAIL: usize = BEFORE + 1;

/// The widest distance between two looks at a view.
const MAX_VIEW_STRIDE: usize = 4;

/// Every form of every value, ready to be searched for: built once per set of values, shared by all bodies.
pub(crate) struct Scanner {
    forms: Forms,
    /// The stretches of the forms' buffer whose grams are in the table, in the order they stand there.
    pieces: Vec<Piece>,
    table: Table,
    stride: usize,
    view_stride: usize,
    /// Forms of which a view may hold too little to find them: tried at every place near an escape.
    faint: Vec<usize>,
    labels: Vec<Option<SecretName>>,
}

/// A form, or the view of one.
struct Piece {
    start: usize,
    end: usize,
    form: usize,
    /// For the view of a form, the place in the form of each of its bytes.
    places: Option<Box<[u32]>>,
}

impl Piece {
    fn place(&self, offset: usize) -> usize {
        self.places.as_ref().map_or(offset, |places| places[offset] as usize)
    }
}

/// A form may stand here: at one of the places from `first` to `last`, from its byte `from` on.
#[derive(Clone, Copy)]
pub(super) struct Hit {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) form: usize,
    pub(super) from: usize,
}

impl Scanner {
    /// Prepares the search. Every form of each value of at least 8 bytes in `known` is looked for; `wire` are exact
    /// strings that were sent, of any length.
    pub(crate) fn build(known: &[Known<'_>], wire: &[Known<'_>]) -> Self {
        let mut forms = Forms::of(known, wire);
        let mut pieces: Vec<Piece> = (forms.list.iter().enumerate())
            .map(|(form, of)| Piece { start: of.range.start, end: of.range.end, form, places: None })
            .collect();
        let shortest = pieces.iter().map(|piece| piece.end - piece.start).min().unwrap_or(GRAM);
        let mut view_shortest = shortest;
        let mut faint = Vec::new();
        for index in 0..forms.list.len() {
            match forms.list[index].kind {
                Kind::Text => add_view(&mut forms, index, &mut pieces, &mut view_shortest, &mut faint),
                Kind::Base64 => add_url_safe(&mut forms, index, &mut pieces),
                Kind::Hex | Kind::Exact => {}
            }
        }
        let bounds: Vec<_> = pieces.iter().map(|piece| (piece.start, piece.end)).collect();
        let table = Table::build(&forms.bytes, &bounds);
        let labels = known.iter().chain(wire).map(|known| known.label.clone()).collect();
        let (stride, view_stride) =
            ((shortest + 1 - GRAM).min(MAX_STRIDE), (view_shortest + 1 - GRAM).min(MAX_VIEW_STRIDE));
        Self { forms, pieces, table, stride, view_stride, faint, labels }
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.forms.list.is_empty() && self.forms.short.is_empty()
    }

    /// Redacts a whole text; `None` where nothing was found.
    pub(crate) fn redact_text(&self, text: &[u8], found: &mut Found) -> Option<Vec<u8>> {
        if self.is_clean(text) {
            return None;
        }
        super::stream::redact_whole(self, text, found)
    }

    /// Whether a whole text surely holds nothing.
    fn is_clean(&self, text: &[u8]) -> bool {
        let (mut search, mut hits) = (Search::default(), Vec::new());
        for block in text.chunks(super::stream::BLOCK) {
            search.feed(self, block, &mut hits);
            if !hits.is_empty() {
                return false;
            }
        }
        search.finish(self, &mut hits);
        hits.is_empty()
    }

    /// A form with its bytes; the short ones are numbered behind the others.
    pub(super) fn needle(&self, form: usize) -> Needle<'_> {
        let form = match form.checked_sub(self.forms.list.len()) {
            None => &self.forms.list[form],
            Some(short) => &self.forms.short[short],
        };
        Needle { form, bytes: self.forms.needle(form) }
    }

    pub(super) fn label(&self, form: &Form) -> Option<&SecretName> {
        self.labels[form.owner].as_ref()
    }

    /// The pieces that hold a gram, with its offset in each.
    fn pieces_with(&self, gram: u64) -> impl Iterator<Item = (&Piece, usize)> {
        self.table.places(&self.forms.bytes, gram).map(|place| {
            let piece = &self.pieces[self.pieces.partition_point(|piece| piece.end <= place)];
            (piece, place - piece.start)
        })
    }
}

/// Adds the view of a form where it differs from the form.
fn add_view(forms: &mut Forms, index: usize, pieces: &mut Vec<Piece>, shortest: &mut usize, faint: &mut Vec<usize>) {
    let form = &forms.list[index];
    let (view, places) = View::of(forms.needle(form));
    if view.len() < GRAM {
        faint.push(index);
        return;
    }
    *shortest = view.len().min(*shortest);
    if view.eq_ignore_ascii_case(forms.needle(form)) {
        return;
    }
    let start = forms.bytes.len();
    forms.bytes.extend_from_slice(&view);
    pieces.push(Piece { start, end: forms.bytes.len(), form: index, places: Some(places.into()) });
}

/// Adds the URL-safe spelling of a base64 form where it differs from the form.
fn add_url_safe(forms: &mut Forms, index: usize, pieces: &mut Vec<Piece>) {
    let range = forms.list[index].range.clone();
    if forms.bytes[range.clone()].iter().any(|byte| matches!(byte, b'+' | b'/')) {
        let start = forms.bytes.len();
        forms.bytes.extend_from_within(range);
        for byte in &mut forms.bytes[start..] {
            *byte = match *byte {
                b'+' => b'-',
                b'/' => b'_',
                other => other,
            };
        }
        pieces.push(Piece { start, end: forms.bytes.len(), form: index, places: None });
    }
}

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
                self.try_faint(scanner, place, read, hits);
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
            self.try_faint(scanner, place, before.len(), hits);
        }
    }

    fn try_faint(&self, scanner: &Scanner, place: u64, len: usize, hits: &mut Vec<Hit>) {
        for &form in scanner.faint.iter().filter(|_| len > 0) {
            hits.push(Hit { first: place, last: place + len as u64 - 1, form, from: 0 });
        }
    }

    fn look_at_view(&mut self, scanner: &Scanner, hits: &mut Vec<Hit>) {
        if scanner.pieces.is_empty() {
            return;
        }
        let (from, end) = self.view.take_settled(scanner.view_stride);
        let view = &self.view;
        scanner.table.scan(&view.units[..end], from, scanner.view_stride, &mut |at, gram| {
            view_hits(scanner, gram, view, at, hits);
        });
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
    for (piece, offset) in scanner.pieces_with(gram) {
        let begin = place.checked_sub(offset as u64).map(|begin| (begin, begin));
        add_hits(scanner, piece, offset, begin, line.map(|back| (back, place - back as u64)), hits);
    }
}

/// The same for a gram found in a view, where a form's beginning is not known to the byte.
fn view_hits(scanner: &Scanner, gram: u64, view: &View, at: usize, hits: &mut Vec<Hit>) {
    let starts_line = |back: usize| match at.checked_sub(back + 1) {
        Some(before) => view.is_line_break(before),
        None => view.at_line_start && at == back,
    };
    let line = (0..MAX_STRIDE).find(|back| starts_line(*back)).map(|back| (back, view.place(at - back)));
    for (piece, offset) in scanner.pieces_with(gram) {
        // An escape cut off before the form may have swallowed two of its characters.
        let first = view.place(at.saturating_sub(offset + 2));
        add_hits(scanner, piece, offset, Some((first, view.place(at))), line, hits);
    }
}

fn add_hits(
    scanner: &Scanner,
    piece: &Piece,
    offset: usize,
    begin: Option<(u64, u64)>,
    line: Option<(usize, u64)>,
    hits: &mut Vec<Hit>,
) {
    if let Some((first, last)) = begin.filter(|_| offset < MAX_STRIDE) {
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
