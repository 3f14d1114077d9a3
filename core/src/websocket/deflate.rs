//! `permessage-deflate`: one message after the other through one window (RFC 7692, section 7.2).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Fault;

/// What a message's end leaves out, and its reader puts back.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Deflate cannot expand more than 1032 times (zlib, "Technical Details"); nothing but a run of one byte comes near.
const MAX_RATIO: u64 = 1000;
/// Under this size nobody is hurt by any ratio.
const FREE: u64 = 1 << 20;
/// The room that is made at a time for what is compressed.
const ROOM: usize = 4 << 10;

/// Takes the compression off the messages of one side.
pub(super) struct Inflater {
    inflate: Decompress,
    /// Whether the next message begins with an empty window.
    forgets: bool,
    read: u64,
    written: u64,
    /// How much of the tail was read, once the message has ended.
    tail: usize,
}

impl Inflater {
    pub(super) fn new(forgets: bool) -> Self {
        Self { inflate: Decompress::new(false), forgets, read: 0, written: 0, tail: 0 }
    }

    /// Begins a message.
    pub(super) fn begin(&mut self) {
        (self.read, self.written, self.tail) = (0, 0, 0);
        if self.forgets {
            self.inflate.reset(false);
        }
    }

    /// Reads some of the input and appends at most `room` bytes; gives how much was read. It has nothing more to give for
    /// what was read where it left some of the room.
    pub(super) fn read(&mut self, input: &[u8], room: usize, out: &mut Vec<u8>) -> Result<usize, Fault> {
        let (mut taken, began) = (0, out.len());
        out.resize(began + room, 0);
        let mut filled = began;
        while filled < out.len() {
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(&input[taken..], &mut out[filled..], FlushDecompress::Sync);
            let read = usize::try_from(self.inflate.total_in() - before_in).unwrap_or_default();
            let written = usize::try_from(self.inflate.total_out() - before_out).unwrap_or_default();
            (taken, filled) = (taken + read, filled + written);
            match status {
                // The last block of a stream (section 7.2.3.4): what follows begins another.
                Ok(Status::StreamEnd) => self.inflate.reset(false),
                Ok(_) if read == 0 && written == 0 => break,
                Ok(_) => {}
                Err(_) => return Err(Fault::data("a message that does not decompress")),
            }
        }
        out.truncate(filled);
        self.read += taken as u64;
        self.written += (filled - began) as u64;
        if self.written > FREE && self.written > self.read.saturating_mul(MAX_RATIO) {
            return Err(Fault::size("a message that expands without bound"));
        }
        Ok(taken)
    }

    /// Ends a message: appends more of it, and says whether that was all.
    pub(super) fn finish(&mut self, room: usize, out: &mut Vec<u8>) -> Result<bool, Fault> {
        let began = out.len();
        let tail = &TAIL[self.tail..];
        self.tail += self.read(tail, room, out)?;
        match (out.len() - began < room, self.tail == TAIL.len()) {
            (true, true) => Ok(true),
            (true, false) => Err(Fault::data("a compressed message that ends too early")),
            (false, _) => Ok(false),
        }
    }
}

/// Compresses the messages of one side.
pub(super) struct Deflater {
    compress: Compress,
    forgets: bool,
    /// The other side's window, in bytes.
    window: usize,
    /// How much was compressed since nothing before can be referred to.
    since: usize,
}

impl Deflater {
    pub(super) fn new(forgets: bool, window_bits: u8) -> Self {
        Self { compress: Compress::new(Compression::fast(), false), forgets, window: 1 << window_bits, since: 0 }
    }

    /// Begins a message.
    pub(super) fn begin(&mut self) {
        if self.forgets {
            self.compress.reset();
            self.since = 0;
        }
    }

    /// Compresses a piece of a message, so that it can be read as far as it goes.
    pub(super) fn write(&mut self, mut piece: &[u8], last: bool, out: &mut Vec<u8>) {
        let began = out.len();
        // A window that is smaller than the compressor's: a full flush makes it forget before it could refer too far back.
        while self.since + piece.len() > self.window {
            let (fits, rest) = piece.split_at(self.window - self.since);
            self.flush(fits, FlushCompress::Full, out);
            (piece, self.since) = (rest, 0);
        }
        self.flush(piece, FlushCompress::Sync, out);
        self.since += piece.len();
        if last {
            if out[began..].ends_with(&TAIL) {
                out.truncate(out.len() - TAIL.len());
            } else {
                // Nothing was left to flush: an empty block without its tail (section 7.2.3.6).
                out.push(0);
            }
        }
    }

    fn flush(&mut self, mut piece: &[u8], how: FlushCompress, out: &mut Vec<u8>) {
        loop {
            out.reserve(ROOM);
            let before = (self.compress.total_in(), out.len());
            let status = self.compress.compress_vec(piece, out, how);
            piece = &piece[usize::try_from(self.compress.total_in() - before.0).unwrap_or_default()..];
            let moved = self.compress.total_in() > before.0 || out.len() > before.1;
            // It stops where all is flushed: only then is there room left.
            if status.is_err() || !moved || (piece.is_empty() && out.len() < out.capacity()) {
                return;
            }
        }
    }
}
