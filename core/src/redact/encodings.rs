//! The forms in which a value may come back: itself, its lines, base64 at three alignments, hex.
//!
//! Escapes (percent, JSON, HTML) are no forms: they are decoded on the way, see `view` and `escapes`.

use std::ops::Range;

use zeroize::Zeroizing;

use super::Known;

/// Shorter forms are not looked for: they would be found everywhere.
pub(super) const MIN_LEN: usize = 8;

/// How a byte of the text is compared with a byte of the form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Byte for byte, except that a form-encoded space is a plus.
    Text,
    /// The standard alphabet and the URL-safe one are the same.
    Base64,
    /// Upper and lower case are the same.
    Hex,
    /// Byte for byte, nothing decoded: what was put on the wire.
    Exact,
}

impl Kind {
    /// Whether a byte of the text stands for a byte of the form.
    #[inline]
    pub(super) fn same(self, form: u8, text: u8) -> bool {
        if form == text {
            return self != Self::Hex || text.is_ascii_hexdigit();
        }
        match self {
            Self::Exact => false,
            Self::Text => form == b' ' && text == b'+',
            Self::Hex => form.eq_ignore_ascii_case(&text),
            Self::Base64 => matches!((form, text), (b'+', b'-' | b' ') | (b'/', b'_')),
        }
    }
}

/// The bits of a value that a base64 character shares with the character's neighbour; no bits where `mask` is 0.
#[derive(Clone, Copy, Default)]
pub(super) struct Partial {
    mask: u8,
    bits: u8,
}

impl Partial {
    /// Whether a byte is a base64 character that holds these bits.
    pub(super) fn fits(self, byte: u8) -> bool {
        self.mask != 0 && sextet_of(byte).is_some_and(|sextet| sextet & self.mask == self.bits)
    }
}

/// One form of one value.
pub(super) struct Form {
    /// Where its bytes stand in [`Forms::bytes`].
    pub(super) range: Range<usize>,
    pub(super) kind: Kind,
    /// Whether a piece of it at a line's edge is redacted. A value of many lines has each line as a form of its own; its
    /// first line is often a known one.
    pub(super) at_edges: bool,
    /// Which of the known values it is a form of.
    pub(super) owner: usize,
    /// The character before the form, where it holds bits of the value.
    pub(super) left: Partial,
    /// The character after the form, where it holds bits of the value.
    pub(super) right: Partial,
}

/// All forms, their bytes in one buffer that is wiped when dropped.
pub(super) struct Forms {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) list: Vec<Form>,
    /// What was put on the wire and is too short for the tables: found by plain search.
    pub(super) short: Vec<Form>,
}

impl Forms {
    pub(super) fn of(known: &[Known<'_>], wire: &[Known<'_>]) -> Self {
        // The buffer never grows: a reallocation would leave an unwiped copy behind.
        let room = known.iter().map(|known| 16 * known.value.len() + 128).sum::<usize>()
            + wire.iter().map(|wire| wire.value.len()).sum::<usize>();
        let mut forms = Self { bytes: Zeroizing::new(Vec::with_capacity(room)), list: Vec::new(), short: Vec::new() };
        for (owner, known) in known.iter().enumerate() {
            if known.value.len() >= MIN_LEN {
                forms.add_value(owner, known.value);
            }
        }
        for (index, wire) in wire.iter().enumerate() {
            forms.add_wire(known.len() + index, wire.value);
        }
        forms
    }

    /// The bytes of a form.
    pub(super) fn needle(&self, form: &Form) -> &[u8] {
        &self.bytes[form.range.clone()]
    }

    fn add_value(&mut self, owner: usize, value: &[u8]) {
        // A file's last line feed is no part of a secret, and is lost on most ways.
        let value = match value.trim_ascii_end() {
            trimmed if trimmed.len() >= MIN_LEN => trimmed,
            _ => value,
        };
        self.add(owner, Kind::Text, value);
        if value.contains(&b'\n') {
            for line in value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
                if line.len() >= MIN_LEN && !is_delimiter(line) {
                    self.add(owner, Kind::Text, line);
                }
            }
        }
        for shift in 0..3 {
            self.add_base64(owner, value, shift);
        }
        self.add_hex(owner, value);
    }

    /// An exact string; one with line feeds is looked for by line, as no match crosses a line feed.
    fn add_wire(&mut self, owner: usize, value: &[u8]) {
        let lines = value.split(|byte| *byte == b'\n');
        for line in lines.map(|line| if value.contains(&b'\n') { line.trim_ascii() } else { line }) {
            match line.len() {
                0 => {}
                1..MIN_LEN if line.len() < value.len() => {}
                1..MIN_LEN => {
                    let form = self.push(owner, Kind::Exact, line);
                    self.short.push(form);
                }
                _ => self.add(owner, Kind::Exact, line),
            }
        }
    }

    fn add(&mut self, owner: usize, kind: Kind, bytes: &[u8]) {
        let form = self.push(owner, kind, bytes);
        self.list.push(form);
    }

    fn push(&mut self, owner: usize, kind: Kind, bytes: &[u8]) -> Form {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let (left, right) = (Partial::default(), Partial::default());
        let at_edges = kind == Kind::Text && !bytes.contains(&b'\n');
        Form { range: start..self.bytes.len(), kind, at_edges, owner, left, right }
    }

    /// The base64 characters that depend on nothing but the value where it starts `shift` bytes after a multiple of
    /// three (RFC 4648, section 4).
    fn add_base64(&mut self, owner: usize, value: &[u8], shift: usize) {
        let (first_bit, last_bit) = (8 * shift, 8 * (shift + value.len()));
        let (first, last) = (first_bit.div_ceil(6), last_bit / 6);
        let start = self.bytes.len();
        for index in first..last {
            self.bytes.push(ALPHABET[usize::from(sextet(value, shift, index))]);
        }
        let mut left = Partial::default();
        if first_bit % 6 != 0 {
            let mask = 0x3f >> (first_bit % 6);
            left = Partial { mask, bits: sextet(value, shift, first - 1) & mask };
        }
        let mut right = Partial::default();
        if last_bit % 6 != 0 {
            let mask = 0x3f & !(0x3f >> (last_bit % 6));
            right = Partial { mask, bits: sextet(value, shift, last) & mask };
        }
        self.list.push(Form { range: start..self.bytes.len(), kind: Kind::Base64, at_edges: true, owner, left, right });
    }

    fn add_hex(&mut self, owner: usize, value: &[u8]) {
        let start = self.bytes.len();
        for byte in value {
            self.bytes.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        let (left, right) = (Partial::default(), Partial::default());
        self.list.push(Form { range: start..self.bytes.len(), kind: Kind::Hex, at_edges: true, owner, left, right });
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const HEX: &[u8; 16] = b"0123456789abcdef";

/// The six bits at a base64 character's place in the value set `shift` bytes in; bits outside the value are 0.
fn sextet(value: &[u8], shift: usize, index: usize) -> u8 {
    let bit = 6 * index;
    let byte = |at: usize| at.checked_sub(shift).and_then(|at| value.get(at)).copied().unwrap_or(0);
    let pair = u16::from_be_bytes([byte(bit / 8), byte(bit / 8 + 1)]);
    (pair >> (10 - bit % 8)) as u8 & 0x3f
}

fn sextet_of(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// `-----BEGIN PRIVATE KEY-----` is in every PEM file and no secret (RFC 7468).
fn is_delimiter(line: &[u8]) -> bool {
    (line.starts_with(b"-----BEGIN ") || line.starts_with(b"-----END ")) && line.ends_with(b"-----")
}
