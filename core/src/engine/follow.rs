//! Redirects and retries: each is a new call through the same stages.

use std::time::{Duration, Instant};

use http::{HeaderMap, Method, StatusCode, header};

use super::caller::Caller;
use super::closing::Limits;
use super::gate::Entrant;
use super::open::Engine;
use crate::call::{Body, Call};
use crate::context::{Place, Selection};
use crate::error::{ErrorCode, Result};
use crate::response::Response;
use crate::secret_ref::Scope;

/// How many same-origin redirects are followed (RFC 9110, section 15.4, asks for a limit and names none).
const MAX_REDIRECTS: u32 = 10;
/// The pause before the first retry; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause that a `Retry-After` may ask for before the answer is handed to the caller instead.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Engine {
    /// Makes a call, of whoever was let in.
    pub(crate) async fn call(&self, mut call: Call, entrant: Entrant<'_>) -> Result<Response> {
        let started = Instant::now();
        let (selection, peer) = entrant.into_parts();
        let limits = Limits::of(&call, started);
        let said = Scope { workspace: None, project: call.project.clone(), environment: call.environment.clone() };
        let place = self.place(&selection.narrowed(&said))?;
        let caller = Caller { place, token: selection.agent_token.clone(), started, peer };
        if call.placeholders {
            let loaded = self.loaded()?;
            // Nothing is read for a caller whose token does not count.
            let found = match self.known(&loaded, &caller) {
                Ok(()) => limits.hold(super::placeholders::take(&mut call, &loaded, &caller.place)).await,
                Err(why) => Err(why),
            };
            found.map_err(|why| self.unasked(&loaded, &call, &caller, why))?;
        }
        let (mut redirects, mut retries, mut pause) = (0, 0, FIRST_PAUSE);
        loop {
            let again = call.replay();
            let may_retry = retries < call.retries && call.method.is_idempotent();
            let answered = self.once(call, &caller).await;
            let Some(mut next) = again else { return answered };
            let wait =
                worth_retrying(&answered, pause).filter(|wait| Instant::now() + *wait < limits.deadline().into_std());
            if let (true, Some(wait)) = (may_retry, wait) {
                if let Ok(mut response) = answered {
                    response.body.pass_over();
                }
                tokio::time::sleep(wait).await;
                (retries, pause) = (retries + 1, LONGEST_PAUSE.min(pause * 2));
                call = next;
                continue;
            }
            let mut response = answered?;
            if redirects == MAX_REDIRECTS || !next.redirects || !redirect(&response, &mut next) {
                return Ok(response);
            }
            response.body.pass_over();
            redirects += 1;
            call = next;
        }
    }
}

impl Call {
    /// The same call once more; `None` where its body is a stream.
    fn replay(&self) -> Option<Self> {
        Some(Self {
            method: self.method.clone(),
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: self.body.replay()?,
            injections: self.injections.clone(),
            project: self.project.clone(),
            environment: self.environment.clone(),
            timeout: self.timeout,
            max_response: self.max_response,
            retries: self.retries,
            redirects: self.redirects,
            placeholders: false,
            buffered: self.buffered,
            websocket: self.websocket.clone(),
        })
    }
}

/// How long to wait before trying again, `None` where it would not help.
fn worth_retrying(answered: &Result<Response>, pause: Duration) -> Option<Duration> {
    match answered {
        Ok(response) if matches!(response.status.as_u16(), 429 | 502 | 503 | 504) => {
            let asked = retry_after(&response.headers).unwrap_or(pause);
            (asked <= LONGEST_PAUSE).then_some(asked)
        }
        Ok(_) => None,
        Err(why) => (why.code() == ErrorCode::UpstreamUnreachable && why.retryable()).then_some(pause),
    }
}

/// `Retry-After` in seconds (RFC 9110, section 10.2.3); a date is left to the caller.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Points `next` to where a same-origin redirect leads; `false` where the response is to be handed over as it is.
fn redirect(response: &Response, next: &mut Call) -> bool {
    let to_get = match response.status {
        // RFC 9110, sections 15.4.2 to 15.4.4: user agents change POST to GET, and 303 changes everything but HEAD.
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => next.method == Method::POST,
        StatusCode::SEE_OTHER => next.method != Method::HEAD && next.method != Method::GET,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => false,
        _ => return false,
    };
    // A location that a value was taken out of leads nowhere.
    let redacted = !response.body.tail().redacted.is_empty() || response.body.tail().unnamed;
    let location = response.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let Some(url) = location.filter(|_| !redacted).and_then(|location| next.url.join(location).ok()) else {
        return false;
    };
    if url.origin() != next.url.origin() || (to_get && has_body_injection(next)) {
        return false;
    }
    next.url = url;
    if to_get {
        next.method = Method::GET;
        next.body = Body::Empty;
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_LOCATION]
        {
            next.headers.remove(name);
        }
    }
    true
}

/// A call whose value stands in the body cannot go on without its body.
fn has_body_injection(call: &Call) -> bool {
    use crate::call::Style;
    call.injections.iter().any(|injection| matches!(injection.auth.style(), Style::BodyField | Style::FormField))
}

impl Engine {
    /// The project and environment a selection means here.
    pub(super) fn place(&self, selection: &Selection) -> Result<Place> {
        let loaded = self.loaded()?;
        super::place::find(&loaded.document, selection, &loaded.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn a_date_is_no_pause() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, "3".parse().expect("value"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(3)));
        headers.insert(header::RETRY_AFTER, "Wed, 21 Oct 2026 07:28:00 GMT".parse().expect("value"));
        assert_eq!(retry_after(&headers), None);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let unreachable = Error::new(ErrorCode::UpstreamUnreachable, "x");
        assert_eq!(worth_retrying(&Err(unreachable.clone()), FIRST_PAUSE), Some(FIRST_PAUSE));
        assert_eq!(worth_retrying(&Err(unreachable.with_retryable(false)), FIRST_PAUSE), None);
        assert_eq!(worth_retrying(&Err(Error::new(ErrorCode::Timeout, "x")), FIRST_PAUSE), None);
    }
}
