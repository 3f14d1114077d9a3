//! A call as the package says it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use agentsecrets_bridge::{
    self as bridge, BodyDescription, Call, CallDescription, Error, ErrorCode, PartDescription, Place, Result, SecretRef,
};
use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::error::{invalid, raise};
use crate::wait::bytes_of;

/// A reference with its format.
pub(crate) fn reference(text: &str, pattern: Option<&str>) -> Result<SecretRef> {
    let parsed = SecretRef::new(text)?;
    match pattern {
        Some(pattern) => parsed.format(pattern),
        None => Ok(parsed),
    }
}

/// A body as the package says it: its kind and what is in it.
#[derive(FromPyObject)]
enum Body {
    /// Nothing, or a stream: its length where it is known.
    #[pyo3(transparent)]
    Bytes(PyBackedBytes),
    #[pyo3(transparent)]
    Fields(Vec<(String, String)>),
    #[pyo3(transparent)]
    Parts(Vec<PythonPart>),
}

/// Name, file name, content type, content (`None` for a stream), length of a stream where it is known.
type PythonPart = (String, Option<String>, Option<String>, Option<PyBackedBytes>, Option<u64>);

/// Where a value goes, by kind and name, and the reference and its format.
type PythonInjection = (String, String, String, Option<String>);

/// A checked call, sent once.
#[pyclass(frozen, module = "agentsecrets._native")]
pub(crate) struct Request {
    call: Mutex<Option<Call>>,
    feeds: Vec<bridge::Feed>,
}

#[pymethods]
impl Request {
    /// Checks and keeps a call. `kind` is `empty`, `plain`, `json`, `form`, `multipart` or `stream`.
    #[new]
    #[pyo3(signature = (method, url, headers, params, injections, kind, body, length, timeout, max_response, retries, follow_redirects, placeholders, project, environment))]
    #[allow(clippy::too_many_arguments)] // Python passes them by position, once.
    fn new(
        py: Python<'_>,
        method: String,
        url: String,
        headers: Vec<(String, PyBackedBytes)>,
        params: Vec<(String, String)>,
        injections: Vec<PythonInjection>,
        kind: &str,
        body: Option<Body>,
        length: Option<u64>,
        timeout: Option<f64>,
        max_response: Option<u64>,
        retries: u32,
        follow_redirects: bool,
        placeholders: bool,
        project: Option<String>,
        environment: Option<String>,
    ) -> PyResult<Self> {
        let mut feeds = Vec::new();
        let body =
            describe_body(kind, body, length, &mut feeds).ok_or_else(|| invalid(py, "the body has no such kind"))?;
        let described = || -> Result<CallDescription> {
            Ok(CallDescription {
                method,
                url,
                headers: headers.into_iter().map(|(name, value)| (name, value.to_vec())).collect(),
                params,
                injections: injections.into_iter().map(injection).collect::<Result<_>>()?,
                body,
                timeout: timeout.map(parse_timeout).transpose()?,
                max_response,
                retries,
                no_redirects: !follow_redirects,
                placeholders,
                project,
                environment,
            })
        };
        let call = bridge::guard(|| described()?.into_call()).map_err(|error| raise(py, &error))?;
        Ok(Self { call: Mutex::new(Some(call)), feeds })
    }

    /// The ends that feed the streamed parts of the body, in order.
    #[getter]
    fn feeds(&self) -> Vec<Feed> {
        self.feeds.iter().cloned().map(Feed).collect()
    }
}

impl Request {
    /// The call; it can be taken once.
    pub(crate) fn take(&self, py: Python<'_>) -> PyResult<(Call, Vec<bridge::Feed>)> {
        let call = self.call.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok((call.ok_or_else(|| invalid(py, "the call was sent before"))?, self.feeds.clone()))
    }
}

fn injection((kind, name, text, pattern): PythonInjection) -> Result<(Place, SecretRef)> {
    let place = match kind.as_str() {
        "bearer" => Place::Bearer,
        "basic" => Place::Basic,
        "header" => Place::Header(name),
        "query" => Place::Query(name),
        "body_field" => Place::BodyField(name),
        "form_field" => Place::FormField(name),
        _ => return Err(Error::new(ErrorCode::InvalidCall, "there is no such style")),
    };
    Ok((place, reference(&text, pattern.as_deref())?))
}

fn describe_body(
    kind: &str,
    body: Option<Body>,
    length: Option<u64>,
    feeds: &mut Vec<bridge::Feed>,
) -> Option<BodyDescription> {
    Some(match (kind, body) {
        ("empty", None) => BodyDescription::Empty,
        ("plain", Some(Body::Bytes(bytes))) => BodyDescription::Plain(bytes_of(bytes).into()),
        ("json", Some(Body::Bytes(text))) => BodyDescription::Json(bytes_of(text)),
        ("form", Some(Body::Fields(fields))) => BodyDescription::Form(fields),
        // An empty list converts to the first kind of list there is.
        ("multipart", Some(Body::Fields(none))) if none.is_empty() => BodyDescription::Multipart(Vec::new()),
        ("multipart", Some(Body::Parts(parts))) => {
            BodyDescription::Multipart(parts.into_iter().map(|part| describe_part(part, feeds)).collect())
        }
        ("stream", None) => BodyDescription::Plain(fed(length, feeds)),
        _ => return None,
    })
}

fn describe_part(part: PythonPart, feeds: &mut Vec<bridge::Feed>) -> PartDescription {
    let (name, file_name, content_type, content, length) = part;
    let body = match content {
        Some(bytes) => bytes_of(bytes).into(),
        None => fed(length, feeds),
    };
    PartDescription { name, file_name, content_type, body }
}

fn fed(length: Option<u64>, feeds: &mut Vec<bridge::Feed>) -> bridge::Body {
    let (feed, body) = bridge::feed(length);
    feeds.push(feed);
    body
}

/// Seconds, as Python says them.
pub(crate) fn parse_timeout(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|timeout| !timeout.is_zero())
        .ok_or_else(|| Error::new(ErrorCode::InvalidCall, "a timeout is a number of seconds above 0"))
}

/// The end that feeds a streamed body.
#[pyclass(frozen, module = "agentsecrets._native")]
pub(crate) struct Feed(pub(crate) bridge::Feed);

#[pymethods]
impl Feed {
    /// Gives a piece, or with `None` the end; `False` where it was not wanted.
    fn put(&self, piece: Option<PyBackedBytes>) -> bool {
        self.0.put(piece.map(|piece| -> Bytes { bytes_of(piece) }))
    }
}
