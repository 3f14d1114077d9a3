//! Reading heads and bodies.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

const HEAD_LIMIT: usize = 4 << 20;
const LINE_LIMIT: usize = 64 << 10;

/// A head, with its bytes.
pub(super) struct Head {
    pub(super) raw: Bytes,
    pub(super) method: String,
    pub(super) target: Vec<u8>,
    pub(super) version: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    fn parse(raw: &Bytes) -> Option<Self> {
        let mut lines = raw.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let mut words = lines.next()?.splitn(3, |byte| *byte == b' ');
        let method = String::from_utf8(words.next()?.to_vec()).ok()?;
        let target = words.next()?.to_vec();
        let version = String::from_utf8(words.next()?.to_vec()).ok()?;
        if method.is_empty() || target.is_empty() || !version.starts_with("HTTP/1.") {
            return None;
        }
        let mut headers = Vec::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = String::from_utf8(line[..colon].to_vec()).ok()?;
            headers.push((name, line[colon + 1..].trim_ascii().to_vec()));
        }
        Some(Self { raw: raw.clone(), method, target, version, headers })
    }

    fn value(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(&found.1).to_ascii_lowercase())
    }

    pub(super) fn expects_continue(&self) -> bool {
        self.value("expect").is_some_and(|value| value.contains("100-continue"))
    }

    pub(super) fn keeps_alive(&self) -> bool {
        match self.value("connection") {
            Some(value) => !value.contains("close"),
            None => self.version != "HTTP/1.0",
        }
    }

    fn body(&self) -> Option<Left> {
        if self.value("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
            return Some(Left::Chunked);
        }
        match self.value("content-length") {
            Some(length) => length.parse().ok().map(Left::Bytes),
            None => Some(Left::Bytes(0)),
        }
    }
}

/// What of the body is still to come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Bytes(u64),
    Chunked,
}

/// The client closed its side, or broke the rules.
pub(super) struct Gone;

/// The reading half of a connection, with what was read too far.
pub(super) struct Reader<R> {
    stream: R,
    buffer: BytesMut,
    left: Left,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(64 << 10), left: Left::Bytes(0) }
    }

    /// The next head; `None` where the connection ends in good order.
    pub(super) async fn head(&mut self) -> io::Result<Option<Head>> {
        let mut searched = 0;
        loop {
            if let Some(at) = find(&self.buffer[searched..], b"\r\n\r\n") {
                let raw = self.buffer.split_to(searched + at + 4).freeze();
                let head = Head::parse(&raw).ok_or(io::ErrorKind::InvalidData)?;
                self.left = head.body().ok_or(io::ErrorKind::InvalidData)?;
                return Ok(Some(head));
            }
            searched = self.buffer.len().saturating_sub(3);
            if self.buffer.len() > HEAD_LIMIT {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if self.fill().await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// What was read too far, and the rest.
    pub(super) fn into_parts(self) -> (BytesMut, R) {
        (self.buffer, self.stream)
    }

    pub(super) fn body_ended(&self) -> bool {
        self.left == Left::Bytes(0)
    }

    /// Hands the body on, then watches the connection; returns only when the client has gone.
    pub(super) async fn pump(&mut self, feed: mpsc::Sender<io::Result<Bytes>>) -> Gone {
        let read = match self.left {
            Left::Bytes(length) => self.plain(length, &feed).await,
            Left::Chunked => self.chunked(&feed).await,
        };
        if let Err(error) = read {
            let _ = feed.send(Err(error)).await;
            return Gone;
        }
        self.left = Left::Bytes(0);
        drop(feed);
        if self.buffer.is_empty() && !matches!(self.fill().await, Ok(1..)) {
            return Gone;
        }
        // The next request waits behind this one.
        std::future::pending().await
    }

    async fn plain(&mut self, mut length: u64, feed: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
        while length > 0 {
            if self.buffer.is_empty() && self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let take = usize::try_from(length).unwrap_or(usize::MAX).min(self.buffer.len());
            length -= take as u64;
            // A route may answer without the body; the rest is read all the same, and thrown away.
            let _ = feed.send(Ok(self.buffer.split_to(take).freeze())).await;
        }
        Ok(())
    }

    async fn chunked(&mut self, feed: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
        loop {
            let line = self.line().await?;
            let size = String::from_utf8_lossy(&line).split(';').next().unwrap_or_default().trim().to_owned();
            let size = u64::from_str_radix(&size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(());
            }
            self.plain(size, feed).await?;
            if !self.line().await?.is_empty() {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }

    async fn line(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let line = self.buffer.split_to(at + 2);
                return Ok(line.freeze().slice(..at));
            }
            if self.buffer.len() > LINE_LIMIT {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(32 << 10);
        self.stream.read_buf(&mut self.buffer).await
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
