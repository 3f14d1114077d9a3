//! From the bytes of one side to what they say, frame by frame.

use super::deflate::Inflater;
use super::frame::{Head, MAX_HEAD, Opcode, mask};
use super::utf8::Checker;
use super::{Control, Fault, Kind};

/// The most bytes of a message that one step gives.
const PIECE: usize = 16 << 10;

/// What a step made of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A message begins.
    Begin(Kind),
    /// More of the message was appended to what the step was given.
    Data,
    /// The message ends.
    End,
    /// A control frame, which may stand in the middle of a message.
    Control(Control, Vec<u8>),
}

/// Reads one side of a connection.
pub(crate) struct Reader {
    /// Whether the frames of this side are masked: a client's are, a server's are not (section 5.1).
    masked: bool,
    /// Compression as it was agreed, and whether it begins anew with each message.
    deflate: Option<bool>,
    inflater: Option<Box<Inflater>>,
    /// As much of a head as has come.
    head: Vec<u8>,
    state: State,
    message: Option<Message>,
}

/// The message under way.
struct Message {
    compressed: bool,
    text: Option<Checker>,
}

enum State {
    /// Before a frame.
    Between,
    /// In the payload of a message's frame.
    Payload { head: Head, at: u64 },
    /// After the last frame of a compressed message, whose rest has to be given out.
    Rest,
    /// All of the message was given out.
    Ended,
    /// In the payload of a control frame.
    Control { control: Control, head: Head, payload: Vec<u8> },
}

impl Reader {
    /// A reader of a side that masks its frames, or does not. `deflate` says that messages may be compressed, and whether
    /// each is compressed by itself.
    pub(crate) fn new(masked: bool, deflate: Option<bool>) -> Self {
        Self { masked, deflate, inflater: None, head: Vec::new(), state: State::Between, message: None }
    }

