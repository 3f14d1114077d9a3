//! Logging in by password.

use std::sync::Arc;

use agentsecrets_wire::{Code, LoggedIn, Login, LoginStart, LoginStarted, Problem};
use axum::Json;
use axum::extract::State;

use super::accounts::{address, attempted, no_message};
use super::sessions::begin;
use crate::app::App;
use crate::auth::{Open, Peer};
use crate::error::Answer;
use crate::storage::KeptSession;
use crate::verify::now;
use crate::{password, random};

/// How long a login may take from its first half to its second, in seconds.
const BETWEEN: i64 = 60;

/// The first half of a login. An address without account is answered as one with.
#[utoipa::path(
    post, path = "/v1/login/start", tag = "sessions", request_body = LoginStart,
    responses(
        (status = 200, body = LoginStarted),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    Open(asked): Open<LoginStart>,
) -> Answer<Json<LoginStarted>> {
    let email = attempted(&app, peer, &asked.email).await?;
    let address = address(&app, email);
    let known = app.storage.account_at(&address).await?;
    let record = known.as_ref().map(|known| known.record.as_slice());
    let (response, state) = password::begin(&app.keys.setup, email, record, &asked.request).ok_or_else(no_message)?;
    let login = random::id();
    app.storage.begin_login(login, &address, &state, now(), now() + BETWEEN).await?;
    Ok(Json(LoginStarted { login, response }))
}

/// The second half of a login.
#[utoipa::path(
    post, path = "/v1/login", tag = "sessions", request_body = Login,
    responses(
        (status = 200, body = LoggedIn),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn finish(State(app): State<Arc<App>>, Open(asked): Open<Login>) -> Answer<Json<LoggedIn>> {
    let (address, state) = app.storage.take_login(asked.login, now()).await?.ok_or(Code::WrongCredentials)?;
    let known = app.storage.account_at(&address).await?;
    let proved = password::is_proved(&state, &asked.finalization);
    let account = known.filter(|_| proved).ok_or(Code::WrongCredentials)?.account;
    let session = begin(&app, &KeptSession { account: account.account, device: asked.device }).await?;
    Ok(Json(LoggedIn { session, account }))
}
