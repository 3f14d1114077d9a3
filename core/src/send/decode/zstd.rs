//! `zstd` (RFC 8878): one frame or several.

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::{Coding, broken, undecodable};
use crate::error::Result;

/// 8 MiB, the window a receiver of this coding need not go beyond (RFC 9659, section 3).
const WINDOW_LOG: u32 = 23;

/// The coding.
pub(super) struct Zstd {
    decoder: Decoder<'static>,
    between_frames: bool,
}

impl Zstd {
    pub(super) fn new() -> Result<Self> {
        let unavailable = |_| undecodable("the decoder of this content coding could not be made");
        let mut decoder = Decoder::new().map_err(unavailable)?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).map_err(unavailable)?;
        Ok(Self { decoder, between_frames: true })
    }
}

impl Coding for Zstd {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize)> {
        // Asked for more without input, the decoder would begin a frame that nobody sent.
        if self.between_frames && input.is_empty() {
            return Ok((0, 0));
        }
        let (mut source, mut room) = (InBuffer::around(input), OutBuffer::around(output));
        self.between_frames = self.decoder.run(&mut source, &mut room).map_err(|_| broken())? == 0;
        Ok((source.pos(), room.pos()))
    }

    fn is_complete(&self) -> bool {
        self.between_frames
    }
}
