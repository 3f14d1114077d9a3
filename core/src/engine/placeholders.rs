//! Placeholders in a body: each counts only where a grant names its field, and stays a text anywhere else.

use bytes::Bytes;
use futures_core::Stream as _;
use http::header;
use jiff::Timestamp;

use super::loaded::Loaded;
use crate::call::{Auth, Body, Call, FieldPath, placeholder};
use crate::context::Place;
use crate::error::{Error, ErrorCode, Result};
use crate::policy::Slot;
use crate::secret_ref::SecretName;

/// The longest streamed body that is read to look for placeholders, in bytes: what a value may be written into.
const MAX_SEARCHED: usize = 64 << 20;

/// Makes injections of a call's placeholders.
///
/// # Errors
/// `invalid_call` where two stand in one place, or a body that a field may go into is too long or breaks off.
pub(super) async fn take(call: &mut Call, loaded: &Loaded, place: &Place) -> Result<()> {
    call.take_placeholders()?;
    let slots: Vec<(SecretName, Slot)> = loaded
        .policy
        .body_slots(place.project_id, &place.environment, &call.url, Timestamp::now())
        .map(|(name, slot)| (name.clone(), slot.clone()))
        .collect();
    if slots.is_empty() {
        return Ok(());
    }
    let Some(kind) = Kind::of(call) else { return Ok(()) };
    gather(&mut call.body).await?;
    let Body::Bytes(text) = &call.body else { return Ok(()) };
    if !placeholder::is_in(text) {
        return Ok(());
    }
    let text = text.clone();
    match kind {
        Kind::Json => take_fields(call, &text, &slots),
        Kind::Form => take_pairs(call, &text, &slots),
    }
}

enum Kind {
    Json,
    Form,
}

impl Kind {
    fn of(call: &Call) -> Option<Self> {
        let said = call.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let kind = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/x-www-form-urlencoded" => Some(Self::Form),
            "application/json" => Some(Self::Json),
            _ if kind.ends_with("+json") => Some(Self::Json),
            _ => None,
        }
    }
}

/// Reads a streamed body, so that a value can be written into it.
async fn gather(body: &mut Body) -> Result<()> {
    let Body::Stream { chunks, .. } = body else { return Ok(()) };
    let mut whole = Vec::new();
    while let Some(chunk) = std::future::poll_fn(|cx| std::pin::Pin::new(&mut *chunks).poll_next(cx)).await {
        let chunk = chunk.map_err(|_| crate::call::broke_off())?;
        if whole.len() + chunk.len() > MAX_SEARCHED {
            return Err(Error::new(ErrorCode::InvalidCall, "the body is too long to look for placeholders in"));
        }
        whole.extend_from_slice(&chunk);
    }
    *body = Body::Bytes(Bytes::from(whole));
    Ok(())
}

fn take_fields(call: &mut Call, text: &[u8], slots: &[(SecretName, Slot)]) -> Result<()> {
    let Ok(said) = serde_json::from_slice::<serde_json::Value>(text) else { return Ok(()) };
    for (name, slot) in slots {
        let Slot::BodyField(path) = slot else { continue };
        let at = at_path(&said, path).and_then(serde_json::Value::as_str);
        if let Some(text) = at.filter(|text| stands_for(text.as_bytes(), name)) {
            call.inject_found(Auth::BodyField(path.clone()), placeholder::around(text.as_bytes(), "a body field")?)?;
        }
    }
    Ok(())
}

/// Whether the first placeholder of a text is that of the name.
fn stands_for(text: &[u8], name: &SecretName) -> bool {
    placeholder::find(text).is_some_and(|found| found.name == *name)
}

fn at_path<'a>(said: &'a serde_json::Value, path: &FieldPath) -> Option<&'a serde_json::Value> {
    path.segments().iter().try_fold(said, |at, segment| match at {
        serde_json::Value::Object(fields) => fields.get(segment),
        serde_json::Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The pair with the placeholder is taken out, as the injection writes it anew.
fn take_pairs(call: &mut Call, text: &[u8], slots: &[(SecretName, Slot)]) -> Result<()> {
    let mut rest: Vec<&[u8]> = text.split(|byte| *byte == b'&').collect();
    for (name, slot) in slots {
        let Slot::FormField(field) = slot else { continue };
        let found = rest.iter().enumerate().find_map(|(at, pair)| {
            let (key, value) = url::form_urlencoded::parse(pair).next()?;
            (key == field.as_str() && stands_for(value.as_bytes(), name)).then(|| (at, value.into_owned()))
        });
        if let Some((at, value)) = found {
            rest.remove(at);
            call.inject(Auth::FormField(field.clone()), placeholder::around(value.as_bytes(), "a form field")?)?;
        }
    }
    call.body = Body::Bytes(Bytes::from(rest.join(&b"&"[..])));
    Ok(())
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
