//! Reads plain text and single escapes many bytes at a time.
//!
//! Only what [`View::push`] would come to by the same bytes one by one is read here; an escape that is nested, unusual or
//! near the end of the text is left to it.

use super::super::escapes::{MAX_ENTITY, Unit, entity, hex_byte, hex_digit, is_special};
use super::{AFTER, BY_JSON, View};

/// How many decoded bytes are added at a time.
const ROOM: usize = 128;

/// How many bytes are looked at together.
const STEP: usize = 8;

/// How many bytes are at hand wherever an escape is read: enough for every escape read here.
const AHEAD: usize = 16;

/// A step and a character more than the room: the last ones may go beyond it.
const SPAN: usize = ROOM + STEP + 4;

/// What an escape comes to.
struct Escape {
    char: char,
    /// A percent escape gives a byte, which need not be a character.
    is_byte: bool,
    flags: u64,
    /// How many bytes it takes.
    taken: usize,
    /// How many of them count as plain bytes behind an escape.
    plain: usize,
}

impl Escape {
    /// The bytes it gives, and how many they are.
    #[inline(always)]
    fn encode(&self) -> ([u8; 4], usize) {
        let mut bytes = [0; 4];
        let count = match u8::try_from(self.char) {
            Ok(byte) if self.is_byte => {
                bytes[0] = byte;
                1
            }
            _ => self.char.encode_utf8(&mut bytes).len(),
        };
        (bytes, count)
    }
}

impl View {
    /// Reads on while no escape is open; gives how many bytes were read.
    pub(super) fn read_fast(&mut self, text: &[u8], place: u64) -> usize {
        let base = self.units.len();
        self.units.resize(base + SPAN, 0);
        self.places.resize(base + SPAN, 0);
        let (units, places) = (&mut self.units[base..], &mut self.places[base..]);
        let (mut at, mut len, mut left) = (0, 0, usize::from(self.left));
        while len < ROOM
            && let Some(next) = text[at..].first_chunk::<AHEAD>()
        {
            if left > 0
                && let Some((byte, taken, flags)) = short_escape(next)
                && !(byte == b';' && base + len < self.open_entity)
            {
                (units[len], places[len]) = (byte, (place + at as u64) | flags);
                (at, len, left) = (at + taken, len + 1, usize::from(AFTER) + 1 - taken);
                continue;
            }
            units[len..len + STEP].copy_from_slice(&next[..STEP]);
            for (ahead, to) in places[len..len + STEP].iter_mut().enumerate() {
                *to = place + (at + ahead) as u64;
            }
            let run = first_stop(next).min(left);
            (at, len, left) = (at + run, len + run, left - run);
            if run == STEP {
                continue;
            }
            let Some(next) = text[at..].first_chunk::<AHEAD>().filter(|_| left > 0) else { break };
            if let Some(escape) = escape(next) {
                if next[0] == b'&' {
                    self.open_entity = base + len + MAX_ENTITY + 2;
                }
                let (bytes, count) = escape.encode();
                if bytes[0] == b';' && base + len < self.open_entity {
                    break;
                }
                units[len..len + 4].copy_from_slice(&bytes);
                places[len..len + 4].fill((place + at as u64) | escape.flags);
                (at, len, left) = (at + escape.taken, len + count, usize::from(AFTER) - escape.plain);
            } else {
                match next[0] {
                    b'&' => (self.open_entity, left) = (base + len + MAX_ENTITY + 2, usize::from(AFTER)),
                    b';' if base + len < self.open_entity => break,
                    b'\\' | b'%' | b'\n' => break,
                    _ => left -= 1,
                }
                (at, len) = (at + 1, len + 1);
            }
        }
        units[..len].iter_mut().for_each(|unit| *unit = normal(*unit));
        self.units.truncate(base + len);
        self.places.truncate(base + len);
        self.left = u8::try_from(left).unwrap_or(AFTER);
        at
    }
}

/// Whether the text may begin with a character, under whatever escapes. Where it is not cheap to tell, it may.
pub(in super::super) fn may_begin_with(text: &[u8], same: impl Fn(u8) -> bool) -> bool {
    match text.first() {
        None => false,
        Some(byte) if same(*byte) => true,
        Some(byte) if !is_special(*byte) => false,
        Some(_) => match text.first_chunk().map(|next| (next, escape(next))) {
            // What a backslash does to a letter is not told here, nor what a run of them comes to.
            Some(([b'\\', letter, ..], Some(_))) if !matches!(letter, b'u' | b'U') => true,
            Some((_, Some(escape))) => same(escape.encode().0[0]),
            _ => true,
        },
    }
}

/// The character at the front where it is escaped once and has no reading but that and its first byte.
pub(in super::super) fn lone_escape(text: &[u8], at: usize) -> Option<Unit> {
    let next = text.first_chunk()?;
    if next[0] == b'\\' && next[1] != b'u' {
        return None;
    }
    let escape = escape(next)?;
    let next = at + escape.taken;
    Some(match u8::try_from(escape.char) {
        Ok(byte) if escape.is_byte => Unit::byte(byte, next),
        _ => Unit::char(escape.char, next),
    })
}

