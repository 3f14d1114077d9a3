//! The place in a request that a grant opens.

use std::fmt;

use http::{HeaderName, header};

use super::text::serde_by_text;
use crate::call::{Auth, FieldPath, parse_header_name};
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::SecretName;

/// A place in a request. Header names are compared without case, all others exactly.
#[derive(Clone, Debug)]
pub(crate) enum Slot {
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: Basic`.
    Basic,
    /// A header.
    Header(HeaderName),
    /// A query parameter.
    Query(String),
    /// A segment of the path.
    Path,
    /// A field of a JSON body.
    BodyField(FieldPath),
    /// A field of a form.
    FormField(String),
}

impl Slot {
    /// Parses `bearer`, `basic`, `header:N`, `query:P`, `path`, `body:P` or `form:P`.
    ///
    /// # Errors
    /// `invalid_call` where the text is none of these.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let named = |name: &str| if name.is_empty() { Err(unknown()) } else { Ok(name.to_owned()) };
        match text.split_once(':') {
            None if text == "bearer" => Ok(Self::Bearer),
            None if text == "basic" => Ok(Self::Basic),
            None if text == "path" => Ok(Self::Path),
            Some(("header", name)) => Ok(Self::Header(parse_header_name(name)?)),
            Some(("query", name)) => Ok(Self::Query(named(name)?)),
            Some(("body", path)) => Ok(Self::BodyField(FieldPath::parse(path)?)),
            Some(("form", name)) => Ok(Self::FormField(named(name)?)),
            _ => Err(unknown()),
        }
    }

    /// What a grant opens that names no slot: the `Authorization` header, in each of its spellings.
    pub(crate) fn defaults() -> Vec<Self> {
        vec![Self::Bearer, Self::Basic, Self::Header(header::AUTHORIZATION)]
    }

    /// The slot an injection asks for.
    pub(crate) fn of(auth: &Auth) -> Self {
        match auth {
            Auth::Bearer => Self::Bearer,
            Auth::Basic => Self::Basic,
            Auth::Header(name) => Self::Header(name.clone()),
            Auth::Query(name) => Self::Query(name.clone()),
            Auth::BodyField(path) => Self::BodyField(path.clone()),
            Auth::FormField(name) => Self::FormField(name.clone()),
        }
    }

    /// Whether the slot is the place an injection asks for.
    pub(crate) fn takes(&self, auth: &Auth) -> bool {
        match (self, auth) {
            (Self::Bearer, Auth::Bearer) | (Self::Basic, Auth::Basic) => true,
            (Self::Header(own), Auth::Header(name)) => own == name,
            (Self::Query(own), Auth::Query(name)) | (Self::FormField(own), Auth::FormField(name)) => own == name,
            (Self::BodyField(own), Auth::BodyField(path)) => own.segments() == path.segments(),
            _ => false,
        }
    }

    /// Whether the slot lies in the body, where what is put can be read back as content.
    pub(crate) fn in_body(&self) -> bool {
        matches!(self, Self::BodyField(_) | Self::FormField(_))
    }

    /// Whether the slot is one of those open by default.
    pub(crate) fn is_default(&self) -> bool {
        match self {
            Self::Bearer | Self::Basic => true,
            Self::Header(name) => *name == header::AUTHORIZATION,
            _ => false,
        }
    }
}

/// A body slot without a path would let the value be planted in any message on the origin.
pub(super) fn needs_path(secret: &SecretName, slot: &Slot) -> Error {
    Error::new(ErrorCode::InvalidCall, format!("{secret} may go into a body only under a path")).with_hint(format!(
        "write the path in the rule, as in https://host/oauth/token, or as --path, beside --slot {}",
        if matches!(slot, Slot::FormField(_)) { "form:P" } else { "body:P" }
    ))
}

fn unknown() -> Error {
    Error::new(ErrorCode::InvalidCall, "a slot is bearer, basic, header:N, query:P, path, body:P or form:P")
}

impl PartialEq for Slot {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bearer, Self::Bearer) | (Self::Basic, Self::Basic) | (Self::Path, Self::Path) => true,
            (Self::Header(own), Self::Header(name)) => own == name,
            (Self::Query(own), Self::Query(name)) | (Self::FormField(own), Self::FormField(name)) => own == name,
            (Self::BodyField(own), Self::BodyField(path)) => own.segments() == path.segments(),
            _ => false,
        }
    }
}

impl Eq for Slot {}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer => f.write_str("bearer"),
            Self::Basic => f.write_str("basic"),
            // The usual spelling for those names people know, whatever was typed.
            Self::Header(name) => write!(f, "header:{}", title_case(name)),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Path => f.write_str("path"),
            Self::BodyField(path) => write!(f, "body:{path}"),
            Self::FormField(name) => write!(f, "form:{name}"),
        }
    }
}

/// `x-api-key` as `X-Api-Key`.
pub(super) fn title_case(name: &HeaderName) -> String {
    let mut start = true;
    name.as_str()
        .chars()
        .map(|c| {
            let c = if start { c.to_ascii_uppercase() } else { c };
            start = c == '-';
            c
        })
        .collect()
}

serde_by_text!(Slot, Slot::parse);
