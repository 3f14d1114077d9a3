//! A refusal as every proxy says it: `{"error": code, "message", "domain"?, "hint"}`.

use agentsecrets::{Error, ErrorCode};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use serde_json::json;

/// The body of an answer, whoever made it.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, std::io::Error>;
/// An answer, the upstream's or ours.
pub(crate) type Answer = Response<AnswerBody>;

/// Tells our refusals from the upstream's answers, which never carry a header of this beginning.
const ERROR: HeaderName = HeaderName::from_static("agentsecrets-error");

/// Why a request was not passed on.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    domain: Option<String>,
    hint: Option<String>,
}

impl Refusal {
    /// A refusal of the proxy's own.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: &str, hint: &str) -> Self {
        Self { status, code, message: message.to_owned(), domain: None, hint: Some(hint.to_owned()) }
    }

    /// What was refused because of `domain`.
    #[must_use]
    pub(crate) fn about(mut self, domain: &str) -> Self {
        self.domain = Some(domain.to_owned());
        self
    }

    /// The same refusal under another status.
    #[must_use]
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The code.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The refusal as an answer.
    pub(crate) fn into_answer(self) -> Answer {
        let mut said = json!({ "error": self.code, "message": self.message, "hint": self.hint });
        if let Some(domain) = self.domain {
            said["domain"] = domain.into();
        }
        let mut answer = whole(self.status, said.to_string());
        answer.headers_mut().insert(ERROR, HeaderValue::from_static(self.code));
        answer
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self {
            status: status_of(error.code()),
            code: error.code().as_str(),
            message: error.message().to_owned(),
            domain: None,
            hint: error.hint().map(str::to_owned),
        }
    }
}

/// The same answer to a `HEAD`, which has no body: hyper's HTTP/2 would send one.
pub(super) fn without_body(answer: Answer) -> Answer {
    answer.map(|_| Empty::new().map_err(|never| match never {}).boxed_unsync())
}

/// An answer of ours, in JSON.
pub(crate) fn whole(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Full::from(text).map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::UndecodableResponse | ErrorCode::ResponseTooLarge => StatusCode::BAD_GATEWAY,
        ErrorCode::BrokerUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => match code.exit_code() {
            2 => StatusCode::BAD_REQUEST,
            // A name that is not there is refused like one that is not granted: a 404 would be taken for the upstream's.
            3 | 4 => StatusCode::FORBIDDEN,
            5 => StatusCode::LOCKED,
            6 => StatusCode::BAD_GATEWAY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}
