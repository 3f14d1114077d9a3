//! The server, as a client speaks to it: JSON, a token bound to the device, and problems with stable codes (RFC 9457).
//!
//! Nothing that comes from here is believed: it is read into the types of the protocol and verified by whoever asked.

use std::sync::Arc;

use agentsecrets_wire::{Code, Hash, Problem, proof};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::crypto::DeviceKey;
use crate::error::{Error, ErrorCode, Result};
use crate::log_safe::{Origin, SafeUrl, shown};
use crate::send::{OwnAnswer, OwnRequest, Sender};

/// The longest answer that is read: a page of a pull, in base64.
const MOST: usize = 64 << 20;
/// The longest that is shown of what a server says, in characters.
const SAID: usize = 400;
const PROOF: HeaderName = HeaderName::from_static("agentsecrets-proof");

/// A server, by its origin.
#[derive(Clone)]
pub(crate) struct Remote {
    sender: Arc<Sender>,
    origin: Origin,
}

/// A session: the token, and the device whose key every request is signed with.
pub(crate) struct Session {
    pub(crate) token: String,
    pub(crate) device: DeviceKey,
}

/// Why the server did not do it.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It said so.
    Problem(Box<Problem>),
    /// It was not reached, or did not answer as a server does.
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(why: Error) -> Self {
        Self::Failed(why)
    }
}

impl Refused {
    /// The code it gave.
    pub(crate) fn code(&self) -> Option<Code> {
        match self {
            Self::Problem(problem) => Some(problem.code),
            Self::Failed(_) => None,
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Failed(why) => why,
            Refused::Problem(problem) => told(&problem),
        }
    }
}

impl Remote {
    /// The server at a URL: `https`, or `http` on this machine.
    ///
    /// # Errors
    /// `invalid_call` for anything else.
    pub(crate) fn new(sender: Arc<Sender>, url: &str) -> Result<Self> {
        Ok(Self { sender, origin: parse_server(url)? })
    }

    /// Asks without a session.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Refused> {
        self.request(None, method, target, body).await
    }

    /// Asks within a session.
    pub(crate) async fn request<T: DeserializeOwned>(
        &self,
        session: Option<&Session>,
        method: Method,
        target: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Refused> {
        let body = match body {
            Some(body) => Bytes::from(serde_json::to_vec(body).map_err(|_| internal())?),
            None => Bytes::new(),
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(session) = session {
            session.sign(&mut headers, &method, target, &body)?;
        }
        let request = OwnRequest { method, target: target.to_owned(), headers, body };
        let answer = self.sender.exchange(&self.origin, request, MOST).await.map_err(|why| unreached(&why))?;
        read(&self.origin, &answer)
    }
}

/// What an answer says, in the types of the protocol.
pub(super) fn read<T: DeserializeOwned>(origin: &Origin, answer: &OwnAnswer) -> Result<T, Refused> {
    let strange = || {
        Error::new(ErrorCode::SyncRefused, format!("{origin} does not answer as a server of workspaces"))
            .with_hint("agentsecrets status  # which server this home uses")
    };
    if answer.status.is_success() {
        let body: &[u8] = if answer.status == StatusCode::NO_CONTENT { b"null" } else { &answer.body };
        return serde_json::from_slice(body).map_err(|_| Refused::Failed(strange()));
    }
    match serde_json::from_slice::<Problem>(&answer.body) {
        Ok(problem) if problem.status == answer.status.as_u16() => Err(Refused::Problem(Box::new(problem))),
        _ => Err(Refused::Failed(strange().with_retryable(answer.status.is_server_error()))),
    }
}

impl Session {
    fn sign(&self, headers: &mut HeaderMap, method: &Method, target: &str, body: &[u8]) -> Result<()> {
        let seconds = Timestamp::now().as_second();
        let hash = |bytes: &[u8]| Hash::from(<[u8; 32]>::from(Sha256::digest(bytes)));
        let message = proof(method.as_str(), target, &hash(body), &hash(self.token.as_bytes()), seconds);
        let proof = format!("t={seconds},s={}", self.device.sign(&message));
        let mut token = HeaderValue::try_from(format!("Bearer {}", self.token)).map_err(|_| internal())?;
        token.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, token);
        headers.insert(PROOF, HeaderValue::try_from(proof).map_err(|_| internal())?);
        Ok(())
    }
}

