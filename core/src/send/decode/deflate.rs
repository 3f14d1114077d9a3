//! `deflate`: zlib (RFC 1950), or bare deflate (RFC 1951), which some servers send under that name.

use flate2::{Decompress, FlushDecompress, Status};

use super::{Coding, broken};
use crate::error::Result;

/// A deflate stream, and whether it has ended.
pub(super) struct Inflate {
    inflate: Decompress,
    ended: bool,
}

impl Inflate {
    pub(super) fn new(zlib: bool) -> Self {
        Self { inflate: Decompress::new(zlib), ended: false }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Decodes until the input, the room or the stream ends.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize)> {
        let (mut read, mut written) = (0, 0);
        while !self.ended && written < output.len() {
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(&input[read..], &mut output[written..], FlushDecompress::None);
            self.ended = matches!(status.map_err(|_| broken())?, Status::StreamEnd);
            let step = (delta(self.inflate.total_in(), before_in), delta(self.inflate.total_out(), before_out));
            read += step.0;
            written += step.1;
            if step == (0, 0) {
                break;
            }
        }
        Ok((read, written))
    }
}

fn delta(now: u64, before: u64) -> usize {
    usize::try_from(now - before).expect("a step moves within two slices")
}

/// The coding, which of the two it is being known from its first two bytes.
pub(super) struct Deflate {
    first: Option<u8>,
    inflate: Option<Inflate>,
}

impl Deflate {
    pub(super) fn new() -> Self {
        Self { first: None, inflate: None }
    }

    /// Gives the first byte, kept back until now, to the decoder that fits.
    fn begin(&mut self, first: u8, second: u8) -> Result<()> {
        let mut inflate = Inflate::new(is_zlib(first, second));
        let (read, _) = inflate.step(&[first], &mut [0])?;
        if read != 1 || inflate.has_ended() {
            return Err(broken());
        }
        self.inflate = Some(inflate);
        Ok(())
    }
}

impl Coding for Deflate {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize)> {
        if let Some(inflate) = &mut self.inflate {
            return inflate.step(input, output);
        }
        match (self.first, input) {
            (_, []) => Ok((0, 0)),
            (None, [first, ..]) => {
                self.first = Some(*first);
                Ok((1, 0))
            }
            (Some(first), [second, ..]) => {
                self.begin(first, *second)?;
                self.step(input, output)
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.inflate.as_ref().is_some_and(Inflate::has_ended)
    }
}

/// A zlib header without a preset dictionary (RFC 1950, section 2.2).
fn is_zlib(cmf: u8, flg: u8) -> bool {
    cmf & 0x0f == 8 && cmf >> 4 <= 7 && u16::from_be_bytes([cmf, flg]).is_multiple_of(31) && flg & 0x20 == 0
}
