//! What crosses the socket: plain HTTP/1.1 with an absolute-form target, and JSON in a few `agentsecrets-*` headers.
//!
//! The protocol is additive: a side ignores fields it does not know. `MAJOR` moves only when that is not enough.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use serde::{Deserialize, Serialize};

use crate::call::{Auth, Body, Call, FieldPath, Injection, parse_header_name};
use crate::context::Selection;
use crate::control::WireError;
use crate::error::{Error, ErrorCode, Result};
use crate::response::Tail;
use crate::secret_ref::{SecretName, SecretRef};

/// The protocol's version: raised only by a change that older sides cannot ignore.
pub(crate) const MAJOR: u32 = 1;

/// What a call says besides being an HTTP request.
pub(crate) const CALL: HeaderName = HeaderName::from_static("agentsecrets-call");
/// What an answer says besides being the upstream's.
pub(crate) const ANSWER: HeaderName = HeaderName::from_static("agentsecrets-answer");
/// An error instead of an answer.
pub(crate) const ERROR: HeaderName = HeaderName::from_static("agentsecrets-error");
/// What is known only after the body: a trailer field, or a header where the body was at hand.
pub(crate) const TAIL: HeaderName = HeaderName::from_static("agentsecrets-tail");

/// Where questions are posted.
pub(crate) const ASK_PATH: &str = "/v1/ask";
/// Where values are put.
pub(crate) const SET_PATH: &str = "/v1/set";
pub(crate) const SET_MANY_PATH: &str = "/v1/set-many";
/// Where a machine's enrolment is put.
pub(crate) const ENROL_PATH: &str = "/v1/enrol";
/// Where a door is asked for: the connection becomes a conversation.
pub(crate) const DOOR_PATH: &str = "/v1/door";
/// What it becomes.
pub(crate) const DOOR_PROTOCOL: &str = "agentsecrets-door";
/// Where a broker is told to end: locked for good, or only stopped.
pub(crate) const FINISH_PATH: &str = "/v1/finish";

/// How a broker is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// Locked: no broker opens the use key again until a human unlocks.
    Lock,
    /// Stopped: the next call starts another.
    Stop,
    /// Making room for an unlocked one; only a locked broker obeys.
    GiveWay,
}

/// The `agentsecrets-call` header.
#[derive(Serialize, Deserialize)]
pub(crate) struct CallHeader {
    v: u32,
    #[serde(default)]
    selection: Selection,
    #[serde(default)]
    inject: Vec<InjectHeader>,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default)]
    max_response: Option<u64>,
    #[serde(default)]
    retries: u32,
    /// Whether a redirect is the answer, and not followed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    no_redirects: bool,
    /// Whether placeholders stand for their secrets.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    placeholders: bool,
    #[serde(default)]
    buffered: bool,
    /// Whether it is the handshake of a WebSocket.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    websocket: bool,
    /// Whether the caller has the whole body at hand: it can then be edited, and sent again.
    #[serde(default)]
    whole: bool,
}

#[derive(Serialize, Deserialize)]
struct InjectHeader {
    style: String,
    secret: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    format: Option<String>,
}

impl CallHeader {
    pub(crate) fn of(call: &Call, selection: &Selection) -> Self {
        Self {
            v: MAJOR,
            selection: Selection {
                project: call.project.clone().or_else(|| selection.project.clone()),
                environment: call.environment.clone().or_else(|| selection.environment.clone()),
                ..selection.clone()
            },
            inject: call.injections.iter().map(InjectHeader::of).collect(),
            timeout_ms: call.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            max_response: Some(call.max_response),
            retries: call.retries,
            no_redirects: !call.redirects,
            placeholders: call.placeholders,
            buffered: call.buffered,
            websocket: call.websocket.is_some(),
            whole: matches!(call.body, Body::Bytes(_)),
        }
    }

