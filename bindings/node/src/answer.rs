//! What comes of work, and how JavaScript sees it.

use agentsecrets::response::{Buffered, Response};
use agentsecrets_bridge::{Ended, Error};
use bytes::Bytes;
use http::HeaderMap;
use napi_derive::napi;
use serde_json::Value;

use crate::child::{Exit, NativeChild};
use crate::piece::Piece;
use crate::refusal::Refusal;
use crate::stream::BodyStream;

/// What came of work.
pub(crate) enum Outcome {
    Failed(Error),
    Response(Box<Buffered>),
    Opened(Head, BodyStream),
    Chunk(Bytes),
    Ended(Tail),
    /// Whether a piece of a request body was taken.
    Taken(bool),
    Answer(Value),
    Spawned(NativeChild),
    Exited(Ended),
}

/// What came of the work of this id; one field beside `id` is set.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct Completion {
    /// The work's id.
    pub id: u32,
    /// It failed.
    pub error: Option<Refusal>,
    /// A response's head.
    pub head: Option<Head>,
    /// A whole body, beside `head` and `tail`.
    pub body: Option<Piece>,
    /// A body to be read, beside `head`.
    pub stream: Option<BodyStream>,
    /// The next piece of a body.
    pub chunk: Option<Piece>,
    /// What is known at a body's end.
    pub tail: Option<Tail>,
    /// Whether a piece of a request body was taken.
    pub taken: Option<bool>,
    /// The answer to a question.
    pub answer: Option<Value>,
    /// A child that was started.
    pub child: Option<NativeChild>,
    /// How a child ended.
    pub exit: Option<Exit>,
}

/// A response before its body.
#[napi(object, object_from_js = false)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// The URL that answered.
    pub url: String,
    /// Names and values in turn.
    pub headers: Vec<String>,
}

/// What is known at a body's end.
#[napi(object, object_from_js = false)]
pub struct Tail {
    /// The names of the values that came back.
    pub redacted: Vec<String>,
    /// Names and values in turn.
    pub trailers: Vec<String>,
    /// Whether the record of the call's end could not be written.
    pub audit_incomplete: bool,
    /// Milliseconds from the call to the last byte, for a whole response.
    pub duration_ms: Option<f64>,
}

impl Head {
    pub(crate) fn of(response: &Response) -> Self {
        Self {
            status: response.status().as_u16(),
            reason: response.reason().to_owned(),
            url: response.url().to_string(),
            headers: header_texts(response.headers()),
        }
    }
}

impl Tail {
    pub(crate) fn of(response: &Response) -> Self {
        Self {
            redacted: response.redacted().iter().map(ToString::to_string).collect(),
            trailers: header_texts(&response.trailers()),
            audit_incomplete: response.audit_incomplete(),
            duration_ms: None,
        }
    }
}

impl Completion {
    pub(crate) fn of((id, outcome): (u32, Outcome)) -> Self {
        let mut completion = Self { id, ..Self::default() };
        match outcome {
            Outcome::Failed(error) => completion.error = Some(Refusal::from(&error)),
            Outcome::Response(response) => completion.buffered(*response),
            Outcome::Opened(head, stream) => {
                completion.head = Some(head);
                completion.stream = Some(stream);
            }
            Outcome::Chunk(bytes) => completion.chunk = Some(Piece::part(bytes)),
            Outcome::Ended(tail) => completion.tail = Some(tail),
            Outcome::Taken(taken) => completion.taken = Some(taken),
            Outcome::Answer(answer) => completion.answer = Some(answer),
            Outcome::Spawned(child) => completion.child = Some(child),
            Outcome::Exited(ended) => completion.exit = Some(Exit::of(ended)),
        }
        completion
    }

    fn buffered(&mut self, response: Buffered) {
        self.head = Some(Head {
            status: response.status.as_u16(),
            reason: response.reason,
            url: response.url.to_string(),
            headers: header_texts(&response.headers),
        });
        self.tail = Some(Tail {
            redacted: response.redacted.iter().map(ToString::to_string).collect(),
            trailers: header_texts(&response.trailers),
            audit_incomplete: response.audit_incomplete,
            duration_ms: Some(response.duration_ms),
        });
        self.body = Some(Piece::whole(response.content));
    }
}

/// Names and values in turn; each byte of a value is the character of its number, as the `Headers` of the web want it
/// (Fetch, "isomorphic decode").
fn header_texts(headers: &HeaderMap) -> Vec<String> {
    let mut texts = Vec::with_capacity(headers.len() * 2);
    for (name, value) in headers {
        texts.push(name.as_str().to_owned());
        texts.push(match value.to_str() {
            Ok(text) => text.to_owned(),
            Err(_) => value.as_bytes().iter().map(|byte| char::from(*byte)).collect(),
        });
    }
    texts
}
