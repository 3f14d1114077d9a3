//! A refusal, as it is answered (RFC 9457).

use agentsecrets_wire::chain::Refusal;
use agentsecrets_wire::{Code, Problem};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

/// Why a request was not done.
#[derive(Debug)]
pub(crate) struct Refused {
    problem: Box<Problem>,
    retry_after: Option<u64>,
}

/// What a route answers.
pub(crate) type Answer<T> = Result<T, Refused>;

impl Refused {
    /// With what of the request it was.
    pub(crate) fn with(code: Code, detail: &'static str) -> Self {
        Self { problem: Box::new(Problem::new(code).with_detail(detail)), retry_after: None }
    }

    /// Too many requests; when to come again, in seconds.
    pub(crate) fn too_many(seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..Self::from(Code::TooManyRequests) }
    }
}

impl From<Code> for Refused {
    fn from(code: Code) -> Self {
        Self { problem: Box::new(Problem::new(code)), retry_after: None }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::NotNext | Refusal::OtherPast => Code::ChainMoved,
            Refusal::Malformed | Refusal::OtherWorkspace => Code::Malformed,
            _ => Code::Refused,
        };
        Self { problem: Box::new(Problem::new(code).with_detail(refusal.to_string())), retry_after: None }
    }
}

impl From<sqlx::Error> for Refused {
    fn from(why: sqlx::Error) -> Self {
        // The text of a database's error may hold what was sent; the kind does not.
        let code = match &why {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Tls(_) => {
                Code::Unavailable
            }
            // Class 57: the administrator stops it; 08: the connection broke; 53: no resources; 40: try again.
            sqlx::Error::Database(error)
                if error
                    .code()
                    .is_some_and(|code| ["57", "08", "53", "40"].iter().any(|class| code.starts_with(class))) =>
            {
                Code::Unavailable
            }
            _ => Code::Internal,
        };
        tracing::error!(code = code.as_str(), kind = kind(&why), "the database failed");
        Self { retry_after: (code == Code::Unavailable).then_some(1), ..Self::from(code) }
    }
}

fn kind(why: &sqlx::Error) -> String {
    match why {
        sqlx::Error::Database(error) => format!("database {}", error.code().unwrap_or_default()),
        sqlx::Error::Io(error) => format!("io {:?}", error.kind()),
        sqlx::Error::PoolTimedOut => "pool timed out".into(),
        sqlx::Error::ColumnDecode { index, .. } => format!("column {index}"),
        _ => "other".into(),
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.problem).unwrap_or_default();
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))];
        let mut response = (status, kind, body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
