//! Reads one character of a text under layers of escapes: percent (RFC 3986), JSON (RFC 8259), HTML.
//!
//! A layer is what one decoder undoes. Which decoders a text is meant for is not known, so a character is read under
//! every order of them.

use Layer::{Html, Json, Percent};

/// What a decoder undoes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Percent,
    Json,
    Html,
}

/// The layers under the outermost: an escape of an escape of an escape is read.
const UNDER: [&[Layer]; 13] = [
    &[],
    &[Percent],
    &[Json],
    &[Html],
    &[Percent, Percent],
    &[Percent, Json],
    &[Percent, Html],
    &[Json, Percent],
    &[Json, Json],
    &[Json, Html],
    &[Html, Percent],
    &[Html, Json],
    &[Html, Html],
];

/// The longest spelling of one character that is still read, in bytes of the text.
const MAX_SPELLING: usize = 1024;

/// The longest entity name or number, with its `;`.
pub(super) const MAX_ENTITY: usize = 12;

/// Whether a byte can begin an escape.
#[inline]
pub(super) fn is_special(byte: u8) -> bool {
    matches!(byte, b'%' | b'\\' | b'&')
}

/// One character as read: its bytes and where the next one begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    bytes: [u8; 4],
    len: u8,
    pub(super) next: usize,
}

impl Unit {
    pub(super) fn byte(byte: u8, next: usize) -> Self {
        Self { bytes: [byte, 0, 0, 0], len: 1, next }
    }

    pub(super) fn char(char: char, next: usize) -> Self {
        let mut bytes = [0; 4];
        let len = char.encode_utf8(&mut bytes).len() as u8;
        Self { bytes, len, next }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The byte where there is one only, else 0, which begins and continues no escape.
    fn ascii(self) -> u8 {
        if self.len == 1 { self.bytes[0] } else { 0 }
    }
}

/// Reads units out of a text that may end in the middle of one.
pub(super) struct Reader<'t> {
    text: &'t [u8],
    /// Set where a reading would have gone on had there been more text.
    pub(super) ran_off: bool,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { text, ran_off: false }
    }

    /// Gives the character at a place in every reading, each once or a few times.
    pub(super) fn readings(&mut self, at: usize, mut give: impl FnMut(Unit)) {
        let Some(&byte) = self.text.get(at) else {
            self.ran_off = true;
            return;
        };
        let plain = Unit::byte(byte, at + 1);
        give(plain);
        if !is_special(byte) {
            return;
        }
        for under in UNDER {
            let Some(head) = self.unit(under, at) else { continue };
            if head != plain {
                give(head);
            }
            let layer = match head.ascii() {
                b'%' => Percent,
                b'\\' => Json,
                b'&' => Html,
                _ => continue,
            };
            if let Some(unit) = self.escape(layer, under, at, head) {
                give(unit);
            }
        }
    }

    /// The character at a place, seen through some layers; `None` at the end of the text.
    fn unit(&mut self, layers: &[Layer], at: usize) -> Option<Unit> {
        let Some(&byte) = self.text.get(at) else {
            self.ran_off = true;
            return None;
        };
        let Some((&layer, under)) = layers.split_last().filter(|_| is_special(byte)) else {
            return Some(Unit::byte(byte, at + 1));
        };
        let head = self.unit(under, at)?;
        Some(self.escape(layer, under, at, head).unwrap_or(head))
    }

    /// The character an escape of one layer stands for, if one begins here.
    fn escape(&mut self, layer: Layer, under: &[Layer], at: usize, head: Unit) -> Option<Unit> {
        let unit = match (layer, head.ascii()) {
            (Percent, b'%') => self.percent(under, head.next),
            (Json, b'\\') => self.backslash(under, head.next),
            (Html, b'&') => self.entity(under, head.next),
            _ => None,
        };
        unit.filter(|unit| unit.next - at <= MAX_SPELLING)
    }

    fn percent(&mut self, under: &[Layer], at: usize) -> Option<Unit> {
        let (value, next) = self.hex(under, at, 2)?;
        Some(Unit::byte(value as u8, next))
    }

    fn backslash(&mut self, under: &[Layer], at: usize) -> Option<Unit> {
        let letter = self.unit(under, at)?;
        let byte = match letter.ascii() {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            plain @ (b'"' | b'\\' | b'/' | b'\'') => plain,
            b'u' => return self.utf16(under, letter.next),
            b'x' => {
                let (value, next) = self.hex(under, letter.next, 2)?;
                return char::from_u32(value).map(|char| Unit::char(char, next));
            }
            _ => return None,
        };
        Some(Unit::byte(byte, letter.next))
    }

    /// Four hex digits, and the low half of a surrogate pair where they are a high one.
    fn utf16(&mut self, under: &[Layer], at: usize) -> Option<Unit> {
        let (high, next) = self.hex(under, at, 4)?;
        if let Some(char) = char::from_u32(high) {
            return Some(Unit::char(char, next));
        }
        let backslash = self.unit(under, next).filter(|unit| unit.ascii() == b'\\')?;
        let letter = self.unit(under, backslash.next).filter(|unit| unit.ascii() == b'u')?;
        let (low, next) = self.hex(under, letter.next, 4)?;
        surrogate_pair(high, low).map(|char| Unit::char(char, next))
    }

    fn entity(&mut self, under: &[Layer], mut at: usize) -> Option<Unit> {
        let mut name = [0; MAX_ENTITY];
        for len in 0..MAX_ENTITY {
            let unit = self.unit(under, at)?;
            at = unit.next;
            match unit.ascii() {
                b';' => return entity(&name[..len]).map(|char| Unit::char(char, at)),
                byte @ (b'#' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') => name[len] = byte,
                _ => return None,
            }
        }
        None
    }

    fn hex(&mut self, under: &[Layer], mut at: usize, digits: usize) -> Option<(u32, usize)> {
        let mut value = 0;
        for _ in 0..digits {
            let unit = self.unit(under, at)?;
            value = value << 4 | hex_digit(unit.ascii())?;
            at = unit.next;
        }
        Some((value, at))
    }
}