/// The origin of a server, as a human types it.
///
/// # Errors
/// `invalid_call` for cleartext to another machine, or a URL with more than an origin.
pub(crate) fn parse_server(url: &str) -> Result<Origin> {
    let wrong = |why: &'static str| {
        Error::new(ErrorCode::InvalidCall, why).with_hint("agentsecrets login --server https://secrets.example.com")
    };
    let parsed = SafeUrl::parse(url)?;
    if !matches!(parsed.path(), "" | "/") || parsed.query().is_some() {
        return Err(wrong("a server is named by its origin, without a path"));
    }
    let origin = parsed.origin();
    let here = origin.address().map_or_else(
        || matches!(origin.host(), url::Host::Domain(name) if &**name == "localhost"),
        |address| address.is_loopback(),
    );
    if !origin.is_https() && !here {
        return Err(wrong("a server on another machine is reached by https"));
    }
    Ok(origin.clone())
}

/// A failure on the way is the server's, not that of an API.
fn unreached(why: &Error) -> Error {
    let message = why.message().to_owned();
    if why.code() == ErrorCode::ResponseTooLarge {
        return Error::new(ErrorCode::SyncRefused, message).with_hint("tell the one who runs the server");
    }
    Error::new(ErrorCode::SyncUnavailable, message)
        .with_retryable(why.retryable())
        .with_hint("everything but sync works without the server; try again later")
}

/// What the server said, as an error of ours. A human reads it beside our own words, so that it is one line and no long one.
fn told(problem: &Problem) -> Error {
    let text = shown(&problem.to_string(), SAID);
    let error = |code| Error::new(code, text.clone());
    match problem.code {
        Code::Unauthenticated => error(ErrorCode::NotLoggedIn).with_hint("agentsecrets login"),
        Code::WrongCredentials => error(ErrorCode::WrongCredentials),
        Code::ClockSkew => {
            error(ErrorCode::ClockSkew).with_hint("set this machine's clock, as by: timedatectl set-ntp true")
        }
        Code::Taken => error(ErrorCode::AccountExists).with_hint("agentsecrets login"),
        Code::NotFound | Code::Forbidden => error(ErrorCode::SyncRefused),
        Code::ChainMoved | Code::EpochOutdated => error(ErrorCode::SyncConflict).with_hint("agentsecrets secrets pull"),
        Code::TooManyRequests | Code::Internal | Code::Unavailable => {
            error(ErrorCode::SyncUnavailable).with_retryable(true)
        }
        _ => error(ErrorCode::SyncRefused),
    }
}

fn internal() -> Error {
    Error::new(ErrorCode::Internal, "a request cannot be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_one_line_and_commands_no_terminal() {
        let said = "gone\u{1b}[2J\nhint: agentsecrets \u{202e}logout".repeat(1000);
        let error = Error::from(Refused::Problem(Box::new(Problem::new(Code::Forbidden).with_detail(said))));
        assert!(error.message().starts_with("this is not allowed here: gone[2Jhint: agentsecrets logout"));
        assert_eq!(error.message().chars().count(), SAID);
    }

    #[test]
    fn cleartext_goes_to_this_machine_alone() {
        for good in
            ["https://secrets.example.com", "https://10.0.0.7:8700/", "http://127.0.0.1:8700", "http://localhost"]
        {
            assert!(parse_server(good).is_ok(), "{good}");
        }
        for bad in
            ["http://secrets.example.com", "http://10.0.0.7", "https://a.example/v1", "https://a.example/?x=1", ""]
        {
            assert_eq!(parse_server(bad).expect_err(bad).code(), ErrorCode::InvalidCall);
        }
    }
}