    /// The call a request over the socket makes, without its body, the selection it is made under, and whether the
    /// body is whole at the caller's.
    pub(crate) fn read<B>(request: &Request<B>) -> Result<(Call, Selection, bool)> {
        let header = request.headers().get(&CALL).ok_or_else(|| broken("the call header is missing"))?;
        let said: Self =
            serde_json::from_slice(header.as_bytes()).map_err(|_| broken("the call header is not readable"))?;
        if said.v != MAJOR {
            return Err(outdated(said.v));
        }
        let mut call = Call::new(request.method().clone(), &request.uri().to_string())?;
        for (name, value) in request.headers() {
            if !crate::call::is_connection_header(name) {
                call.headers.append(name.clone(), value.clone());
            }
        }
        for injection in &said.inject {
            let (auth, secret) = injection.read()?;
            call.inject(auth, secret)?;
        }
        call.timeout = said.timeout_ms.map(Duration::from_millis);
        call.max_response = said.max_response.unwrap_or(crate::call::DEFAULT_MAX_RESPONSE);
        call.retries = said.retries;
        call.redirects = !said.no_redirects;
        call.placeholders = said.placeholders;
        call.buffered = said.buffered;
        if said.websocket {
            call.websocket()?;
        }
        Ok((call, said.selection, said.whole))
    }
}

impl InjectHeader {
    fn of(injection: &Injection) -> Self {
        let name = match &injection.auth {
            Auth::Bearer | Auth::Basic => None,
            Auth::Header(name) => Some(name.as_str().to_owned()),
            Auth::Query(name) | Auth::FormField(name) => Some(name.clone()),
            Auth::BodyField(path) => Some(path.as_str().to_owned()),
        };
        Self {
            style: injection.auth.style().as_str().to_owned(),
            secret: injection.secret.to_string(),
            name,
            format: injection.secret.pattern(),
        }
    }

    fn read(&self) -> Result<(Auth, SecretRef)> {
        let name = self.name.as_deref();
        let auth = match (self.style.as_str(), name) {
            ("bearer", None) => Auth::Bearer,
            ("basic", None) => Auth::Basic,
            ("header", Some(name)) => Auth::Header(parse_header_name(name)?),
            ("query", Some(name)) => Auth::Query(name.to_owned()),
            ("body_field", Some(path)) => Auth::BodyField(FieldPath::parse(path)?),
            ("form_field", Some(name)) => Auth::FormField(name.to_owned()),
            _ => return Err(Error::new(ErrorCode::InvalidCall, "an injection has an unknown style or lacks its name")),
        };
        let secret = SecretRef::new(&self.secret)?;
        let secret = match &self.format {
            Some(pattern) => secret.format(pattern)?,
            None => secret,
        };
        Ok((auth, secret))
    }
}

/// The `agentsecrets-answer` header.
#[derive(Serialize, Deserialize)]
pub(crate) struct AnswerHeader {
    pub(crate) v: u32,
    /// The URL that answered, where redirects led elsewhere than the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// The `agentsecrets-tail` header or trailer field.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct TailHeader {
    #[serde(default)]
    redacted: Vec<SecretName>,
    #[serde(default)]
    unnamed: bool,
    #[serde(default)]
    trailers: Vec<(String, String)>,
    #[serde(default)]
    audit_incomplete: bool,
    #[serde(default)]
    error: Option<WireError>,
}

impl TailHeader {
    pub(crate) fn of(tail: &Tail, error: Option<&Error>) -> Self {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Self {
            redacted: tail.redacted.clone(),
            unnamed: tail.unnamed,
            trailers: tail.trailers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            audit_incomplete: tail.audit_incomplete,
            error: error.map(WireError::of),
        }
    }

    pub(crate) fn read(value: &HeaderValue) -> Result<(Tail, Option<Error>)> {
        let said: Self = serde_json::from_slice(value.as_bytes()).map_err(|_| broken("the tail is not readable"))?;
        let mut trailers = HeaderMap::new();
        for (name, value) in &said.trailers {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                trailers.append(name, value);
            }
        }
        let tail =
            Tail { redacted: said.redacted, unnamed: said.unnamed, trailers, audit_incomplete: said.audit_incomplete };
        Ok((tail, said.error.map(WireError::into_error)))
    }
}

