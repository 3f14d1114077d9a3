//! What a caller may say: a request, and the names to put into it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::error::{Error, ErrorCode, Result};
use crate::log_safe::{LogSafe, SafeUrl};
use crate::secret_ref::{Label, SecretRef};

mod body;
mod connection;
mod field_path;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod handshake;
mod multipart;
pub(crate) mod placeholder;

pub(crate) use body::broke_off;
pub use body::{Body, ByteStream};
pub(crate) use connection::{is_connection_header, strip_hop};
pub use field_path::FieldPath;
pub(crate) use handshake::Handshake;
pub use multipart::{Multipart, Part};
pub(crate) use multipart::{join, quoted};

/// The longest buffered response unless the call says otherwise: 64 MiB.
pub const DEFAULT_MAX_RESPONSE: u64 = 64 << 20;
/// How long a call may take unless it or its client says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Where in the request a value goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Auth {
    /// `Authorization: Bearer VALUE` (RFC 6750, section 2.1).
    Bearer,
    /// `Authorization: Basic base64(VALUE)` where the value is `user:password` (RFC 7617, section 2).
    Basic,
    /// The header of this name.
    Header(HeaderName),
    /// The query parameter of this name, at the end of the query.
    Query(String),
    /// The field at this path of a JSON body.
    BodyField(FieldPath),
    /// The field of this name in a form or multipart body.
    FormField(String),
}

impl Auth {
    /// The style, as the audit and the policy name it.
    #[must_use]
    pub fn style(&self) -> Style {
        match self {
            Self::Bearer => Style::Bearer,
            Self::Basic => Style::Basic,
            Self::Header(_) => Style::Header,
            Self::Query(_) => Style::Query,
            Self::BodyField(_) => Style::BodyField,
            Self::FormField(_) => Style::FormField,
        }
    }

    /// Whether both would write to one place.
    fn clashes(&self, other: &Self) -> bool {
        let authorization = |auth: &Self| match auth {
            Self::Bearer | Self::Basic => true,
            Self::Header(name) => name == header::AUTHORIZATION,
            _ => false,
        };
        match (self, other) {
            (Self::BodyField(path), Self::BodyField(beside)) => path.overlaps(beside),
            (Self::BodyField(_), Self::FormField(_)) | (Self::FormField(_), Self::BodyField(_)) => true,
            _ => self == other || (authorization(self) && authorization(other)),
        }
    }
}

/// The kind of a place, without its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Style {
    /// [`Auth::Bearer`]
    Bearer,
    /// [`Auth::Basic`]
    Basic,
    /// [`Auth::Header`]
    Header,
    /// [`Auth::Query`]
    Query,
    /// [`Auth::BodyField`]
    BodyField,
    /// [`Auth::FormField`]
    FormField,
    /// A variable of a granted command's environment.
    Env,
    /// The answer of an exec provider.
    Exec,
}

impl Style {
    /// Every style.
    pub const ALL: &[Self] = &[
        Self::Bearer,
        Self::Basic,
        Self::Header,
        Self::Query,
        Self::BodyField,
        Self::FormField,
        Self::Env,
        Self::Exec,
    ];

    /// The style's name on wires and in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::Header => "header",
            Self::Query => "query",
            Self::BodyField => "body_field",
            Self::FormField => "form_field",
            Self::Env => "env",
            Self::Exec => "exec",
        }
    }
}

impl LogSafe for Style {}

/// One name and the place its value goes to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Injection {
    /// The place.
    pub auth: Auth,
    /// The name.
    pub secret: SecretRef,
}

/// A request and the names to put into it: complete, parsed, and free of values.
#[derive(Debug)]
pub struct Call {
    pub(crate) method: Method,
    pub(crate) url: SafeUrl,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    pub(crate) injections: Vec<Injection>,
    pub(crate) project: Option<Label>,
    pub(crate) environment: Option<Label>,
    /// For the whole call, the body of a buffered response included; until the headers where it is streamed.
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_response: u64,
    pub(crate) retries: u32,
    /// Whether same-origin redirects are followed.
    pub(crate) redirects: bool,
    /// Whether placeholders in the call stand for their secrets.
    pub(crate) placeholders: bool,
    /// Whether deadline and length limit hold to the last byte.
    pub(crate) buffered: bool,
    /// Asks for a WebSocket.
    pub(crate) websocket: Option<Handshake>,
}

impl Call {
    /// A call of `url` with `method`, and nothing else yet.
    ///
    /// # Errors
    /// `invalid_call` for a malformed URL.
    pub fn new(method: Method, url: &str) -> Result<Self> {
        if method == Method::CONNECT || method == Method::TRACE {
            // TRACE has the upstream echo the request (RFC 9110, section 9.3.8), CONNECT is no request to an origin.
            return Err(Error::new(ErrorCode::InvalidCall, "CONNECT and TRACE are not sent"));
        }
        Ok(Self {
            method,
            url: SafeUrl::parse(url)?,
            headers: HeaderMap::new(),
            body: Body::Empty,
            injections: Vec::new(),
            project: None,
            environment: None,
            timeout: None,
            max_response: DEFAULT_MAX_RESPONSE,
            retries: 0,
            redirects: true,
            placeholders: false,
            buffered: false,
            websocket: None,
        })
    }