/// How many of the first bytes are surely plain. A `$` or `'` is taken for a stop too, which costs less than telling.
#[inline(always)]
fn first_stop(next: &[u8; AHEAD]) -> usize {
    let word = u64::from_le_bytes([next[0], next[1], next[2], next[3], next[4], next[5], next[6], next[7]]);
    let stops = specials(word) | zeros(word ^ all(b';')) | zeros(word ^ all(b'\n'));
    stops.trailing_zeros() as usize / STEP
}

/// Whether none of the bytes can begin an escape. A `$` or `'` is taken for one that can.
#[inline(always)]
pub(in super::super) fn is_plain(bytes: &[u8; STEP]) -> bool {
    specials(u64::from_le_bytes(*bytes)) == 0
}

const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; STEP])
}

/// Marks the bytes that are zero. The lowest mark is right; higher ones may be a borrow.
#[inline(always)]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(all(1)) & !word & all(0x80)
}

#[inline(always)]
fn specials(word: u64) -> u64 {
    zeros(word ^ all(b'\\')) | zeros(word & all(0xfc) ^ all(b'%' & 0xfc))
}

/// The escape at the front, where it is a plain one of one layer and gives nothing that may begin another.
#[inline(always)]
fn escape(next: &[u8; AHEAD]) -> Option<Escape> {
    let escape = match next[0] {
        b'\\' => backslash(next)?,
        b'%' => {
            let byte = hex_byte(next[1], next[2])?;
            Escape { char: byte.into(), is_byte: true, flags: 0, taken: 3, plain: 2 }
        }
        b'&' => {
            let end = next[..=MAX_ENTITY].iter().position(|byte| *byte == b';')?;
            let char = match &next[1..end] {
                b"lt" => '<',
                b"gt" => '>',
                b"quot" => '"',
                [b'#', number @ ..] => char::from_u32(numeric(number)?)?,
                name => entity(name)?,
            };
            Escape { char, is_byte: false, flags: 0, taken: end + 1, plain: end }
        }
        _ => return None,
    };
    (!matches!(escape.char, '%' | '&' | '\\')).then_some(escape)
}

/// The most frequent escapes, `%41` and `\u0041`: the byte, how many bytes they take, and its flags.
#[inline(always)]
fn short_escape(next: &[u8; AHEAD]) -> Option<(u8, usize, u64)> {
    let (byte, taken, flags) = match next[0] {
        b'%' => (hex_byte(next[1], next[2])?, 3, 0),
        b'\\' if next[1] == b'u' && next[2] == b'0' && next[3] == b'0' => (hex_byte(next[4], next[5])?, 6, BY_JSON),
        _ => return None,
    };
    (!is_special(byte) && (flags == 0 || byte.is_ascii())).then_some((byte, taken, flags))
}

/// The number in an entity, without its `#`.
#[inline(always)]
fn numeric(number: &[u8]) -> Option<u32> {
    let (digits, radix) = match number {
        [b'x' | b'X', digits @ ..] => (digits, 16),
        digits => (digits, 10),
    };
    let mut value = u32::from(!digits.is_empty()).checked_sub(1)?;
    for digit in digits {
        let digit = hex_digit(*digit).filter(|digit| *digit < radix)?;
        value = value.checked_mul(radix)?.checked_add(digit)?;
    }
    Some(value)
}

/// Any number of backslashes with the character they melt into, or four digits.
#[inline(always)]
fn backslash(next: &[u8; AHEAD]) -> Option<Escape> {
    let count = next[..STEP].iter().position(|byte| *byte != b'\\')?;
    let letter = next[count];
    match letter {
        b'u' | b'U' if count == 1 => {
            let digits = u16::from_be_bytes([hex_byte(next[2], next[3])?, hex_byte(next[4], next[5])?]);
            Some(Escape { char: char::from_u32(digits.into())?, is_byte: false, flags: BY_JSON, taken: 6, plain: 5 })
        }
        b'u' | b'U' | b'x' | b'X' | b'\n' => None,
        letter if is_special(letter) => None,
        letter => Some(Escape { char: letter.into(), is_byte: true, flags: 0, taken: count + 1, plain: 1 }),
    }
}

/// The same as [`super::normal::NORMAL`], in steps that the compiler does for many bytes at once.
#[inline(always)]
fn normal(byte: u8) -> u8 {
    let byte = if byte.is_ascii_uppercase() { byte | 0x20 } else { byte };
    let byte = if byte == b' ' { b'+' } else { byte };
    let byte = if byte == b'\n' { b'n' } else { byte };
    let byte = if byte == b'\r' { b'r' } else { byte };
    let byte = if byte == b'\t' { b't' } else { byte };
    let byte = if byte == 8 { b'b' } else { byte };
    if byte == 12 { b'f' } else { byte }
}

#[cfg(test)]
mod tests {
    use super::super::super::escapes::entity;
    use super::super::normal::NORMAL;
    use super::{normal, numeric};

    #[test]
    fn both_ways_to_read_a_number_agree() {
        for number in ["", "65", "x41", "X4a", "x", "4a", "0000000065", "4294967295", "4294967296", "xffffffff", "é"] {
            let read = numeric(number.as_bytes()).and_then(char::from_u32);
            assert_eq!(read, entity(format!("#{number}").as_bytes()), "{number}");
        }
        assert_eq!(numeric(b"+65"), None);
    }

    #[test]
    fn both_ways_to_make_a_byte_normal_agree() {
        assert!((0..=255).all(|byte: u8| normal(byte) == NORMAL[usize::from(byte)]));
    }
}
