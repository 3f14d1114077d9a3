//! The head of a frame, and the mask (RFC 6455, sections 5.2 and 5.3).

use super::{Control, Fault, Kind};

/// The longest payload of a control frame (section 5.5).
pub(crate) const MAX_CONTROL: usize = 125;
/// The longest head: two bytes, a length of eight, a mask of four.
pub(super) const MAX_HEAD: usize = 14;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RESERVED: u8 = 0x30;
const MASKED: u8 = 0x80;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Message(Kind),
    Control(Control),
}

impl Opcode {
    fn read(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Message(Kind::Text),
            0x2 => Self::Message(Kind::Binary),
            0x8 => Self::Control(Control::Close),
            0x9 => Self::Control(Control::Ping),
            0xa => Self::Control(Control::Pong),
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Message(Kind::Text) => 0x1,
            Self::Message(Kind::Binary) => 0x2,
            Self::Control(Control::Close) => 0x8,
            Self::Control(Control::Ping) => 0x9,
            Self::Control(Control::Pong) => 0xa,
        }
    }
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) fin: bool,
    /// The message is compressed; said on its first frame.
    pub(super) compressed: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: Option<[u8; 4]>,
    pub(super) length: u64,
}

impl Head {
    /// Reads a head and says how long it is; `None` where more is needed.
    ///
    /// # Errors
    /// What is wrong with a frame whatever came before it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Fault> {
        let Some(([first, second], rest)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
        if first & RESERVED != 0 {
            return Err(Fault::protocol("a reserved bit that no extension gave a meaning"));
        }
        let opcode = Opcode::read(first & 0x0f).ok_or(Fault::protocol("an unknown opcode"))?;
        let short = u64::from(second & !MASKED);
        if matches!(opcode, Opcode::Control(_)) && (short > MAX_CONTROL as u64 || first & (FIN | RSV1) != FIN) {
            return Err(Fault::protocol("a control frame that is long, in parts or compressed"));
        }
        let (length, rest) = match (short, rest) {
            (126, rest) => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
                None => return Ok(None),
            },
            (127, rest) => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            (length, rest) => (length, rest),
        };
        // The shortest way to write a length is the only one (section 5.2), and its highest bit is never set.
        if (short == 126 && length < 126) || (short == 127 && length <= u64::from(u16::MAX)) || length >> 63 != 0 {
            return Err(Fault::protocol("a length that is not written as it has to be"));
        }
        let (mask, rest) = match (second & MASKED != 0).then(|| rest.split_first_chunk::<4>()) {
            None => (None, rest),
            Some(Some((mask, rest))) => (Some(*mask), rest),
            Some(None) => return Ok(None),
        };
        let head = Self { fin: first & FIN != 0, compressed: first & RSV1 != 0, opcode, mask, length };
        Ok(Some((head, bytes.len() - rest.len())))
    }

    /// Appends the head.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let flags = if self.fin { FIN } else { 0 } | if self.compressed { RSV1 } else { 0 };
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        out.push(flags | self.opcode.bits());
        match (u8::try_from(self.length), u16::try_from(self.length)) {
            (Ok(length), _) if length < 126 => out.push(masked | length),
            (_, Ok(length)) => {
                out.push(masked | 126);
                out.extend_from_slice(&length.to_be_bytes());
            }
            _ => {
                out.push(masked | 127);
                out.extend_from_slice(&self.length.to_be_bytes());
            }
        }
        out.extend_from_slice(self.mask.as_ref().map_or(&[][..], |mask| mask));
    }
}

/// Puts a mask on a payload, or takes it off; `at` is how much of the payload came before.
pub(super) fn mask(mut key: [u8; 4], at: u64, payload: &mut [u8]) {
    key.rotate_left(usize::try_from(at % 4).unwrap_or_default());
    let word = u64::from(u32::from_ne_bytes(key));
    let (words, rest) = payload.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ (word | word << 32)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}
