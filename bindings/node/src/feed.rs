//! A request body that JavaScript gives piece by piece.

use std::collections::HashMap;
use std::future::Future as _;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use agentsecrets::Body;
use agentsecrets_bridge::{Feed, feed};
use bytes::Bytes;
use napi_derive::napi;

use crate::answer::Outcome;
use crate::mailbox::{Mailbox, Shared, locked};

/// Bodies that wait for the call they belong to.
#[derive(Default)]
pub(crate) struct Bodies(Mutex<HashMap<u32, Body>>);

impl Bodies {
    pub(crate) fn take(&self, id: u32) -> Option<Body> {
        locked(&self.0).remove(&id)
    }
}

/// What became of a piece at once.
#[napi]
pub enum Given {
    /// Nobody reads any more.
    Unwanted,
    /// There was room for it.
    Taken,
    /// It waits; `taken` is delivered.
    Waits,
}

/// The end that feeds a body. Dropped before `finish`, it breaks the request off.
#[napi]
pub struct BodyFeed {
    id: u32,
    feed: Option<Feed>,
    mailbox: Arc<Shared>,
}

#[napi]
impl BodyFeed {
    /// A feed known to `mailbox` under `id`, for a body of `length` bytes where that is known.
    #[napi(constructor)]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // JavaScript gives a `Blob`'s size.
    pub fn new(mailbox: &Mailbox, id: u32, length: Option<f64>) -> Self {
        let (feed, body) = feed(length.map(|length| length as u64));
        let mailbox = mailbox.shared();
        locked(&mailbox.bodies.0).insert(id, body);
        Self { id, feed: Some(feed), mailbox }
    }

    /// Gives a piece.
    #[napi]
    pub fn give(&self, id: u32, piece: &[u8]) -> Given {
        let piece = Bytes::copy_from_slice(piece);
        self.push(id, Some(piece))
    }

    /// Ends the body.
    #[napi]
    pub fn finish(&self, id: u32) -> Given {
        self.push(id, None)
    }

    /// Lets go of the body: unfinished, it breaks the request off.
    #[napi]
    pub fn close(&mut self) {
        self.feed = None;
        drop(self.mailbox.bodies.take(self.id));
    }

    /// Most pieces find room at once, and cost no wake-up.
    fn push(&self, id: u32, piece: Option<Bytes>) -> Given {
        let Some(feed) = self.feed.clone() else { return Given::Unwanted };
        let mut work = Box::pin(async move { feed.wanted().await && feed.put(piece) });
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(true) => Given::Taken,
            Poll::Ready(false) => Given::Unwanted,
            Poll::Pending => match self.mailbox.begin(id, async move { Ok(Outcome::Taken(work.await)) }) {
                Ok(()) => Given::Waits,
                Err(_ending) => Given::Unwanted,
            },
        }
    }
}
