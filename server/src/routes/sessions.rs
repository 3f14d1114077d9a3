//! Sessions: made by a device that some workspace knows, and ended.

use std::sync::Arc;

use agentsecrets_wire::chain::Device;
use agentsecrets_wire::{Code, Problem, PublicKey, Resume, Session, Verifier};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};

use crate::app::App;
use crate::auth::{Caller, Open, Peer};
use crate::error::Answer;
use crate::random;
use crate::storage::KeptSession;
use crate::verify::{Strict, check_timely, is_asked_by, now};

/// How long a session lasts, in hours.
const HOURS: i64 = 24;

/// Another session, without a password.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "sessions", request_body = Resume,
    responses(
        (status = 200, body = Session),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn resume(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    Open(asked): Open<Resume>,
) -> Answer<Json<Session>> {
    app.limits.attempt(&app.storage, &app.keys, peer, asked.device.as_bytes()).await?;
    check_timely(asked.time)?;
    let known = app.storage.device(asked.device).await?;
    let is_theirs = |key: &PublicKey| is_asked_by(key, "/v1/sessions", asked.time, &asked.signature);
    let (account, key) = known.into_iter().find(|(_, key)| is_theirs(key)).ok_or(Code::Unauthenticated)?;
    let session = KeptSession { account, device: Device { device: asked.device, key } };
    begin(&app, &session).await.map(Json)
}

/// The end of the session that it is sent in.
#[utoipa::path(
    delete, path = "/v1/sessions", tag = "sessions", security(("session" = [])),
    responses(
        (status = 204, description = "It has ended"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn end(State(app): State<Arc<App>>, caller: Caller) -> Answer<StatusCode> {
    app.storage.end_session(&caller.token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begins a session. Of its token only the digest stays here.
pub(super) async fn begin(app: &App, session: &KeptSession) -> Answer<Session> {
    let token = agentsecrets_wire::Hash::from(random::bytes()).to_string();
    let expires = Timestamp::now() + SignedDuration::from_hours(HOURS);
    app.storage.add_session(&Strict.hash(token.as_bytes()), session, now(), expires.as_second()).await?;
    tracing::info!(account = %session.account, device = %session.device.device, "a session began");
    Ok(Session { token, expires })
}
