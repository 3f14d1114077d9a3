//! What is looked for.

use super::encodings::{Form, Forms, Kind};
use super::escapes::MAX_ENTITY;
use super::search::Search;
use super::table::{GRAM, MAX_STRIDE, Table};
use super::view::View;
use super::walk::Needle;
use super::{Found, Known};
use crate::secret_ref::SecretName;

/// The widest distance between two looks at a view.
const MAX_VIEW_STRIDE: usize = 4;

/// Every form of every value, ready to be searched for: built once per set of values, shared by all bodies.
pub(crate) struct Scanner {
    pub(super) forms: Forms,
    /// The stretches of the forms' buffer whose grams are in the table, in the order they stand there.
    pub(super) pieces: Vec<Piece>,
    pub(super) table: Table,
    pub(super) stride: usize,
    pub(super) view_stride: usize,
    /// Forms of which a view may hold too little to find them: tried at every place near an escape.
    pub(super) faint: Vec<usize>,
    labels: Vec<Option<SecretName>>,
}

/// A form, or the view of one.
pub(super) struct Piece {
    start: usize,
    end: usize,
    pub(super) form: usize,
    /// How many characters at its front may be missing from the view of a text.
    swallowed: usize,
    /// For the view of a form, the place in the form of each of its bytes.
    places: Option<Box<[u32]>>,
}

impl Piece {
    /// How far from its beginning a gram of plain text still tells where the form begins: the first look is nearer.
    pub(super) fn plain_reach(&self, stride: usize) -> usize {
        if self.places.is_some() { self.view_reach(stride) } else { stride }
    }

    /// The same for a gram of a view.
    pub(super) fn view_reach(&self, stride: usize) -> usize {
        stride + self.swallowed
    }

    pub(super) fn place(&self, offset: usize) -> usize {
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
            .map(|(form, of)| {
                let swallowed = swallowed(forms.needle(of));
                Piece { start: of.range.start, end: of.range.end, form, swallowed, places: None }
            })
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
        let bounds: Vec<_> = pieces.iter().map(|piece| (piece.start, piece.end, piece.places.is_none())).collect();
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
    pub(super) fn is_clean(&self, text: &[u8]) -> bool {
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

    /// Gives the pieces that hold a gram, with its offset in each, but none that differs in what comes `next`.
    pub(super) fn pieces_with(
        &self,
        gram: u64,
        next: impl Fn(usize) -> Option<u64>,
        mut found: impl FnMut(&Piece, usize),
    ) {
        self.table.places(&self.forms.bytes, gram, next, |place| {
            let piece = &self.pieces[self.pieces.partition_point(|piece| piece.end <= place)];
            found(piece, place - piece.start);
        });
    }
}

/// Adds the view of a form where it differs from the form.
fn add_view(forms: &mut Forms, index: usize, pieces: &mut Vec<Piece>, shortest: &mut usize, faint: &mut Vec<usize>) {
    let form = &forms.list[index];
    let (view, places) = View::of(forms.needle(form));
    let swallowed = swallowed(&view);
    let sure = view.len() - swallowed;
    if sure < GRAM {
        faint.push(index);
    } else {
        *shortest = sure.min(*shortest);
    }
    if view.len() < GRAM {
        return;
    }
    if view.eq_ignore_ascii_case(forms.needle(form)) {
        return;
    }
    let start = forms.bytes.len();
    forms.bytes.extend_from_slice(&view);
    pieces.push(Piece { start, end: forms.bytes.len(), form: index, swallowed, places: Some(places.into()) });
}

/// How many characters at a form's front an escape left open before it may take for its own.
fn swallowed(form: &[u8]) -> usize {
    let letter = usize::from(form.first().is_some_and(|byte| matches!(byte, b'u' | b'x' | b'U' | b'X')));
    let digits = letter + form.iter().skip(letter).take(4).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let entity = form.iter().take(MAX_ENTITY).position(|byte| *byte == b';').map_or(0, |end| end + 1);
    digits.max(entity)
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
        pieces.push(Piece { start, end: forms.bytes.len(), form: index, swallowed: 0, places: None });
    }
}
