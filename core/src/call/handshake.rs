//! What a program says that asks for a WebSocket (RFC 6455, section 4.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::error::{Error, ErrorCode, Result};

const VERSION: HeaderValue = HeaderValue::from_static("13");

/// A request for a WebSocket, without what belongs to every request. Its subprotocols stay in the call's headers too,
/// where a placeholder may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handshake {
    /// The key that is to be answered.
    pub(crate) key: HeaderValue,
    /// The extensions that are offered.
    pub(crate) offers: Option<HeaderValue>,
    /// The subprotocols that are offered, as they are written.
    pub(crate) protocols: Vec<String>,
}

impl Handshake {
    /// A handshake of our own.
    pub(crate) fn make(offers: Option<HeaderValue>) -> Result<Self> {
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(|_| Error::new(ErrorCode::Internal, "the system gives no randomness"))?;
        let key = HeaderValue::from_str(&STANDARD.encode(key));
        let key = key.map_err(|_| Error::new(ErrorCode::Internal, "a key is malformed"))?;
        Ok(Self { key, offers, protocols: Vec::new() })
    }

    /// Takes what belongs to a handshake out of a request's headers.
    ///
    /// # Errors
    /// `invalid_call` where the request is no handshake.
    pub(crate) fn take(headers: &mut HeaderMap) -> Result<Self> {
        let key = one(headers, &header::SEC_WEBSOCKET_KEY)?
            .filter(|key| STANDARD.decode(key.as_bytes()).is_ok_and(|key| key.len() == 16))
            .ok_or_else(|| malformed("its key is missing or malformed"))?;
        if one(headers, &header::SEC_WEBSOCKET_VERSION)? != Some(VERSION) {
            return Err(malformed("its version is not 13"));
        }
        let offers = joined(headers, &header::SEC_WEBSOCKET_EXTENSIONS);
        let protocols = joined(headers, &header::SEC_WEBSOCKET_PROTOCOL);
        for name in [header::SEC_WEBSOCKET_EXTENSIONS, header::SEC_WEBSOCKET_ACCEPT, header::UPGRADE] {
            headers.remove(name);
        }
        if let Some(all) = &protocols {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, all.clone());
        }
        Ok(Self { key, offers, protocols: protocols.as_ref().map(words).unwrap_or_default() })
    }

    /// Puts back what [`take`](Self::take) took, and what makes a request a handshake.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_KEY, self.key.clone());
        headers.insert(header::SEC_WEBSOCKET_VERSION, VERSION);
        if let Some(offers) = &self.offers {
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, offers.clone());
        }
    }
}

/// Takes a header out that may be there once.
fn one(headers: &mut HeaderMap, name: &HeaderName) -> Result<Option<HeaderValue>> {
    if headers.get_all(name).iter().count() > 1 {
        return Err(malformed("a header of it is there twice"));
    }
    Ok(headers.remove(name))
}

/// The lines of a header as one.
pub(crate) fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    match lines[..] {
        [] => None,
        [_] => headers.get(name).cloned(),
        _ => HeaderValue::from_bytes(&lines.join(&b", "[..])).ok(),
    }
}

/// The words of a list.
fn words(value: &HeaderValue) -> Vec<String> {
    let text = String::from_utf8_lossy(value.as_bytes());
    text.split(',').map(|word| word.trim().to_owned()).collect()
}

fn malformed(why: &str) -> Error {
    Error::new(ErrorCode::InvalidCall, format!("the request for a WebSocket is malformed: {why}"))
}
