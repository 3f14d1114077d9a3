//! A text of JSON, still as it is written.

use std::fmt;

/// A text as it is written, between its quotes. Its escapes were looked at and hold.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    /// What stands between quotes; nothing where an escape in it is none.
    pub(crate) fn written(text: &'a str) -> Option<Self> {
        Unescaped(text).all(|c| c.is_ok()).then_some(Self(text))
    }

    pub(crate) fn chars(self) -> impl Iterator<Item = char> + 'a {
        Unescaped(self.0).filter_map(Result::ok)
    }

    pub(crate) fn is(self, word: &str) -> bool {
        self.chars().eq(word.chars())
    }

    pub(crate) fn starts_with(self, word: &str) -> bool {
        let mut chars = self.chars();
        word.chars().all(|wanted| chars.next() == Some(wanted))
    }

    /// The text itself, in a buffer that never grows and so leaves no copy.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len());
        for c in self.chars() {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        bytes
    }

    /// The text of a name: on one line, and without what commands a terminal.
    pub(crate) fn label(self) -> String {
        self.chars().map(|c| if c.is_control() || turns(c) { '\u{fffd}' } else { c }).collect()
    }
}

/// Whether a character changes the direction in which others are read.
fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text")
    }
}

/// The characters that a written text stands for.
struct Unescaped<'a>(&'a str);

impl Iterator for Unescaped<'_> {
    type Item = Result<char, ()>;

    fn next(&mut self) -> Option<Self::Item> {
        let c = self.take()?;
        if c != '\\' {
            return Some(Ok(c));
        }
        let escaped = match self.take() {
            Some(c @ ('"' | '\\' | '/')) => Some(c),
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{c}'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('u') => self.unit().and_then(|unit| self.character(unit)),
            _ => None,
        };
        Some(escaped.ok_or(()))
    }
}

impl Unescaped<'_> {
    fn take(&mut self) -> Option<char> {
        let mut chars = self.0.chars();
        let c = chars.next();
        self.0 = chars.as_str();
        c
    }

    /// Four digits to the base of 16.
    fn unit(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |unit, _| Some(unit << 4 | self.take()?.to_digit(16)?))
    }

    /// The character of a unit, or of a pair of which it is the first.
    fn character(&mut self, unit: u32) -> Option<char> {
        if !(0xd800..0xdc00).contains(&unit) {
            return char::from_u32(unit);
        }
        let low = (self.take() == Some('\\') && self.take() == Some('u')).then(|| self.unit()).flatten()?;
        (0xdc00..0xe000)
            .contains(&low)
            .then(|| 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
            .and_then(char::from_u32)
    }
}
