//! UTF-8 that comes in pieces, cut anywhere.

/// Reads a text and finds where it is no UTF-8 (RFC 6455, section 8.1).
#[derive(Default)]
pub(super) struct Checker {
    /// The beginning of a character whose rest has not come.
    open: [u8; 4],
    len: usize,
}

impl Checker {
    /// Reads on. `false` where this can never become UTF-8.
    pub(super) fn read(&mut self, mut text: &[u8]) -> bool {
        while self.len > 0 {
            let Some((next, rest)) = text.split_first() else { return true };
            self.open[self.len] = *next;
            self.len += 1;
            text = rest;
            match std::str::from_utf8(&self.open[..self.len]) {
                Ok(_) => self.len = 0,
                Err(why) if why.error_len().is_none() && self.len < 4 => {}
                Err(_) => return false,
            }
        }
        match std::str::from_utf8(text) {
            Ok(_) => true,
            Err(why) if why.error_len().is_some() => false,
            Err(why) => {
                let open = &text[why.valid_up_to()..];
                self.open[..open.len()].copy_from_slice(open);
                self.len = open.len();
                true
            }
        }
    }

    /// Whether the text may end here.
    pub(super) fn is_complete(&self) -> bool {
        self.len == 0
    }
}

/// Makes UTF-8 of a text that comes in pieces: a value that is none, and was found across a character, leaves a part of
/// it behind.
#[derive(Default)]
pub(crate) struct Mender {
    open: Vec<u8>,
}

impl Mender {
    /// The piece with U+FFFD where it is no UTF-8; a character that is cut off waits for its rest, unless it is the last.
    pub(crate) fn mend(&mut self, piece: &mut Vec<u8>, last: bool) {
        if !self.open.is_empty() {
            piece.splice(..0, self.open.drain(..));
        }
        if !last {
            let from = piece.len().saturating_sub(3);
            let cut = (from..piece.len()).find(|at| {
                std::str::from_utf8(&piece[*at..]).is_err_and(|why| why.valid_up_to() == 0 && why.error_len().is_none())
            });
            self.open.extend(piece.drain(cut.unwrap_or(piece.len())..));
        }
        if std::str::from_utf8(piece).is_err() {
            *piece = String::from_utf8_lossy(piece).into_owned().into_bytes();
        }
    }
}
