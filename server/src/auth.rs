//! Who asks: the body of a request, and the session and proof that come with it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use agentsecrets_wire::chain::{Device, Role};
use agentsecrets_wire::{Code, Hash, Signature, Verifier, limits, proof};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::app::App;
use crate::chains::Current;
use crate::error::{Answer, Refused};
use crate::verify::{Strict, check_timely, now};

/// How long the body of a request may take to come.
const BODY_TIME: Duration = Duration::from_secs(30);
/// How much of a body that is too long is read and dropped.
const DROPPED: usize = 4 * limits::BODY;

/// The address that a request comes from.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl FromRequestParts<Arc<App>> for Peer {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Answer<Self> {
        parts.extensions.get::<Self>().copied().ok_or_else(|| Code::Internal.into())
    }
}

/// What a path says.
pub(crate) struct Place<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<App>> for Place<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Answer<Self> {
        let path = Path::from_request_parts(parts, app).await;
        path.map(|Path(said)| Self(said)).map_err(|_| Refused::with(Code::Malformed, "the path holds what is no id"))
    }
}

/// What a query says.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Answer<Self> {
        let query = Query::from_request_parts(parts, app).await;
        let wrong = |_| Refused::with(Code::Malformed, "the query holds what is no number");
        query.map(|Query(said)| Self(said)).map_err(wrong)
    }
}

/// A request without a session.
pub(crate) struct Open<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Open<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _app: &Arc<App>) -> Answer<Self> {
        let (_, body) = whole(request).await?;
        parse(&body).map(Self)
    }
}

/// A request within a session, whose device signed it.
pub(crate) struct Caller {
    /// Whose session.
    pub(crate) account: Uuid,
    /// Its device.
    pub(crate) device: Device,
    /// The token's digest.
    pub(crate) token: Hash,
    body: Bytes,
}

impl FromRequest<Arc<App>> for Caller {
    type Rejection = Refused;

    async fn from_request(request: Request, app: &Arc<App>) -> Answer<Self> {
        let (parts, body) = whole(request).await?;
        let token = bearer(&parts.headers).ok_or(Code::Unauthenticated)?;
        let (seconds, signature) = signed(&parts.headers).ok_or(Code::Unauthenticated)?;
        check_timely(seconds)?;
        let token = Strict.hash(token.as_bytes());
        let session = app.storage.session(&token, now()).await?.ok_or(Code::Unauthenticated)?;
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let message = proof(parts.method.as_str(), target, &Strict.hash(&body), &token, seconds);
        if !Strict.verify(&session.device.key, &message, &signature) {
            return Err(Code::Unauthenticated.into());
        }
        app.limits.request(&app.storage, session.account).await?;
        Ok(Self { account: session.account, device: session.device, token, body })
    }
}

impl Caller {
    /// What is asked.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Answer<T> {
        parse(&self.body)
    }

    /// The workspace, where the caller is a member whose device was not put out.
    pub(crate) async fn workspace(&self, app: &App, workspace: Uuid) -> Answer<Current> {
        let current = app.chains.current(&app.storage, workspace).await?.ok_or(Code::NotFound)?;
        current.state.member(&self.account).ok_or(Code::NotFound)?;
        match current.state.device(&self.device.device) {
            Some(known) if known.account == self.account && known.key == self.device.key => Ok(current),
            Some(_) => Err(Code::Forbidden.into()),
            None if current.state.has_had(&self.device.device) => Err(Code::Forbidden.into()),
            // A device that has just logged in, and has to read the chain to be added to it.
            None => Ok(current),
        }
    }

    /// The scopes that the caller may read; none where it may read all.
    pub(crate) fn scopes<'a>(&self, current: &'a Current) -> Option<&'a [Hash]> {
        let member = current.state.member(&self.account).filter(|member| member.role == Role::Machine);
        member.map(|machine| machine.scopes.as_slice())
    }
}

/// The whole body. What is too long is read on for a while and dropped: a client that still sends would not hear the answer.
async fn whole(request: Request) -> Answer<(Parts, Bytes)> {
    let (parts, mut body) = request.into_parts();
    let collected = async {
        let (mut whole, mut length) = (BytesMut::new(), 0);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refused::with(Code::Malformed, "the body broke off"))?;
            let Ok(data) = frame.into_data() else { continue };
            length += data.len();
            if length <= limits::BODY {
                whole.extend_from_slice(&data);
            } else if length > DROPPED {
                break;
            }
        }
        if length > limits::BODY { Err(Refused::from(Code::TooLarge)) } else { Ok(whole.freeze()) }
    };
    let collected = tokio::time::timeout(BODY_TIME, collected).await;
    let body = collected.map_err(|_| Refused::with(Code::Malformed, "the body took too long"))??;
    Ok((parts, body))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Answer<T> {
    serde_json::from_slice(body)
        .map_err(|_| Refused::with(Code::Malformed, "the body is not of the form of this route"))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// The time and signature of `agentsecrets-proof: t=SECONDS,s=SIGNATURE`.
fn signed(headers: &HeaderMap) -> Option<(i64, Signature)> {
    let text = headers.get("agentsecrets-proof")?.to_str().ok()?;
    let (seconds, signature) = text.strip_prefix("t=")?.split_once(",s=")?;
    Some((seconds.parse().ok()?, signature.parse().ok()?))
}
