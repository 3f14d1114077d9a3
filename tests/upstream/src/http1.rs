//! HTTP/1.1 written out by hand: only so are heads kept byte for byte, and only so can a reply be wrong on purpose.

mod read;
mod write;

use std::io;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::mpsc;

use crate::http1::read::{Gone, Reader};
use crate::message::{Chunks, Reply, Request};
use crate::record::{Outcome, latin1};
use crate::routes::Router;
use crate::ticket::{Head, Ticket};

/// Serves one connection until either side ends it.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Send>(stream: S, router: &Router) {
    let (read, mut write) = split(stream);
    let mut reader = Reader::new(read);
    loop {
        let head = match reader.head().await {
            Ok(Some(head)) => head,
            Ok(None) => return,
            Err(_) => {
                let _ = write::reply(&mut write, "GET", false, Reply::refuse(400, "not HTTP/1.1"), &mut None).await;
                return;
            }
        };
        if head.expects_continue() && write.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err() {
            return;
        }
        let _ = write.flush().await;
        let keep = head.keeps_alive();
        let method = head.method.clone();
        let (feed, body) = mpsc::channel(2);
        let request = request(router, head, body);
        if router.serves_sockets() && crate::websocket::is_asked_for(&request) {
            let (buffer, read) = reader.into_parts();
            return crate::websocket::serve(crate::websocket::joined(buffer, read, write), request).await;
        }
        let answered = {
            let answer = answer(router, request, &method, keep, &mut write);
            let pump = reader.pump(feed);
            tokio::pin!(answer, pump);
            tokio::select! {
                biased;
                done = &mut answer => done,
                // Dropping `answer` drops its ticket, which says that the client went away.
                Gone = &mut pump => return,
            }
        };
        // A broken-off reply must not look like an orderly end: the socket closes without `close_notify`.
        let Ok(reusable) = answered else { return };
        if !(reusable && keep && reader.body_ended()) {
            let _ = write.shutdown().await;
            return;
        }
    }
}

fn request(router: &Router, head: read::Head, body: mpsc::Receiver<io::Result<Bytes>>) -> Request {
    let target = latin1(&head.target);
    let ticket = Ticket::open(
        &router.connection,
        &Head { version: &head.version, method: &head.method, target: &target, headers: &head.headers, raw: &head.raw },
    );
    let query = crate::message::parse_pairs(target.split_once('?').map_or("", |(_, query)| query));
    Request {
        method: head.method,
        target,
        headers: head.headers,
        chunks: Box::new(Fed(body)),
        ticket,
        body: Bytes::new(),
        query,
    }
}

/// Writes the answer; says whether the connection may carry another request.
async fn answer<W: AsyncWrite + Unpin>(
    router: &Router,
    request: Request,
    method: &str,
    keep: bool,
    write: &mut W,
) -> io::Result<bool> {
    let (reply, ticket) = router.answer(request).await;
    let mut ticket = Some(ticket);
    let wrote = write::reply(write, method, keep, reply, &mut ticket).await;
    if let Some(ticket) = &mut ticket {
        match &wrote {
            Ok(_) => ticket.finish(Outcome::Answered),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => ticket.finish(Outcome::BrokenOff),
            Err(_) => ticket.finish(Outcome::ClientClosed),
        }
    }
    wrote
}

struct Fed(mpsc::Receiver<io::Result<Bytes>>);

impl Chunks for Fed {
    fn next(&mut self) -> BoxFuture<'_, Option<io::Result<Bytes>>> {
        self.0.recv().boxed()
    }
}
