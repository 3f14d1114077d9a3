//! The opening handshake on both sides of us (RFC 6455, section 4): a program's is answered with ours, which is another
//! one than that with the upstream.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use sha1::{Digest, Sha1};

use super::PROTOCOL;
use super::extension::{Agreed, OFFER, agree};
use crate::call::handshake::{Handshake, joined};
use crate::error::Result;

/// What is joined to a key before it is hashed (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake with an upstream under way.
pub(crate) struct Offered {
    accept: HeaderValue,
    /// The subprotocols on the wire, with a value where one goes.
    protocols: Option<HeaderValue>,
    compression: bool,
}

/// What an upstream agreed to.
pub(crate) struct Opened {
    /// Compression between the upstream and here.
    pub(crate) deflate: Option<Agreed>,
    /// Compression between the program and here, and whether the program begins anew with each message.
    pub(crate) from_program: Option<bool>,
    /// The headers by which the program is told.
    pub(crate) answer: HeaderMap,
}

impl Offered {
    /// Makes a request a handshake with an upstream: with a key of its own, and no extension but the one that is known
    /// here, where the program offers it.
    pub(crate) fn write(asked: &Handshake, headers: &mut HeaderMap) -> Result<Self> {
        let compression = agreement(asked).is_some();
        let own = Handshake::make(compression.then(|| HeaderValue::from_static(OFFER)))?;
        own.write(headers);
        Ok(Self { accept: accept(&own.key), protocols: joined(headers, &header::SEC_WEBSOCKET_PROTOCOL), compression })
    }

    /// Reads the upstream's answer (section 4.1).
    ///
    /// # Errors
    /// Why the answer is none, in words that repeat nothing of it.
    pub(crate) fn read(&self, asked: &Handshake, headers: &HeaderMap) -> Result<Opened, &'static str> {
        if !says(headers, &header::UPGRADE, PROTOCOL) || !says(headers, &header::CONNECTION, "upgrade") {
            return Err("it changed to another protocol");
        }
        if headers.get(header::SEC_WEBSOCKET_ACCEPT) != Some(&self.accept) {
            return Err("it did not understand the key");
        }
        let deflate = match joined(headers, &header::SEC_WEBSOCKET_EXTENSIONS) {
            None => None,
            Some(_) if !self.compression => return Err("it agrees to an extension that was not offered"),
            Some(answer) => Agreed::read(answer.to_str().unwrap_or("?"))?,
        };
        let mut answer = HeaderMap::new();
        answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept(&asked.key));
        let agreement = agreement(asked).filter(|_| deflate.is_some());
        if let Some((said, _)) = &agreement
            && let Ok(said) = HeaderValue::from_str(said)
        {
            answer.insert(header::SEC_WEBSOCKET_EXTENSIONS, said);
        }
        if let Some(said) = headers.get(header::SEC_WEBSOCKET_PROTOCOL) {
            let chosen = self.position(said).ok_or("it chose a subprotocol that was not offered")?;
            // As the program wrote it: with the name in it, where a value stood on the wire.
            if let Some(Ok(said)) = asked.protocols.get(chosen).map(|said| HeaderValue::from_str(said)) {
                answer.insert(header::SEC_WEBSOCKET_PROTOCOL, said);
            }
        }
        Ok(Opened { deflate, from_program: agreement.map(|(_, forgets)| forgets), answer })
    }

    /// Where a subprotocol stands in the list that was sent.
    fn position(&self, said: &HeaderValue) -> Option<usize> {
        let list = self.protocols.as_ref()?.as_bytes();
        list.split(|byte| *byte == b',').position(|one| one.trim_ascii() == said.as_bytes())
    }
}

/// Takes out what every handshake has of its own.
pub(crate) fn strip(headers: &mut HeaderMap) {
    for name in [header::SEC_WEBSOCKET_ACCEPT, header::SEC_WEBSOCKET_EXTENSIONS, header::SEC_WEBSOCKET_PROTOCOL] {
        headers.remove(name);
    }
}

fn agreement(asked: &Handshake) -> Option<(String, bool)> {
    agree(asked.offers.as_ref()?.to_str().ok()?)
}

fn says(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let mut lists = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lists.any(|list| list.split(',').any(|said| said.trim().eq_ignore_ascii_case(word)))
}

fn accept(key: &HeaderValue) -> HeaderValue {
    let hash = Sha1::new().chain_update(key.as_bytes()).chain_update(GUID).finalize();
    HeaderValue::from_str(&STANDARD.encode(hash)).unwrap_or(HeaderValue::from_static(""))
}
