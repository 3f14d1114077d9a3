//! Undoes escapes at the end of a view.

use super::super::escapes::{MAX_ENTITY, entity, hex_digit, surrogate_pair};
use super::{BACKSLASHES, BY_JSON, ESCAPED, ONE_BACKSLASH, View, plus_backslashes};

/// What an escape stands for.
enum Decoded {
    Byte(u8),
    Char(char),
    Half(u32),
}

impl View {
    /// Undoes the escape that ends with the last byte, if there is one.
    pub(super) fn reduce(&mut self, top: usize) -> bool {
        let Some((begin, decoded)) = self.escape_ending(top) else { return false };
        let place = self.place(begin);
        // Each layer halves the backslashes in front; the layer that finds an odd number takes one for the escape.
        let backslashes = (self.places[begin] & BACKSLASHES) / ONE_BACKSLASH;
        let taken = backslashes & backslashes.wrapping_neg();
        let in_json = self.places[begin..].iter().any(|place| place & BY_JSON != 0);
        let weight = if in_json { (2 * taken).max(2) } else { (2 * taken).max(1) };
        self.units.truncate(begin);
        self.places.truncate(begin);
        self.close_escapes();
        if backslashes > taken {
            self.units.push(b'\\');
            self.places.push(plus_backslashes(place, backslashes - taken));
        }
        match decoded {
            Decoded::Byte(byte) => self.push_decoded(byte, place, weight),
            Decoded::Char(char) => self.push_char(char, place, weight),
            Decoded::Half(half) => self.push_half(half, place),
        }
        true
    }

    /// Finds anew how long escapes may be open, now that one is undone.
    fn close_escapes(&mut self) {
        const HALF: usize = 8;
        let near = self.units.len().saturating_sub(HALF);
        // Half of a surrogate pair stays unsettled.
        if !self.units[near..].contains(&0xed) {
            let open = |unit: usize| self.units[unit] != b'&' && unit + self.room(unit) >= self.units.len();
            let ends = (near..self.units.len()).filter(|unit| open(*unit)).map(|unit| unit + 1 + self.room(unit));
            self.open = ends.max().unwrap_or(0);
        }
    }

    fn escape_ending(&self, top: usize) -> Option<(usize, Decoded)> {
        if self.units[top] == b';' {
            let tail = top.saturating_sub(MAX_ENTITY + 1);
            let begin = tail + memchr::memrchr(b'&', &self.units[tail..top])?;
            return entity(&self.units[begin + 1..top]).map(|char| (begin, Decoded::Char(char)));
        }
        let (two, escaped) = (self.hex_ending(top, 2), |unit: usize| self.places[unit] & ESCAPED != 0);
        if let Some((value, begin)) = two {
            match self.units[begin] {
                b'%' => return Some((begin, Decoded::Byte(value as u8))),
                b'x' if escaped(begin) => return char::from_u32(value).map(|char| (begin, Decoded::Char(char))),
                _ => {}
            }
        }
        let (value, begin) = self.hex_ending(top, 4)?;
        let decoded = char::from_u32(value).map_or(Decoded::Half(value), Decoded::Char);
        (self.units[begin] == b'u' && escaped(begin)).then_some((begin, decoded))
    }

    /// The last digits as a number, and the place in front of them.
    fn hex_ending(&self, top: usize, digits: usize) -> Option<(u32, usize)> {
        let begin = top.checked_sub(digits)?;
        let value =
            self.units[begin + 1..=top].iter().try_fold(0, |value, byte| Some(value << 4 | hex_digit(*byte)?))?;
        Some((value, begin))
    }

    fn push_char(&mut self, char: char, place: u64, weight: u64) {
        let mut buffer = [0; 4];
        for byte in char.encode_utf8(&mut buffer).bytes() {
            self.push_decoded(byte, place, weight);
        }
    }

    /// Half of a surrogate pair: kept in the three bytes it would have, until the other half comes.
    fn push_half(&mut self, half: u32, place: u64) {
        let bytes = [0xe0 | (half >> 12) as u8, 0x80 | (half >> 6 & 0x3f) as u8, 0x80 | (half & 0x3f) as u8];
        if let [.., first, second, third] = self.units[..] {
            let high = u32::from(first & 0x0f) << 12 | u32::from(second & 0x3f) << 6 | u32::from(third & 0x3f);
            let begin = self.units.len() - 3;
            if first == 0xed
                && let Some(char) = surrogate_pair(high, half)
            {
                let place = self.place(begin);
                self.units.truncate(begin);
                self.places.truncate(begin);
                return self.push_char(char, place, 2);
            }
        }
        for byte in bytes {
            self.push(byte, place);
        }
        // Unsettled until the other half had time to come.
        self.open = self.open.max(self.units.len() + 8);
    }
}