    /// Whether no message is under way.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.message.is_none()
    }

    /// Whether all of the message under way was given out, so that its end is the next event.
    pub(crate) fn is_at_end(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Takes as much of the input as the next event needs; data of a message is appended to `data`. `None` where more
    /// input is needed.
    ///
    /// # Errors
    /// Where the protocol is broken; the reader reads no more then.
    pub(crate) fn step(&mut self, input: &mut &[u8], data: &mut Vec<u8>) -> Result<Option<Event>, Fault> {
        loop {
            match &mut self.state {
                State::Between => {
                    let Some(head) = self.head(input)? else { return Ok(None) };
                    if let Some(event) = self.frame(head)? {
                        return Ok(Some(event));
                    }
                }
                State::Control { control, head, payload } => {
                    let missing = usize::try_from(head.length).unwrap_or_default() - payload.len();
                    payload.extend_from_slice(take(input, missing));
                    if payload.len() < usize::try_from(head.length).unwrap_or_default() {
                        return Ok(None);
                    }
                    mask(head.mask.unwrap_or_default(), 0, payload);
                    let event = Event::Control(*control, std::mem::take(payload));
                    self.state = State::Between;
                    return Ok(Some(event));
                }
                State::Payload { head, at } if *at < head.length => {
                    if self.payload(input, data)? {
                        return Ok(Some(Event::Data));
                    }
                    if self.is_in_payload() {
                        return Ok(None);
                    }
                }
                State::Payload { head, .. } => {
                    self.state = match (head.fin, self.is_compressed()) {
                        (false, _) => State::Between,
                        (true, true) => State::Rest,
                        (true, false) => State::Ended,
                    };
                }
                State::Rest => {
                    if self.rest(data)? {
                        return Ok(Some(Event::Data));
                    }
                }
                State::Ended => return self.end().map(Some),
            }
        }
    }

    /// Reads a head, which may come in pieces.
    fn head(&mut self, input: &mut &[u8]) -> Result<Option<Head>, Fault> {
        let before = self.head.len();
        self.head.extend_from_slice(&input[..input.len().min(MAX_HEAD - before)]);
        let Some((head, length)) = Head::parse(&self.head)? else {
            *input = &input[self.head.len() - before..];
            return Ok(None);
        };
        *input = &input[length - before..];
        self.head.clear();
        Ok(Some(head))
    }

    /// Begins a frame, and perhaps a message with it.
    fn frame(&mut self, head: Head) -> Result<Option<Event>, Fault> {
        if head.mask.is_some() != self.masked {
            return Err(Fault::protocol(if self.masked { "a frame without a mask" } else { "a masked frame" }));
        }
        let kind = match head.opcode {
            Opcode::Control(control) => {
                self.state = State::Control { control, head, payload: Vec::new() };
                return Ok(None);
            }
            Opcode::Continuation if self.message.is_none() || head.compressed => {
                return Err(Fault::protocol("a continuation of nothing, or one that says it is compressed"));
            }
            Opcode::Message(_) if self.message.is_some() => {
                return Err(Fault::protocol("a message in the middle of another"));
            }
            Opcode::Continuation => None,
            Opcode::Message(kind) => Some(kind),
        };
        self.state = State::Payload { head, at: 0 };
        let Some(kind) = kind else { return Ok(None) };
        if head.compressed {
            let forgets = self.deflate.ok_or(Fault::protocol("a compressed message, which was not agreed"))?;
            self.inflater.get_or_insert_with(|| Box::new(Inflater::new(forgets))).begin();
        }
        let text = (kind == Kind::Text).then(Checker::default);
        self.message = Some(Message { compressed: head.compressed, text });
        Ok(Some(Event::Begin(kind)))
    }

    /// Reads some of a message's frame; whether that gave anything.
    fn payload(&mut self, input: &mut &[u8], data: &mut Vec<u8>) -> Result<bool, Fault> {
        let compressed = self.is_compressed();
        let State::Payload { head, at } = &mut self.state else { return Ok(false) };
        let (began, key) = (data.len(), head.mask.unwrap_or_default());
        let left = usize::try_from(head.length - *at).unwrap_or(usize::MAX);
        let piece = &input[..input.len().min(left).min(PIECE)];
        let read = match self.inflater.as_mut().filter(|_| compressed) {
            None => {
                data.extend_from_slice(piece);
                mask(key, *at, &mut data[began..]);
                piece.len()
            }
            Some(inflater) => {
                let mut bare = piece.to_vec();
                mask(key, *at, &mut bare);
                inflater.read(&bare, PIECE, data)?
            }
        };
        *at += read as u64;
        *input = &input[read..];
        let (came, over) = (data.len() > began, head.fin && *at == head.length);
        self.check(&data[began..])?;
        if read < piece.len() && !came {
            return Err(Fault::data("a message that does not decompress"));
        }
        if over && !compressed {
            self.state = State::Ended;
        } else if over && data.len() - began < PIECE {
            // What is left of a small message comes with it, so that it is seen whole.
            self.rest(data)?;
            return Ok(data.len() > began);
        }
        Ok(came)
    }

    /// Gives out the rest of a compressed message; whether there was any.
    fn rest(&mut self, data: &mut Vec<u8>) -> Result<bool, Fault> {
        let began = data.len();
        let over = match &mut self.inflater {
            Some(inflater) => inflater.finish(PIECE, data)?,
            None => true,
        };
        self.state = if over { State::Ended } else { State::Rest };
        self.check(&data[began..])?;
        Ok(data.len() > began)
    }

    fn is_in_payload(&self) -> bool {
        matches!(&self.state, State::Payload { head, at } if *at < head.length)
    }

    fn end(&mut self) -> Result<Event, Fault> {
        let message = self.message.take();
        self.state = State::Between;
        match message.and_then(|message| message.text) {
            Some(text) if !text.is_complete() => Err(Fault::data("a text that is no UTF-8")),
            _ => Ok(Event::End),
        }
    }

    fn is_compressed(&self) -> bool {
        self.message.as_ref().is_some_and(|message| message.compressed)
    }

    fn check(&mut self, piece: &[u8]) -> Result<(), Fault> {
        let text = self.message.as_mut().and_then(|message| message.text.as_mut());
        match text.is_none_or(|text| text.read(piece)) {
            true => Ok(()),
            false => Err(Fault::data("a text that is no UTF-8")),
        }
    }
}

/// Takes at most so many bytes off the input.
fn take<'a>(input: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(input.len().min(most));
    *input = rest;
    taken
}