/// The value of a hex digit.
#[inline]
pub(super) fn hex_digit(byte: u8) -> Option<u32> {
    Some(u32::from(HEX[usize::from(byte)])).filter(|value| *value < 16)
}

/// The value of two hex digits. Told by one comparison: which digits are letters is beyond any processor's guess.
#[inline]
pub(super) fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let (high, low) = (HEX[usize::from(high)], HEX[usize::from(low)]);
    (high | low < 16).then_some(high << 4 | low)
}

/// The values of the hex digits; 255 for any other byte.
static HEX: [u8; 256] = {
    let mut table = [255; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// The character two halves of a surrogate pair make.
pub(super) fn surrogate_pair(high: u32, low: u32) -> Option<char> {
    let halves = (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low);
    halves.then(|| 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)).and_then(char::from_u32)
}

/// The character of what stands between `&` and `;`. Letters of either case: a view has lost the case.
pub(super) fn entity(name: &[u8]) -> Option<char> {
    if let Some(number) = name.strip_prefix(b"#") {
        let (digits, radix) = match number {
            [b'x' | b'X', digits @ ..] => (digits, 16),
            digits => (digits, 10),
        };
        let digits = str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte != b'#'))?;
        return u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    }
    ENTITIES.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name)).map(|(_, char)| *char)
}

/// The names of the ASCII characters (HTML, section 13.5), and those encoders write.
const ENTITIES: &[(&str, char)] = &[
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
    ("sol", '/'),
    ("bsol", '\\'),
    ("plus", '+'),
    ("equals", '='),
    ("percnt", '%'),
    ("num", '#'),
    ("dollar", '$'),
    ("excl", '!'),
    ("quest", '?'),
    ("commat", '@'),
    ("colon", ':'),
    ("semi", ';'),
    ("comma", ','),
    ("period", '.'),
    ("lowbar", '_'),
    ("grave", '`'),
    ("ast", '*'),
    ("hat", '^'),
    ("lpar", '('),
    ("rpar", ')'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("lcub", '{'),
    ("lbrace", '{'),
    ("rcub", '}'),
    ("rbrace", '}'),
    ("verbar", '|'),
    ("vert", '|'),
    ("tab", '\t'),
    ("newline", '\n'),
];
