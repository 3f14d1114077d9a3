//! Writing replies, right or wrong as they are told.

use std::io;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::message::{Framing, Payload, Reply};
use crate::record::Outcome;
use crate::ticket::Ticket;

/// Writes one reply. `Ok(false)` where the end of the body is the end of the connection; an error of kind
/// `Interrupted` where the route asked to break off.
pub(super) async fn reply<W: AsyncWrite + Unpin>(
    write: &mut W,
    method: &str,
    keep: bool,
    reply: Reply,
    ticket: &mut Option<Ticket>,
) -> io::Result<bool> {
    let bodiless = method == "HEAD" || matches!(reply.status, 204 | 304 | 100..=199);
    let framing = match (reply.framing, &reply.payload) {
        (Framing::Auto, Payload::Full(body)) if reply.trailers.is_empty() => Framing::Length(body.len() as u64),
        (Framing::Auto, _) => Framing::Chunked,
        (told, _) => told,
    };
    let head = head(&reply, framing, keep);
    write.write_all(&head).await?;
    if bodiless {
        write.flush().await?;
        finish(ticket);
        return Ok(keep);
    }
    let mut honest = true;
    match reply.payload {
        Payload::Full(body) => {
            honest = !matches!(framing, Framing::Length(told) if told != body.len() as u64);
            chunk(write, framing, &body).await?;
        }
        Payload::Stream(mut stream) => {
            write.flush().await?;
            while let Some(piece) = stream.next().await {
                chunk(write, framing, &piece.map_err(|_| io::ErrorKind::Interrupted)?).await?;
                write.flush().await?;
            }
        }
    }
    if framing == Framing::Chunked {
        end(write, &reply.trailers).await?;
    }
    // Before the flush: whoever has read the answer finds it recorded as answered.
    finish(ticket);
    write.flush().await?;
    Ok(honest && framing != Framing::Close)
}

fn finish(ticket: &mut Option<Ticket>) {
    if let Some(ticket) = ticket {
        ticket.finish(Outcome::Answered);
    }
}

fn head(reply: &Reply, framing: Framing, keep: bool) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} ", reply.status).into_bytes();
    match &reply.reason {
        Some(reason) => head.extend_from_slice(reason),
        None => {
            let known = http::StatusCode::from_u16(reply.status).ok().and_then(|status| status.canonical_reason());
            head.extend_from_slice(known.unwrap_or_default().as_bytes());
        }
    }
    head.extend_from_slice(b"\r\n");
    for (name, value) in &reply.headers {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    match framing {
        Framing::Length(_) if matches!(reply.status, 204 | 100..=199) => {}
        Framing::Length(length) => head.extend_from_slice(format!("content-length: {length}\r\n").as_bytes()),
        Framing::Chunked => head.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Framing::Auto | Framing::Close => {}
    }
    if !keep || framing == Framing::Close {
        head.extend_from_slice(b"connection: close\r\n");
    }
    if !reply.trailers.is_empty() {
        let names: Vec<&str> = reply.trailers.iter().map(|(name, _)| name.as_str()).collect();
        head.extend_from_slice(format!("trailer: {}\r\n", names.join(", ")).as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head
}

async fn chunk<W: AsyncWrite + Unpin>(write: &mut W, framing: Framing, piece: &Bytes) -> io::Result<()> {
    if framing != Framing::Chunked {
        return write.write_all(piece).await;
    }
    if piece.is_empty() {
        return Ok(());
    }
    let mut framed = format!("{:x}\r\n", piece.len()).into_bytes();
    framed.extend_from_slice(piece);
    framed.extend_from_slice(b"\r\n");
    write.write_all(&framed).await
}

async fn end<W: AsyncWrite + Unpin>(write: &mut W, trailers: &[(String, Vec<u8>)]) -> io::Result<()> {
    let mut end = b"0\r\n".to_vec();
    for (name, value) in trailers {
        end.extend_from_slice(name.as_bytes());
        end.extend_from_slice(b": ");
        end.extend_from_slice(value);
        end.extend_from_slice(b"\r\n");
    }
    end.extend_from_slice(b"\r\n");
    write.write_all(&end).await
}
