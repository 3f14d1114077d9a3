//! A response on its way through the scanner: head, body and trailers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;

use super::messages::Messages;
use super::{Found, Redactor, Scanner};
use crate::error::{Error, ErrorCode, Result, Stage};
use crate::response::{SafeBody, Tail};
use crate::send::{Decoder, Place, RawResponse, RawSocket};
use crate::websocket::{Reader, Writer};

/// Status line and headers without values.
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) reason: Option<String>,
    pub(crate) headers: HeaderMap,
}

/// A WebSocket that is open to an upstream, and the ways through the scanner between it and the program.
pub(crate) struct Socket {
    pub(crate) stream: hyper::upgrade::Upgraded,
    /// From the upstream to the program.
    pub(crate) down: Messages,
    /// From the program to the upstream.
    pub(crate) up: Messages,
    /// What was found in the head.
    pub(crate) head: Found,
}

impl Socket {
    /// A program's frames are masked, and so are ours where we are the program. What goes to the program is never
    /// compressed: it is on this machine.
    fn new(raw: RawSocket, scanner: &Arc<Scanner>, head: Found) -> Self {
        let deflate = raw.opened.deflate;
        let from_upstream = Reader::new(false, deflate.map(|agreed| agreed.server_forgets));
        let down = Messages::new(from_upstream, Writer::new(false, None), Arc::clone(scanner));
        let from_program = Reader::new(true, raw.opened.from_program);
        let up = Messages::new(from_program, Writer::new(true, deflate), Arc::clone(scanner));
        Self { stream: raw.stream, down, up, head }
    }
}

/// Takes the values out of a response. The body follows as it is read.
///
/// # Errors
/// `undecodable_response` for a content coding that is not known: what cannot be read cannot be searched.
pub(crate) fn redact(raw: RawResponse, scanner: Arc<Scanner>) -> Result<(Head, RedactedBody)> {
    let mut found = Found::default();
    let no_body = raw.bodiless || raw.body.is_end_stream();
    let decoder = if no_body { None } else { Decoder::for_headers(&raw.headers)? };
    let mut headers = raw.headers;
    if decoder.is_some() {
        headers.remove(header::CONTENT_ENCODING);
        headers.remove(header::CONTENT_LENGTH);
    }
    let mut headers = redacted_fields(headers, &scanner, &mut found);
    let socket = raw.socket.map(|mut raw| {
        // Ours, and made of what the program said.
        headers.extend(std::mem::take(&mut raw.opened.answer));
        Box::new(Socket::new(*raw, &scanner, found.clone()))
    });
    let reason = raw.reason.map(|reason| {
        let text = scanner.redact_text(&reason, &mut found).unwrap_or_else(|| reason.to_vec());
        String::from_utf8_lossy(&text).into_owned()
    });
    let head = Head { status: raw.status, reason, headers };
    let body = RedactedBody {
        incoming: raw.body,
        decoder,
        redactor: Redactor::new(Arc::clone(&scanner)),
        scanner,
        head: found,
        trailers: HeaderMap::new(),
        out: Vec::new(),
        state: if raw.bodiless { State::Done } else { State::First },
        _place: raw.place,
        socket,
    };
    Ok((head, body))
}

/// Fields without values. A field whose very name holds one is left out.
fn redacted_fields(fields: HeaderMap, scanner: &Scanner, found: &mut Found) -> HeaderMap {
    if scanner.is_empty() {
        return fields;
    }
    let mut safe = HeaderMap::with_capacity(fields.len());
    for (name, value) in &fields {
        if scanner.redact_text(name.as_str().as_bytes(), found).is_some() {
            continue;
        }
        safe.append(name.clone(), redacted_field(name, value, scanner, found));
    }
    safe
}

fn redacted_field(name: &HeaderName, value: &HeaderValue, scanner: &Scanner, found: &mut Found) -> HeaderValue {
    match scanner.redact_text(value.as_bytes(), found) {
        None => value.clone(),
        Some(text) => HeaderValue::from_bytes(&text).unwrap_or_else(|_| {
            HeaderValue::from_static(if name == header::LOCATION { "" } else { crate::response::UNNAMED })
        }),
    }
}

/// A body without values.
pub(crate) struct RedactedBody {
    incoming: Incoming,
    decoder: Option<Decoder>,
    redactor: Redactor,
    scanner: Arc<Scanner>,
    head: Found,
    trailers: HeaderMap,
    out: Vec<u8>,
    state: State,
    /// Held until the body is over.
    _place: Option<Place>,
    socket: Option<Box<Socket>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    First,
    Streaming,
    Done,
}

impl RedactedBody {
    /// The WebSocket in place of a body.
    pub(crate) fn take_socket(&mut self) -> Option<Box<Socket>> {
        self.socket.take()
    }

    /// What was found so far.
    pub(crate) fn found(&self) -> Found {
        let mut all = self.head.clone();
        all.merge(self.redactor.found());
        all
    }

    fn take(&mut self, data: Bytes) -> Result<Option<Bytes>> {
        // The whole body in one piece, as small ones mostly are: searched where it lies, and untouched when clean.
        if self.state == State::First && self.decoder.is_none() && self.incoming.is_end_stream() {
            self.state = State::Done;
            return Ok(Some(self.scanner.redact_bytes(data, &mut self.head)));
        }
        self.state = State::Streaming;
        let (redactor, out) = (&mut self.redactor, &mut self.out);
        match &mut self.decoder {
            None => redactor.push(&data, out),
            Some(decoder) => decoder.push(&data, &mut |decoded| {
                redactor.push(decoded, out);
                Ok(())
            })?,
        }
        Ok(self.released())
    }

    fn finish(&mut self) -> Result<Option<Bytes>> {
        self.state = State::Done;
        if let Some(decoder) = &mut self.decoder {
            decoder.finish()?;
        }
        self.redactor.finish(&mut self.out);
        Ok(self.released())
    }

    fn released(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| Bytes::from(std::mem::take(&mut self.out)))
    }

    fn broken(&mut self, why: Error) -> Poll<Option<Result<Bytes>>> {
        self.state = State::Done;
        Poll::Ready(Some(Err(why)))
    }
}

impl SafeBody for RedactedBody {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        while self.state != State::Done {
            let taken = match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                None => self.finish(),
                Some(Err(_)) => {
                    let why = Error::new(
                        ErrorCode::UpstreamUnreachable,
                        "the upstream broke off in the middle of its answer",
                    );
                    return self.broken(why.at(Stage::Redact));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.take(data),
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            self.trailers = redacted_fields(trailers, &self.scanner, &mut self.head);
                        }
                        continue;
                    }
                },
            };
            match taken {
                Ok(Some(bytes)) if !bytes.is_empty() => return Poll::Ready(Some(Ok(bytes))),
                Ok(_) => {}
                Err(why) => return self.broken(why),
            }
        }
        Poll::Ready(None)
    }

    fn is_over(&self) -> bool {
        self.state == State::Done || self.incoming.is_end_stream()
    }

    fn tail(&self) -> Tail {
        let all = self.found();
        Tail {
            redacted: all.names().cloned().collect(),
            unnamed: all.unnamed(),
            trailers: self.trailers.clone(),
            audit_incomplete: false,
        }
    }
}
