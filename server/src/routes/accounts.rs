//! Making an account, and changing its password.

use std::net::IpAddr;
use std::sync::Arc;

use agentsecrets_wire::{Account, Blob, Code, Problem, Register, RegisterStart, RegisterStarted, Rekey};
use axum::Json;
use axum::extract::State;
use http::StatusCode;

use crate::app::App;
use crate::auth::{Caller, Open, Peer};
use crate::config::Registration;
use crate::error::{Answer, Refused};
use crate::password;
use crate::storage::{Kept, is_taken};

/// What is taken of an address at most, in bytes (RFC 5321 section 4.5.3.1.3).
const ADDRESS: usize = 254;
/// What is taken of an account's sealed keys at most, in bytes.
const SEALED: usize = 4096;

/// The first half of a registration, or of another password.
#[utoipa::path(
    post, path = "/v1/accounts/start", tag = "accounts", request_body = RegisterStart,
    responses(
        (status = 200, body = RegisterStarted),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    Open(asked): Open<RegisterStart>,
) -> Answer<Json<RegisterStarted>> {
    begin(&app, peer, &asked.email, &asked.request).await
}

/// The first half of any registration: it is the same whether the address has an account or not.
pub(super) async fn begin(app: &App, peer: IpAddr, email: &str, request: &Blob) -> Answer<Json<RegisterStarted>> {
    let email = attempted(app, peer, email).await?;
    let response = password::register(&app.keys.setup, email, request).ok_or_else(no_message)?;
    Ok(Json(RegisterStarted { response }))
}

/// The second half of a registration.
#[utoipa::path(
    post, path = "/v1/accounts", tag = "accounts", request_body = Register,
    responses(
        (status = 204, description = "There is an account"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn register(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    Open(asked): Open<Register>,
) -> Answer<StatusCode> {
    if app.registration == Registration::Closed {
        return Err(Refused::with(Code::Forbidden, "this server takes no new accounts"));
    }
    let email = attempted(&app, peer, &asked.email).await?;
    let kept = kept(&app, email, &asked.record, asked.account)?;
    // What a machine of some workspace is called cannot become an account's name.
    if app.storage.is_member_somewhere(kept.account.account).await? {
        return Err(Code::Taken.into());
    }
    match app.storage.add_account(&kept).await {
        Ok(()) => {
            tracing::info!(account = %kept.account.account, "registered");
            Ok(StatusCode::NO_CONTENT)
        }
        Err(why) if is_taken(&why) => again(&app, &kept).await,
        Err(why) => Err(why.into()),
    }
}

/// The same registration again is answered as the first time.
async fn again(app: &App, kept: &Kept) -> Answer<StatusCode> {
    let known = app.storage.account_at(&kept.address).await?;
    let same = known.is_some_and(|known| known.account == kept.account && known.record == kept.record);
    if same { Ok(StatusCode::NO_CONTENT) } else { Err(Code::Taken.into()) }
}

/// Another password, or the keys sealed anew.
#[utoipa::path(
    put, path = "/v1/account", tag = "accounts", request_body = Rekey, security(("session" = [])),
    responses(
        (status = 204, description = "It counts from now on; other sessions have ended"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn rekey(State(app): State<Arc<App>>, caller: Caller) -> Answer<StatusCode> {
    let asked: Rekey = caller.body()?;
    let known = app.storage.account(caller.account).await?.ok_or(Code::Forbidden)?;
    let kept = kept(&app, parse_email(&asked.email)?, &asked.record, asked.account)?;
    check_same(&known, &kept)?;
    app.storage.change_account(&kept, Some(&caller.token)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether what comes may take the place of what is known: address and keys stay.
pub(super) fn check_same(known: &Kept, kept: &Kept) -> Answer<()> {
    let keys = |account: &Account| (account.account, account.signing, account.receiving);
    if known.address != kept.address || keys(&known.account) != keys(&kept.account) {
        return Err(Refused::with(Code::Forbidden, "the address and the keys of an account stay"));
    }
    Ok(())
}

/// An account as it is stored.
pub(super) fn kept(app: &App, email: &str, record: &Blob, account: Account) -> Answer<Kept> {
    if account.sealed.as_bytes().len() > SEALED || account.recovery.as_bytes().len() > SEALED {
        return Err(Code::TooLarge.into());
    }
    let record = password::parse_record(record).ok_or_else(no_message)?;
    Ok(Kept { account, address: address(app, email), record })
}

/// What stands in the database for an address.
pub(super) fn address(app: &App, email: &str) -> Vec<u8> {
    app.keys.blind("address", email.as_bytes())
}

/// The address that somebody tries, once the attempt is counted.
pub(super) async fn attempted<'e>(app: &App, peer: IpAddr, email: &'e str) -> Answer<&'e str> {
    let email = parse_email(email)?;
    app.limits.attempt(&app.storage, &app.keys, peer, email.as_bytes()).await?;
    Ok(email)
}

/// An address: in lower case, with one part on each side of an `@`.
fn parse_email(email: &str) -> Answer<&str> {
    let parts = email.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty());
    let plain = !email.chars().any(|it| it.is_whitespace() || it.is_control() || it.is_uppercase());
    if parts && plain && email.len() <= ADDRESS {
        return Ok(email);
    }
    Err(Refused::with(Code::Malformed, "the address is none, or not in lower case"))
}

/// What is sent is no message of the login protocol.
pub(super) fn no_message() -> Refused {
    Refused::with(Code::Malformed, "this is no message of the login protocol")
}