pub(crate) fn read_error(value: &HeaderValue) -> Result<Error> {
    serde_json::from_slice(value.as_bytes()).map(WireError::into_error).map_err(|_| broken("the error is not readable"))
}

/// A header's value of JSON text, which has no control characters but one.
pub(crate) fn json_header<T: Serialize>(value: &T) -> Result<HeaderValue> {
    let mut text = serde_json::to_vec(value).map_err(|_| broken("a header cannot be written"))?;
    if text.contains(&0x7f) {
        // JSON takes DEL as it is (RFC 8259, section 7), a header does not; it stands in strings only.
        text = text.split(|byte| *byte == 0x7f).collect::<Vec<_>>().join(&b"\\u007f"[..]);
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).map_err(|_| broken("a header cannot be written"))
}

/// The status of an error's answer. Only people with `curl` look at it; programs read the header.
pub(crate) fn status_of(error: &Error) -> StatusCode {
    match error.code().exit_code() {
        2 => StatusCode::BAD_REQUEST,
        3 => StatusCode::FORBIDDEN,
        4 => StatusCode::NOT_FOUND,
        5 => StatusCode::LOCKED,
        6 => StatusCode::BAD_GATEWAY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

pub(crate) fn broken(why: &'static str) -> Error {
    Error::new(ErrorCode::BrokerUnavailable, format!("the broker and this program do not understand each other: {why}"))
}

fn outdated(theirs: u32) -> Error {
    Error::new(ErrorCode::BrokerOutdated, format!("the broker speaks protocol {MAJOR}, the caller {theirs}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Stage;
    use http::Method;

    #[test]
    fn a_call_crosses_the_socket_whole() {
        let mut call = Call::new(Method::POST, "https://api.example.com/v1?x=a'b").expect("url");
        call.header("X-Plain", "é\u{7}1".replace('\u{7}', "").as_bytes()).expect("header");
        let key = SecretRef::new("payments/production/KEY").expect("name").format("Bot {}").expect("format");
        call.inject(Auth::Header(HeaderName::from_static("x-bot")), key).expect("place");
        call.inject(Auth::Query("client_Secret é".into()), SecretRef::new("Q").expect("name")).expect("place");
        call.inject(Auth::BodyField(FieldPath::parse("/a.b/0").expect("path")), SecretRef::new("B").expect("name"))
            .expect("place");
        call.timeout(Duration::from_millis(1500));
        call.retries(2);
        let header = json_header(&CallHeader::of(&call, &Selection::default())).expect("header");
        let mut request = Request::post(call.url.to_wire()).header(CALL, header).body(()).expect("request");
        request.headers_mut().extend(call.headers.clone());
        let (read, _, _) = CallHeader::read(&request).expect("readable");
        assert_eq!(read.injections, call.injections);
        assert_eq!((read.url, read.headers, read.timeout, read.retries), (call.url, call.headers, call.timeout, 2));
    }

    #[test]
    fn every_error_crosses_the_socket_whole() {
        for code in ErrorCode::ALL {
            let error =
                Error::new(*code, "a message with \"quotes\", é and\nlines").with_hint("a hint").at(Stage::Audit);
            let crossed = read_error(&json_header(&WireError::of(&error)).expect("header")).expect("readable");
            assert_eq!(format!("{crossed:?}"), format!("{error:?}"));
        }
    }

    #[test]
    fn another_major_is_refused_by_name() {
        let request = Request::get("https://a/").header(CALL, r#"{"v":9}"#).body(()).expect("request");
        assert_eq!(CallHeader::read(&request).expect_err("refused").code(), ErrorCode::BrokerOutdated);
    }
}
