//! A scanner over JSON text that says where values begin and end, and holds no value of its own.

use std::ops::Range;

use crate::error::{Error, ErrorCode, Result};

/// How deep a body may nest. No reader of such bodies goes further, and a bound keeps the scanner's stack small.
pub(super) const MAX_DEPTH: usize = 1024;

/// Checks that the whole text is one JSON value, and gives where that value begins.
pub(super) fn check(text: &[u8]) -> Result<usize> {
    if let Err(error) = std::str::from_utf8(text) {
        return Err(not_json(error.valid_up_to(), "not UTF-8"));
    }
    // A byte order mark is no JSON, but a reader may pass over it (RFC 8259, section 8.1); it stays where it is.
    let mut scanner = Scanner::new(text, if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 });
    let value = scanner.value()?;
    scanner.space();
    match scanner.peek() {
        None => Ok(value.start),
        Some(_) => Err(scanner.unexpected("more text after the value")),
    }
}

/// A position in a text.
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8], at: usize) -> Self {
        Self { text, at }
    }

    /// The next key (with its quotes) and value of the object the scanner is in; `None` past its end.
    pub(super) fn next_member(&mut self) -> Result<Option<(Range<usize>, Range<usize>)>> {
        if !self.next_item(b'}')? {
            return Ok(None);
        }
        let name = self.key()?;
        Ok(Some((name, self.value()?)))
    }

    /// The next value of the array the scanner is in; `None` past its end.
    pub(super) fn next_element(&mut self) -> Result<Option<Range<usize>>> {
        match self.next_item(b']')? {
            true => self.value().map(Some),
            false => Ok(None),
        }
    }

    /// Passes the comma before an item, or the end of the container. Only used on text that was checked.
    fn next_item(&mut self, end: u8) -> Result<bool> {
        self.space();
        match self.peek() {
            Some(b',') => self.at += 1,
            Some(byte) if byte == end => {
                self.at += 1;
                return Ok(false);
            }
            Some(_) => {}
            None => return Err(self.unexpected("the end")),
        }
        self.space();
        Ok(true)
    }

    /// Passes one value, with the space before it, and gives where it stands. Does not recurse, so depth costs a byte.
    fn value(&mut self) -> Result<Range<usize>> {
        self.space();
        let start = self.at;
        let mut open: Vec<u8> = Vec::new();
        loop {
            self.space();
            if let Some(end) = self.begin()? {
                if open.len() == MAX_DEPTH {
                    return Err(not_json(self.at, "nested too deep"));
                }
                self.space();
                if self.peek() == Some(end) {
                    self.at += 1;
                } else {
                    open.push(end);
                    if end == b'}' {
                        self.key()?;
                    }
                    continue;
                }
            }
            if !self.close(&mut open)? {
                return Ok(start..self.at);
            }
        }
    }

    /// Passes a scalar, or the opening of a container, whose closing it gives.
    fn begin(&mut self) -> Result<Option<u8>> {
        match self.peek() {
            Some(b'{') => self.at += 1,
            Some(b'[') => {
                self.at += 1;
                return Ok(Some(b']'));
            }
            Some(b'"') => return self.string().map(|_| None),
            Some(b'-' | b'0'..=b'9') => return self.number().map(|()| None),
            Some(b't') => return self.word(b"true").map(|()| None),
            Some(b'f') => return self.word(b"false").map(|()| None),
            Some(b'n') => return self.word(b"null").map(|()| None),
            _ => return Err(self.unexpected("no value")),
        }
        Ok(Some(b'}'))
    }

    /// After a value: passes what closes, then the comma (and key) before the next value. `false` where none follows.
    fn close(&mut self, open: &mut Vec<u8>) -> Result<bool> {
        while let Some(&end) = open.last() {
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    if end == b'}' {
                        self.space();
                        self.key()?;
                    }
                    return Ok(true);
                }
                Some(byte) if byte == end => {
                    self.at += 1;
                    open.pop();
                }
                _ => return Err(self.unexpected("neither a comma nor the end of an object or array")),
            }
        }
        Ok(false)
    }

    /// Passes a key and its colon.
    fn key(&mut self) -> Result<Range<usize>> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("no key"));
        }
        let name = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("no colon after a key"));
        }
        self.at += 1;
        Ok(name)
    }

    fn string(&mut self) -> Result<Range<usize>> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(start..self.at);
                }
                Some(b'\\') => self.escape()?,
                Some(0x20..) => self.at += 1,
                Some(_) => return Err(self.unexpected("a control character in a string")),
                None => return Err(self.unexpected("a string without end")),
            }
        }
    }

    fn escape(&mut self) -> Result<()> {
        let length = match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') if unit(self.text, self.at).is_some() => 6,
            _ => return Err(self.unexpected("an unknown escape")),
        };
        self.at += length;
        Ok(())
    }

    fn number(&mut self) -> Result<()> {
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<()> {
        let count = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(self.unexpected("an unfinished number")) } else { Ok(()) }
    }

    fn word(&mut self, word: &[u8]) -> Result<()> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.unexpected("no value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn unexpected(&self, what: &str) -> Error {
        not_json(self.at, what)
    }
}

/// Says where, and never repeats what stands there.
fn not_json(at: usize, why: &str) -> Error {
    Error::new(ErrorCode::InvalidCall, format!("a body field needs a JSON body: {why} at byte {at}"))
}

/// Whether a JSON string (with its quotes, checked) spells this text. Half a surrogate pair spells no text.
pub(super) fn string_is(literal: &[u8], text: &str) -> bool {
    let inner = &literal[1..literal.len() - 1];
    if !inner.contains(&b'\\') {
        return inner == text.as_bytes();
    }
    unescaped(inner).is_some_and(|spelled| spelled == text.as_bytes())
}

fn unescaped(inner: &[u8]) -> Option<Vec<u8>> {
    let (mut spelled, mut at) = (Vec::with_capacity(inner.len()), 0);
    while let Some(&byte) = inner.get(at) {
        if byte != b'\\' {
            spelled.push(byte);
            at += 1;
            continue;
        }
        let short = match *inner.get(at + 1)? {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let units = [unit(inner, at), unit(inner, at + 6)];
                let character = char::decode_utf16(units.into_iter().map_while(|unit| unit)).next()?.ok()?;
                spelled.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                at += 6 * character.len_utf16();
                continue;
            }
            itself => itself,
        };
        spelled.push(short);
        at += 2;
    }
    Some(spelled)
}

/// The UTF-16 unit of the `\uXXXX` at `at`.
fn unit(text: &[u8], at: usize) -> Option<u16> {
    match text.get(at..at + 6)? {
        [b'\\', b'u', digits @ ..] => digits.iter().try_fold(0_u16, |unit, &digit| {
            let digit = char::from(digit).to_digit(16)?;
            Some(unit << 4 | u16::try_from(digit).ok()?)
        }),
        _ => None,
    }
}
