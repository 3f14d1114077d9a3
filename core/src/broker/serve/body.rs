//! The body of an answer on the socket.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::super::protocol::{TAIL, TailHeader, json_header};
use crate::error::Result;
use crate::response::SafeBody;

/// An answer's body on its way to the caller, with what is known only at its end as a trailer field.
pub struct AnswerBody(State);

impl AnswerBody {
    pub(super) fn none() -> Self {
        Self(State::Done)
    }

    pub(super) fn whole(bytes: Bytes) -> Self {
        Self(State::Whole(bytes))
    }

    /// What is at hand already, and then what comes.
    pub(super) fn streaming(first: Bytes, body: Box<dyn SafeBody>) -> Self {
        Self(State::Streaming { first: Some(first).filter(|bytes| !bytes.is_empty()), body })
    }
}

enum State {
    Whole(Bytes),
    Streaming { first: Option<Bytes>, body: Box<dyn SafeBody> },
    Done,
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let (error, tail) = match &mut self.0 {
            State::Done => return Poll::Ready(None),
            State::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = State::Done;
                return Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))));
            }
            State::Streaming { first, body } => match first.take() {
                Some(first) => return Poll::Ready(Some(Ok(Frame::data(first)))),
                None => match ready!(body.poll_chunk(cx)) {
                    Some(Ok(chunk)) => return Poll::Ready(Some(Ok(Frame::data(chunk)))),
                    Some(Err(error)) => (Some(error), body.tail()),
                    None => (None, body.tail()),
                },
            },
        };
        self.0 = State::Done;
        let mut trailers = HeaderMap::new();
        if let Ok(value) = json_header(&TailHeader::of(&tail, error.as_ref())) {
            trailers.insert(TAIL, value);
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            State::Whole(bytes) => bytes.is_empty(),
            State::Streaming { .. } => false,
            State::Done => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            State::Streaming { .. } => SizeHint::default(),
            State::Done => SizeHint::with_exact(0),
        }
    }
}
