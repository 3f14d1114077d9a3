//! A call as JavaScript says it.

use std::time::Duration;

use agentsecrets::Body;
use agentsecrets::call::Call;
use agentsecrets_bridge::{
    BodyDescription, CallDescription, Error, ErrorCode, PartDescription, Place, Result, SecretRef,
};
use bytes::Bytes;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

/// A call; lists of pairs are flat.
#[napi(object, object_to_js = false)]
pub struct CallSpec {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Names and values in turn.
    pub headers: Option<Vec<String>>,
    /// Names and values in turn.
    pub params: Option<Vec<String>>,
    /// Style, place, reference and pattern in turn; a place or pattern that is not there is empty.
    pub injections: Option<Vec<String>>,
    /// `plain`, `json`, `form` or `multipart`; absent for none.
    pub kind: Option<String>,
    /// A plain or JSON body that is a text.
    pub text: Option<String>,
    /// A plain body that is fed.
    pub feed: Option<u32>,
    /// Names and values of a form in turn.
    pub fields: Option<Vec<String>>,
    /// The parts of a form with files.
    pub parts: Option<Vec<PartSpec>>,
    /// In milliseconds.
    pub timeout: Option<f64>,
    /// In bytes.
    pub max_response: Option<f64>,
    /// How often an idempotent call may be tried again.
    pub retries: Option<u32>,
    /// Whether a same-origin redirect is handed over as it is.
    pub no_redirects: Option<bool>,
    /// Whether placeholders in the call stand for their secrets.
    pub placeholders: Option<bool>,
    /// Another project.
    pub project: Option<String>,
    /// Another environment.
    pub environment: Option<String>,
}

/// A part of a form; one of `text`, `bytes` and `feed` is set.
#[napi(object, object_to_js = false)]
pub struct PartSpec {
    /// The field's name.
    pub name: String,
    /// The file's name.
    pub file_name: Option<String>,
    /// The content type.
    pub content_type: Option<String>,
    /// A text.
    pub text: Option<String>,
    /// Bytes.
    pub bytes: Option<Buffer>,
    /// A fed content.
    pub feed: Option<u32>,
}

/// Gives the body of a feed, once.
pub(crate) type Feeds<'a> = &'a mut dyn FnMut(u32) -> Option<Body>;

/// The call, complete and parsed.
pub(crate) fn parse(spec: CallSpec, bytes: Option<Bytes>, feeds: Feeds<'_>) -> Result<Call> {
    let body = body(&spec.kind, spec.text, bytes, spec.feed, spec.fields, spec.parts, feeds)?;
    CallDescription {
        method: spec.method,
        url: spec.url,
        headers: headers(spec.headers.unwrap_or_default())?,
        params: pairs(spec.params.unwrap_or_default()),
        injections: injections(&spec.injections.unwrap_or_default())?,
        body,
        timeout: spec.timeout.map(milliseconds).transpose()?,
        max_response: spec.max_response.map(length).transpose()?,
        retries: spec.retries.unwrap_or_default(),
        no_redirects: spec.no_redirects.unwrap_or_default(),
        placeholders: spec.placeholders.unwrap_or_default(),
        project: spec.project,
        environment: spec.environment,
    }
    .into_call()
}

fn body(
    kind: &Option<String>,
    text: Option<String>,
    bytes: Option<Bytes>,
    feed: Option<u32>,
    fields: Option<Vec<String>>,
    parts: Option<Vec<PartSpec>>,
    feeds: Feeds<'_>,
) -> Result<BodyDescription> {
    Ok(match kind.as_deref() {
        None => BodyDescription::Empty,
        Some("json") => BodyDescription::Json(text.map(Bytes::from).or(bytes).unwrap_or_default()),
        Some("form") => BodyDescription::Form(pairs(fields.unwrap_or_default())),
        Some("multipart") => {
            let parts = parts.unwrap_or_default().into_iter();
            BodyDescription::Multipart(parts.map(|said| part(said, feeds)).collect::<Result<_>>()?)
        }
        Some(_) => BodyDescription::Plain(content(text, bytes, feed, feeds)?),
    })
}

fn content(text: Option<String>, bytes: Option<Bytes>, feed: Option<u32>, feeds: Feeds<'_>) -> Result<Body> {
    Ok(match (text, bytes, feed) {
        (Some(text), _, _) => Body::from(text),
        (_, Some(bytes), _) => Body::from(bytes),
        (_, _, Some(feed)) => feeds(feed).ok_or_else(|| wrong("the stream of a body was sent before"))?,
        _ => Body::Empty,
    })
}

fn part(said: PartSpec, feeds: Feeds<'_>) -> Result<PartDescription> {
    let bytes = said.bytes.map(|bytes| Bytes::copy_from_slice(&bytes));
    let body = content(said.text, bytes, said.feed, feeds)?;
    Ok(PartDescription { name: said.name, file_name: said.file_name, content_type: said.content_type, body })
}

fn pairs(flat: Vec<String>) -> Vec<(String, String)> {
    let mut flat = flat.into_iter();
    std::iter::from_fn(|| Some((flat.next()?, flat.next()?))).collect()
}

fn headers(flat: Vec<String>) -> Result<Vec<(String, Vec<u8>)>> {
    pairs(flat).into_iter().map(|(name, value)| Ok((name, latin1(&value)?))).collect()
}

/// A header's value as bytes: a character is the byte of its number (Fetch, "isomorphic encode").
fn latin1(value: &str) -> Result<Vec<u8>> {
    let wide = |_| wrong("the value of a header has a character over U+00FF");
    value.chars().map(|c| u8::try_from(u32::from(c)).map_err(wide)).collect()
}

fn injections(flat: &[String]) -> Result<Vec<(Place, SecretRef)>> {
    flat.chunks_exact(4)
        .map(|four| {
            let place = four[1].clone();
            let place = match four[0].as_str() {
                "bearer" => Place::Bearer,
                "basic" => Place::Basic,
                "header" => Place::Header(place),
                "query" => Place::Query(place),
                "bodyField" => Place::BodyField(place),
                "formField" => Place::FormField(place),
                _ => return Err(wrong("the style is unknown")),
            };
            Ok((place, reference(&four[2], Some(four[3].as_str()).filter(|pattern| !pattern.is_empty()))?))
        })
        .collect()
}

/// A reference, with the pattern around its value where there is one.
pub(crate) fn reference(text: &str, pattern: Option<&str>) -> Result<SecretRef> {
    let reference = SecretRef::new(text)?;
    pattern.map_or_else(|| Ok(reference.clone()), |pattern| reference.format(pattern))
}

/// A time in milliseconds.
pub(crate) fn milliseconds(number: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(number / 1000.0)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| wrong("a timeout is a positive number of milliseconds"))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Checked just before.
fn length(number: f64) -> Result<u64> {
    if (0.0..=9_007_199_254_740_991.0).contains(&number) && number.fract() == 0.0 {
        return Ok(number as u64);
    }
    Err(wrong("maxResponse is a whole number of bytes"))
}

fn wrong(message: &'static str) -> Error {
    Error::new(ErrorCode::InvalidCall, message)
}
