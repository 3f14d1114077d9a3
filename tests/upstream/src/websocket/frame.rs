//! Frames as a server writes and reads them, compressed where that was agreed.

use std::io;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::message::Request;

pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
const PONG: u8 = 10;
const TAIL: [u8; 4] = [0, 0, 255, 255];

/// A frame, or a message made of several.
pub(super) struct Frame {
    pub(super) opcode: u8,
    pub(super) payload: Vec<u8>,
}

/// Both directions of one socket.
pub(super) struct Codec {
    compress: Compress,
    decompress: Decompress,
    server_forgets: bool,
    client_forgets: bool,
}

impl Codec {
    pub(super) fn new(request: &Request) -> Self {
        let params = request.param("deflate").unwrap_or_default();
        Self {
            compress: Compress::new(Compression::default(), false),
            decompress: Decompress::new(false),
            server_forgets: params.contains("server_no_context_takeover"),
            client_forgets: params.contains("client_no_context_takeover"),
        }
    }

    /// A message cut into frames.
    pub(super) fn frames(&mut self, message: &Frame, every: usize, deflate: bool) -> Vec<Vec<u8>> {
        let payload = if deflate { self.deflated(&message.payload) } else { message.payload.clone() };
        let pieces: Vec<&[u8]> = if payload.is_empty() { vec![&[]] } else { payload.chunks(every).collect() };
        let last = pieces.len() - 1;
        let frame = |(at, piece): (usize, &&[u8])| {
            let opcode = if at == 0 { message.opcode | if deflate { 0x40 } else { 0 } } else { 0 };
            let mut bytes = head(opcode | if at == last { 0x80 } else { 0 }, piece.len());
            bytes.extend_from_slice(piece);
            bytes
        };
        pieces.iter().enumerate().map(frame).collect()
    }

    fn deflated(&mut self, payload: &[u8]) -> Vec<u8> {
        if self.server_forgets {
            self.compress.reset();
        }
        let mut out = Vec::with_capacity(payload.len() + (payload.len() >> 8) + 64);
        self.compress.compress_vec(payload, &mut out, FlushCompress::Sync).expect("there is room");
        assert!(out.ends_with(&TAIL), "all was flushed");
        out.truncate(out.len() - TAIL.len());
        out
    }

    /// The next message; `None` where the client closes, which is answered, or has gone.
    pub(super) async fn message<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
    ) -> io::Result<Option<Frame>> {
        let (mut opcode, mut coded, mut payload) = (0, false, Vec::new());
        loop {
            let Ok(first) = stream.read_u8().await else { return Ok(None) };
            let part = unmasked(stream).await?;
            match first & 0x0f {
                CLOSE => {
                    stream.write_all(&[&head(0x80 | CLOSE, part.len())[..], &part].concat()).await?;
                    stream.flush().await?;
                    return Ok(None);
                }
                PING => {
                    stream.write_all(&[&head(0x80 | PONG, part.len())[..], &part].concat()).await?;
                    stream.flush().await?;
                    continue;
                }
                PONG => continue,
                0 => {}
                kind => (opcode, coded) = (kind, first & 0x40 != 0),
            }
            payload.extend(part);
            if first & 0x80 != 0 {
                let payload = if coded { self.inflated(payload)? } else { payload };
                return Ok(Some(Frame { opcode, payload }));
            }
        }
    }

    fn inflated(&mut self, mut payload: Vec<u8>) -> io::Result<Vec<u8>> {
        if self.client_forgets {
            self.decompress.reset(false);
        }
        payload.extend(TAIL);
        let mut out = Vec::new();
        let mut read = 0;
        loop {
            out.reserve(64 << 10);
            let (before, had) = (self.decompress.total_in(), out.len());
            let status = self.decompress.decompress_vec(&payload[read..], &mut out, FlushDecompress::Sync);
            status.map_err(io::Error::other)?;
            let step = usize::try_from(self.decompress.total_in() - before).expect("a slice");
            read += step;
            if step == 0 && out.len() == had {
                return Ok(out);
            }
        }
    }
}

pub(super) fn head(first: u8, length: usize) -> Vec<u8> {
    let mut head = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) if length < 126 => head.push(length),
        (_, Ok(length)) => head.extend([&[126][..], &length.to_be_bytes()].concat()),
        _ => head.extend([&[127][..], &(length as u64).to_be_bytes()].concat()),
    }
    head
}

async fn unmasked<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Vec<u8>> {
    let second = stream.read_u8().await?;
    let length = match second & 0x7f {
        126 => u64::from(stream.read_u16().await?),
        127 => stream.read_u64().await?,
        short => u64::from(short),
    };
    if second & 0x80 == 0 {
        return Err(io::Error::other("a client masks its frames"));
    }
    let mut key = [0; 4];
    stream.read_exact(&mut key).await?;
    let mut payload = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    stream.read_exact(&mut payload).await?;
    for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
    Ok(payload)
}
