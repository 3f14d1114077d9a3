//! The messages of one side of a WebSocket on their way through the scanner to the other.
//!
//! A message is a text of its own: its end decides all of it. A long one goes on as it comes, held back as a body is.
//! What stands in control frames is searched too.

use std::sync::Arc;

use super::stream::Redactor;
use super::{Found, Scanner};
use crate::websocket::{Close, Control, Event, Fault, Kind, MAX_CONTROL, Mender, Reader, Writer};

/// How much is written before it has to be sent.
const FULL: usize = 64 << 10;
/// The longest piece of a message that is sent as one frame while the message goes on.
const FRAGMENT: usize = 32 << 10;

/// One direction of a WebSocket.
pub(crate) struct Messages {
    reader: Reader,
    writer: Writer,
    scanner: Arc<Scanner>,
    redactor: Redactor,
    message: Option<Message>,
    found: Found,
    /// Whether the last frame of this direction was passed on.
    closed: bool,
    /// What was read of a message and not searched.
    data: Vec<u8>,
    /// What was searched and not sent.
    safe: Vec<u8>,
}

/// The message under way.
struct Message {
    mender: Option<Mender>,
}

impl Messages {
    pub(crate) fn new(reader: Reader, writer: Writer, scanner: Arc<Scanner>) -> Self {
        Self {
            reader,
            writer,
            redactor: Redactor::new(Arc::clone(&scanner)),
            scanner,
            message: None,
            found: Found::default(),
            closed: false,
            data: Vec::new(),
            safe: Vec::new(),
        }
    }

    /// Takes from `input` and appends whole frames to `out`; gives how much was taken. All that can be said for now is
    /// said where `out` holds less than 64 KiB.
    ///
    /// # Errors
    /// Where this side breaks the protocol.
    pub(crate) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Fault> {
        let mut rest = input;
        while out.len() < FULL && !self.closed {
            match self.reader.step(&mut rest, &mut self.data)? {
                Some(Event::Begin(kind)) => self.begin(kind),
                Some(Event::Data) => self.search(out),
                Some(Event::End) => self.end(out),
                Some(Event::Control(control, payload)) => self.control(control, &payload, out)?,
                None => {
                    self.send(false, out);
                    break;
                }
            }
        }
        Ok(input.len() - rest.len())
    }

    /// Whether `push` may have more to say without more input.
    pub(crate) fn is_full(out: &[u8]) -> bool {
        out.len() >= FULL
    }

    /// Whether the last frame of this direction was passed on.
    pub(crate) fn has_closed(&self) -> bool {
        self.closed
    }

    /// Whether no message is under way: what is looked for may change here.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.reader.is_between_messages()
    }

    /// Searches the messages to come for something else.
    #[cfg(test)]
    pub(crate) fn look_for(&mut self, scanner: Arc<Scanner>) {
        self.scanner = scanner;
    }

    /// Ends this direction with a close frame of our own.
    pub(crate) fn close(&mut self, close: &Close, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.closed, true) {
            self.writer.control(Control::Close, &close.payload(), out);
        }
    }

    /// What was found so far.
    pub(crate) fn found(&self) -> Found {
        let mut found = self.found.clone();
        found.merge(self.redactor.found());
        found
    }

    fn begin(&mut self, kind: Kind) {
        self.found.merge(self.redactor.found());
        self.redactor.begin_another(Arc::clone(&self.scanner));
        self.writer.begin(kind);
        self.message = Some(Message { mender: (kind == Kind::Text).then(Mender::default) });
    }

    fn search(&mut self, out: &mut Vec<u8>) {
        // A message that came in one piece, as small ones do, and in which nothing is: it goes on as it lies.
        if self.reader.is_at_end() && self.redactor.is_untouched() && self.scanner.is_clean(&self.data) {
            self.writer.write(&self.data, true, out);
            self.message = None;
        } else {
            self.redactor.push(&self.data, &mut self.safe);
        }
        self.data.clear();
        if self.safe.len() >= FRAGMENT {
            self.send(false, out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.message.is_some() {
            self.redactor.finish(&mut self.safe);
            self.send(true, out);
        }
        self.message = None;
    }

    /// Sends what is decided of the message under way.
    fn send(&mut self, last: bool, out: &mut Vec<u8>) {
        let Some(message) = &mut self.message else { return };
        if self.redactor.found().any()
            && let Some(mender) = &mut message.mender
        {
            mender.mend(&mut self.safe, last);
        }
        if last || !self.safe.is_empty() {
            self.writer.write(&self.safe, last, out);
            self.safe.clear();
        }
    }

    fn control(&mut self, control: Control, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        if control == Control::Close {
            let said = Close::parse(payload)?;
            let reason = self.scanner.redact_text(said.reason.as_bytes(), &mut self.found);
            let reason = reason.map_or(said.reason, |text| String::from_utf8_lossy(&text).into_owned());
            self.close(&Close { reason, ..said }, out);
            return Ok(());
        }
        let safe = self.scanner.redact_text(payload, &mut self.found);
        let safe = safe.as_deref().unwrap_or(payload);
        self.writer.control(control, &safe[..safe.len().min(MAX_CONTROL)], out);
        Ok(())
    }
}