    /// Puts the value of `secret` in a place.
    ///
    /// # Errors
    /// `invalid_call` where the place is taken by another injection, or an empty name or path.
    pub fn inject(&mut self, auth: Auth, secret: SecretRef) -> Result<()> {
        match &auth {
            Auth::Query(name) | Auth::FormField(name) if name.is_empty() => {
                return Err(Error::new(ErrorCode::InvalidCall, "a query parameter or form field needs a name"));
            }
            Auth::Header(name) if is_connection_header(name) => {
                return Err(Error::new(ErrorCode::InvalidCall, format!("the header {name} belongs to the connection")));
            }
            _ => {}
        }
        if let Some(taken) = self.injections.iter().find(|injection| injection.auth.clashes(&auth)) {
            return Err(Error::new(
                ErrorCode::InvalidCall,
                format!("{} and {secret} go to one place of the request", taken.secret),
            ));
        }
        self.injections.push(Injection { auth, secret });
        Ok(())
    }

    /// Adds a plain header. Those that belong to the connection are dropped, as they are ours to set.
    ///
    /// # Errors
    /// `invalid_call` for a name or value that HTTP does not allow (RFC 9110, section 5).
    pub fn header(&mut self, name: &str, value: &[u8]) -> Result<()> {
        let name = parse_header_name(name)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| {
            Error::new(
                ErrorCode::InvalidCall,
                format!("the value of header {name} has a line feed or control character"),
            )
        })?;
        if !is_connection_header(&name) {
            self.headers.append(name, value);
        }
        Ok(())
    }

    /// Sets the body.
    pub fn body(&mut self, body: impl Into<Body>) {
        self.body = body.into();
    }

    /// Sets a JSON body and, where there is none yet, its content type.
    pub fn json(&mut self, text: impl Into<Bytes>) {
        self.body = Body::Bytes(text.into());
        self.content_type("application/json");
    }

    /// Sets a form body and, where there is none yet, its content type.
    pub fn form<N: AsRef<str>, V: AsRef<str>>(&mut self, fields: impl IntoIterator<Item = (N, V)>) {
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.body = Body::Bytes(text.into());
        self.content_type("application/x-www-form-urlencoded");
    }

    /// Sets a multipart body with its boundary (RFC 7578).
    pub fn multipart(&mut self, multipart: Multipart) {
        let boundary = multipart.boundary().to_owned();
        self.body = multipart.into_body();
        self.headers.remove(header::CONTENT_TYPE);
        self.content_type(&format!("multipart/form-data; boundary={boundary}"));
    }

    fn content_type(&mut self, media_type: &str) {
        if let (false, Ok(value)) = (self.headers.contains_key(header::CONTENT_TYPE), HeaderValue::from_str(media_type))
        {
            self.headers.insert(header::CONTENT_TYPE, value);
        }
    }

    /// Adds plain query parameters at the end of the query.
    pub fn params<N: AsRef<str>, V: AsRef<str>>(&mut self, pairs: impl IntoIterator<Item = (N, V)>) {
        self.url = self.url.with_params(pairs);
    }

    /// Chooses another project, among those linked in this home.
    pub fn project(&mut self, project: Label) {
        self.project = Some(project);
    }

    /// Chooses another environment.
    pub fn environment(&mut self, environment: Label) {
        self.environment = Some(environment);
    }

    /// Sets how long the call may take.
    pub fn timeout(&mut self, timeout: Duration) {
        self.timeout = Some(timeout);
    }

    /// Sets the longest buffered response, in bytes.
    pub fn max_response(&mut self, bytes: u64) {
        self.max_response = bytes;
    }

    /// Sets how often an idempotent call (RFC 9110, section 9.2.2) may be tried again. The default is never.
    pub fn retries(&mut self, retries: u32) {
        self.retries = retries;
    }

    /// Sets whether same-origin redirects are followed, at most 10 of them; the default is that they are. One to another
    /// origin never is: the 3xx is the response.
    pub fn redirects(&mut self, follow: bool) {
        self.redirects = follow;
    }

    /// Sets whether `AS_SECRET_NAME` in a header, a query parameter, a JSON field or a form field stands for the secret.
    /// Each counts once and only in a place its grant names; elsewhere in a body it stays a text.
    pub fn placeholders(&mut self, count: bool) {
        self.placeholders = count;
    }

    /// Makes this call the handshake of a WebSocket, of which it has the headers (RFC 6455, section 4.1): the response is
    /// then 101, and [`Response::upgrade`](crate::Response::upgrade) gives the connection, or the upstream's refusal.
    ///
    /// # Errors
    /// `invalid_call` where a header of the handshake is missing or malformed, or the method is not `GET`.
    pub fn websocket(&mut self) -> Result<()> {
        if self.method != Method::GET {
            return Err(Error::new(ErrorCode::InvalidCall, "a WebSocket is asked for with GET"));
        }
        self.websocket = Some(Handshake::take(&mut self.headers)?);
        Ok(())
    }

    /// The URL; its query values are hidden.
    #[must_use]
    pub fn url(&self) -> &SafeUrl {
        &self.url
    }
}

/// Parses a header's name, whatever its case.
///
/// # Errors
/// `invalid_call` where it is no token of RFC 9110, section 5.6.2.
pub fn parse_header_name(name: &str) -> Result<HeaderName> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        Error::new(ErrorCode::InvalidCall, "a header's name has a character that HTTP does not allow there")
    })
}
