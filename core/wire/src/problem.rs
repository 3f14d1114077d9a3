//! What a server answers when it refuses (RFC 9457).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The body of every answer that is no success, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `about:blank`: the code says it.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// The status code of the answer.
    pub status: u16,
    /// The stable code.
    pub code: Code,
    /// What of this request it was, without names of anybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $text:literal $status:literal $title:literal,)+) => {
        /// Why a server refuses.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $name,)+
            /// A code of a later version.
            #[serde(other, rename = "unknown")]
            Unknown,
        }

        impl Code {
            /// All codes that this version gives.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Its stable spelling.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ Self::Unknown => "unknown" }
            }

            /// The status code it is answered with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ Self::Unknown => 500 }
            }

            /// The code in words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ Self::Unknown => "something that this version does not know" }
            }
        }
    };
}

codes! {
    /// The request is not of the form that the protocol names.
    Malformed "malformed" 400 "the request is not of the form that the protocol names",
    /// No session, an expired one, or a proof that does not fit.
    Unauthenticated "unauthenticated" 401 "there is no session for this request",
    /// Login failed; whether the account or the password is wrong is not said.
    WrongCredentials "wrong_credentials" 401 "the address or the password is wrong",
    /// The proof's time is too far from the server's; the `date` header says what time it is there.
    ClockSkew "clock_skew" 401 "the clocks of this machine and the server differ too much",
    /// The author may not do this.
    Forbidden "forbidden" 403 "this is not allowed here",
    /// Nothing by this id, or nothing that the caller may know of.
    NotFound "not_found" 404 "there is nothing here by this id",
    /// The address has an account.
    Taken "taken" 409 "this address has an account",
    /// The chain has gone on; fetch it and try again.
    ChainMoved "chain_moved" 409 "the chain has gone on",
    /// The epoch of a record is not the current one; fetch the chain and seal anew.
    EpochOutdated "epoch_outdated" 409 "the keys were made anew",
    /// More than the limits.
    TooLarge "too_large" 413 "this is more than the server takes",
    /// The chain's rules refuse the entry.
    Refused "refused" 422 "the rules of the chain refuse this",
    /// Too many requests; `retry-after` says when.
    TooManyRequests "too_many_requests" 429 "too many requests",
    /// A failure of the server's own.
    Internal "internal" 500 "the server failed",
    /// It is starting, stopping, or without its database.
    Unavailable "unavailable" 503 "the server is not ready",
}

impl Problem {
    /// A problem without detail.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self { kind: "about:blank".into(), title: code.title().into(), status: code.status(), code, detail: None }
    }

    /// With what of this request it was.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{}: {detail}", self.title),
            None => f.write_str(&self.title),
        }
    }
}

impl std::error::Error for Problem {}
