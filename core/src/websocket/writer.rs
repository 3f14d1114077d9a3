//! From messages to the frames of one side.

use super::deflate::Deflater;
use super::extension::Agreed;
use super::frame::{Head, Opcode, mask};
use super::{Control, Kind};

/// A shorter message is not worth a compressor, which takes more memory than all else of a connection.
const WORTH: usize = 256;
/// How much randomness is fetched at a time.
const POOL: usize = 256;

/// Writes one side of a connection.
pub(crate) struct Writer {
    /// Where the masks come from, on a client's side (section 5.3).
    masks: Option<Masks>,
    /// Compression as it was agreed.
    deflate: Option<Agreed>,
    deflater: Option<Box<Deflater>>,
    message: Option<Message>,
    coded: Vec<u8>,
}

struct Message {
    kind: Kind,
    began: bool,
    compressed: bool,
}

impl Writer {
    /// A writer of a side that masks its frames, or does not, and that compresses as agreed.
    pub(crate) fn new(masked: bool, deflate: Option<Agreed>) -> Self {
        Self { masks: masked.then(Masks::default), deflate, deflater: None, message: None, coded: Vec::new() }
    }

    /// Begins a message.
    pub(crate) fn begin(&mut self, kind: Kind) {
        self.message = Some(Message { kind, began: false, compressed: false });
    }

    /// Appends a frame with a piece of the message, its `last` or not.
    pub(crate) fn write(&mut self, piece: &[u8], last: bool, out: &mut Vec<u8>) {
        let Some(message) = &mut self.message else { return };
        let first = !std::mem::replace(&mut message.began, true);
        if first && let Some(agreed) = self.deflate.filter(|_| !last || piece.len() >= WORTH) {
            message.compressed = true;
            self.deflater.get_or_insert_with(|| Box::new(agreed.deflater())).begin();
        }
        let opcode = if first { Opcode::Message(message.kind) } else { Opcode::Continuation };
        let head = Head { fin: last, compressed: first && message.compressed, opcode, mask: None, length: 0 };
        match self.deflater.as_mut().filter(|_| message.compressed) {
            None => frame(&mut self.masks, head, piece, out),
            Some(deflater) => {
                self.coded.clear();
                deflater.write(piece, last, &mut self.coded);
                frame(&mut self.masks, head, &self.coded, out);
            }
        }
        if last {
            self.message = None;
        }
    }

    /// Appends a control frame.
    pub(crate) fn control(&mut self, control: Control, payload: &[u8], out: &mut Vec<u8>) {
        let head = Head { fin: true, compressed: false, opcode: Opcode::Control(control), mask: None, length: 0 };
        frame(&mut self.masks, head, payload, out);
    }
}

fn frame(masks: &mut Option<Masks>, head: Head, payload: &[u8], out: &mut Vec<u8>) {
    let key = masks.as_mut().map(Masks::next);
    Head { mask: key, length: payload.len() as u64, ..head }.write(out);
    let began = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = key {
        mask(key, 0, &mut out[began..]);
    }
}

/// Masks that nobody can foresee (section 10.3).
struct Masks {
    pool: [u8; POOL],
    used: usize,
}

impl Default for Masks {
    fn default() -> Self {
        Self { pool: [0; POOL], used: POOL }
    }
}

impl Masks {
    fn next(&mut self) -> [u8; 4] {
        if self.used == POOL {
            // A mask protects caches on the way from the program's bytes, and here TLS or this machine is the way:
            // without randomness the connection may go on.
            let _ = getrandom::fill(&mut self.pool);
            self.used = 0;
        }
        let at = self.used;
        self.used += 4;
        let mut key = [0; 4];
        key.copy_from_slice(&self.pool[at..at + 4]);
        key
    }
}
