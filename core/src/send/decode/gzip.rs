//! `gzip` (RFC 1952): one member or several, each with its own checksum.

use flate2::Crc;

use super::deflate::Inflate;
use super::{Coding, broken};
use crate::error::Result;

const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// Where in a member the data is.
enum State {
    /// Before a member: the first, or one more.
    Between,
    /// In the ten bytes every header has, this many read.
    Fixed(usize),
    /// In the two bytes that say how long the extra field is.
    ExtraLength {
        low: Option<u8>,
    },
    Extra {
        left: u16,
    },
    Name,
    Comment,
    HeaderCrc {
        low: Option<u8>,
    },
    Data(Inflate),
    /// In the checksum and length at the end.
    Trailer {
        bytes: [u8; 8],
        read: usize,
    },
}

/// The coding.
pub(super) struct Gzip {
    state: State,
    flags: u8,
    header: Crc,
    data: Crc,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self { state: State::Between, flags: 0, header: Crc::new(), data: Crc::new() }
    }

    /// Takes one byte outside the data.
    fn frame_byte(&mut self, byte: u8) -> Result<()> {
        let over = match &mut self.state {
            State::Trailer { bytes, read } => {
                bytes[*read] = byte;
                *read += 1;
                if *read == 8 {
                    self.check_trailer()?;
                }
                return Ok(());
            }
            State::HeaderCrc { low: Some(low) } => {
                let [expected @ .., _, _] = self.header.sum().to_le_bytes();
                if [*low, byte] != expected {
                    return Err(broken());
                }
                true
            }
            State::HeaderCrc { low } => {
                *low = Some(byte);
                return Ok(());
            }
            _ => self.header_byte(byte)?,
        };
        if over {
            self.enter_after_header_field();
        }
        Ok(())
    }

    /// Takes one byte of the header; `true` where a field of it ends.
    fn header_byte(&mut self, byte: u8) -> Result<bool> {
        if matches!(self.state, State::Between) {
            (self.state, self.flags) = (State::Fixed(0), 0);
            self.header.reset();
            self.data.reset();
        }
        self.header.update(&[byte]);
        match &mut self.state {
            State::Fixed(read) => {
                let legal = match *read {
                    0 => byte == 0x1f,
                    1 => byte == 0x8b,
                    2 => byte == 8,
                    3 => byte & RESERVED == 0,
                    _ => true,
                };
                if !legal {
                    return Err(broken());
                }
                if *read == 3 {
                    self.flags = byte;
                }
                *read += 1;
                Ok(*read == 10)
            }
            State::ExtraLength { low: Some(low) } => {
                let left = u16::from_le_bytes([*low, byte]);
                self.state = State::Extra { left };
                Ok(left == 0)
            }
            State::ExtraLength { low } => {
                *low = Some(byte);
                Ok(false)
            }
            State::Extra { left } => {
                *left -= 1;
                Ok(*left == 0)
            }
            _ => Ok(byte == 0),
        }
    }

    /// A field of the header is over: enters the next that the flags name, in their order, or the data.
    fn enter_after_header_field(&mut self) {
        let flagged = |flag| self.flags & flag != 0;
        self.state = if flagged(FEXTRA) {
            self.flags &= !FEXTRA;
            State::ExtraLength { low: None }
        } else if flagged(FNAME) {
            self.flags &= !FNAME;
            State::Name
        } else if flagged(FCOMMENT) {
            self.flags &= !FCOMMENT;
            State::Comment
        } else if flagged(FHCRC) {
            self.flags &= !FHCRC;
            State::HeaderCrc { low: None }
        } else {
            State::Data(Inflate::new(false))
        };
    }

    fn check_trailer(&mut self) -> Result<()> {
        let State::Trailer { bytes, .. } = self.state else { return Err(broken()) };
        let expected = [self.data.sum().to_le_bytes(), self.data.amount().to_le_bytes()].concat();
        self.state = State::Between;
        if bytes[..] == expected { Ok(()) } else { Err(broken()) }
    }
}

impl Coding for Gzip {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize)> {
        let mut read = 0;
        loop {
            if let State::Data(inflate) = &mut self.state {
                let (more, written) = inflate.step(&input[read..], output)?;
                read += more;
                self.data.update(&output[..written]);
                if inflate.has_ended() {
                    self.state = State::Trailer { bytes: [0; 8], read: 0 };
                    if written == 0 {
                        continue;
                    }
                }
                return Ok((read, written));
            }
            let Some(&byte) = input.get(read) else { return Ok((read, 0)) };
            self.frame_byte(byte)?;
            read += 1;
        }
    }

    fn is_complete(&self) -> bool {
        matches!(self.state, State::Between)
    }
}
