//! Another password for who has the recovery code.

use std::sync::Arc;

use agentsecrets_wire::{
    Account, Code, Problem, PublicKey, Recovery, RecoveryOpen, RecoveryStart, RegisterStarted, Signature,
};
use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::accounts::{address, attempted, begin, check_same, kept};
use crate::app::App;
use crate::auth::{Open, Peer};
use crate::error::Answer;
use crate::storage::Kept;
use crate::verify::{check_timely, is_asked_by};

/// The first half. Whether the address has an account is not said.
#[utoipa::path(
    post, path = "/v1/recovery/start", tag = "accounts", request_body = RecoveryStart,
    responses(
        (status = 200, body = RegisterStarted),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    Open(asked): Open<RecoveryStart>,
) -> Answer<Json<RegisterStarted>> {
    begin(&app, peer, &asked.email, &asked.request).await
}

/// What the recovery code opens.
#[utoipa::path(
    post, path = "/v1/recovery/open", tag = "accounts", request_body = RecoveryOpen,
    responses(
        (status = 200, body = Account),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn open(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    Open(asked): Open<RecoveryOpen>,
) -> Answer<Json<Account>> {
    let email = attempted(&app, peer, &asked.email).await?;
    let known = known(&app, email, "/v1/recovery/open", asked.time, &asked.signature).await?;
    Ok(Json(known.account))
}

/// The second half; every session of the account ends.
#[utoipa::path(
    post, path = "/v1/recovery", tag = "accounts", request_body = Recovery,
    responses(
        (status = 204, description = "The new password counts"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn finish(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    Open(asked): Open<Recovery>,
) -> Answer<StatusCode> {
    let email = attempted(&app, peer, &asked.email).await?;
    let kept = kept(&app, email, &asked.record, asked.account)?;
    let known = known(&app, email, "/v1/recovery", asked.time, &asked.signature).await?;
    check_same(&known, &kept)?;
    app.storage.change_account(&kept, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The account of an address whose recovery code is known to who asks. No account and another code look the same.
async fn known(app: &App, email: &str, path: &str, time: i64, signature: &Signature) -> Answer<Kept> {
    check_timely(time)?;
    let known = app.storage.account_at(&address(app, email)).await?;
    // The base point of the curve: a key like any other, for the same work.
    let nobody = PublicKey::from({
        let mut point = [0x66; 32];
        point[0] = 0x58;
        point
    });
    let key = known.as_ref().map_or(nobody, |known| known.account.recovery_key);
    let asked = is_asked_by(&key, path, time, signature);
    known.filter(|_| asked).ok_or_else(|| Code::WrongCredentials.into())
}
