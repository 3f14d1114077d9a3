//! A call as a host says it, and as the core takes it.

use std::time::Duration;

use agentsecrets::call::{FieldPath, parse_header_name};
use agentsecrets::{Auth, Body, Call, Error, ErrorCode, Label, Multipart, Part, Result, SecretRef};
use bytes::Bytes;
use http::Method;

/// Everything a host may say of a call.
#[derive(Debug, Default)]
pub struct CallDescription {
    /// The method, in any case.
    pub method: String,
    /// The absolute URL.
    pub url: String,
    /// Plain headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Plain query parameters, added at the end of the query.
    pub params: Vec<(String, String)>,
    /// Names and the places their values go to.
    pub injections: Vec<(Place, SecretRef)>,
    /// The body.
    pub body: BodyDescription,
    /// How long the call may take.
    pub timeout: Option<Duration>,
    /// The longest buffered response, in bytes.
    pub max_response: Option<u64>,
    /// How often an idempotent call may be tried again.
    pub retries: u32,
    /// Whether a same-origin redirect is handed over as it is.
    pub no_redirects: bool,
    /// Whether placeholders in the call stand for their secrets.
    pub placeholders: bool,
    /// Another project.
    pub project: Option<String>,
    /// Another environment.
    pub environment: Option<String>,
}

/// A place of a request, not yet parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: Basic`.
    Basic,
    /// A header.
    Header(String),
    /// A query parameter.
    Query(String),
    /// A field of a JSON body, by path.
    BodyField(String),
    /// A field of a form.
    FormField(String),
}

impl Place {
    fn parse(self) -> Result<Auth> {
        Ok(match self {
            Self::Bearer => Auth::Bearer,
            Self::Basic => Auth::Basic,
            Self::Header(name) => Auth::Header(parse_header_name(&name)?),
            Self::Query(name) => Auth::Query(name),
            Self::BodyField(path) => Auth::BodyField(FieldPath::parse(&path)?),
            Self::FormField(name) => Auth::FormField(name),
        })
    }
}

/// The kinds of body.
#[derive(Debug, Default)]
pub enum BodyDescription {
    /// None.
    #[default]
    Empty,
    /// Bytes or a stream, sent as they are.
    Plain(Body),
    /// JSON text.
    Json(Bytes),
    /// The fields of a form.
    Form(Vec<(String, String)>),
    /// The parts of a form with files.
    Multipart(Vec<PartDescription>),
}

/// A part of a multipart body.
#[derive(Debug)]
pub struct PartDescription {
    /// The field's name.
    pub name: String,
    /// The file's name, where it is a file.
    pub file_name: Option<String>,
    /// The content type.
    pub content_type: Option<String>,
    /// The content.
    pub body: Body,
}

impl CallDescription {
    /// The call, complete and parsed.
    ///
    /// # Errors
    /// `invalid_call` for whatever contradicts itself or cannot be parsed.
    pub fn into_call(self) -> Result<Call> {
        let mut call = Call::new(parse_method(&self.method)?, &self.url)?;
        for (name, value) in &self.headers {
            call.header(name, value)?;
        }
        if !self.params.is_empty() {
            call.params(self.params);
        }
        for (place, secret) in self.injections {
            call.inject(place.parse()?, secret)?;
        }
        match self.body {
            BodyDescription::Empty => {}
            BodyDescription::Plain(body) => call.body(body),
            BodyDescription::Json(text) => call.json(text),
            BodyDescription::Form(fields) => call.form(fields),
            BodyDescription::Multipart(parts) => call.multipart(multipart(parts)),
        }
        if let Some(timeout) = self.timeout {
            call.timeout(timeout);
        }
        if let Some(bytes) = self.max_response {
            call.max_response(bytes);
        }
        call.retries(self.retries);
        call.redirects(!self.no_redirects);
        call.placeholders(self.placeholders);
        if let Some(project) = &self.project {
            call.project(Label::parse(project)?);
        }
        if let Some(environment) = &self.environment {
            call.environment(Label::parse(environment)?);
        }
        Ok(call)
    }
}

fn parse_method(text: &str) -> Result<Method> {
    Method::from_bytes(text.to_ascii_uppercase().as_bytes())
        .map_err(|_| Error::new(ErrorCode::InvalidCall, "the method is no HTTP token").with_hint("GET, POST, PUT, …"))
}

fn multipart(parts: Vec<PartDescription>) -> Multipart {
    parts.into_iter().fold(Multipart::new(), |form, said| {
        let mut part = Part::new(said.name, said.body);
        if let Some(file_name) = said.file_name {
            part = part.file_name(file_name);
        }
        if let Some(content_type) = said.content_type {
            part = part.content_type(content_type);
        }
        form.part(part)
    })
}
