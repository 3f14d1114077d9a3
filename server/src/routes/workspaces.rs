//! The workspaces of an account, and new ones.

use std::sync::Arc;

use agentsecrets_wire::chain::{Act, Device, Member};
use agentsecrets_wire::{Append, Appended, Code, Problem, Workspaces};
use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::auth::Caller;
use crate::chains;
use crate::error::{Answer, Refused};

/// Where the caller is a member.
#[utoipa::path(
    get, path = "/v1/workspaces", tag = "workspaces", security(("session" = [])),
    responses(
        (status = 200, body = Workspaces),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<Workspaces>> {
    Ok(Json(Workspaces { workspaces: app.storage.workspaces(caller.account).await? }))
}

/// A new workspace, by the first entry of its chain.
#[utoipa::path(
    post, path = "/v1/workspaces", tag = "workspaces", request_body = Append, security(("session" = [])),
    responses(
        (status = 200, body = Appended),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn found(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<Appended>> {
    let Append { entry: signed } = caller.body()?;
    let entry = signed.parse().map_err(|_| Code::Malformed)?;
    let Act::Genesis { member, device, .. } = &entry.act else {
        return Err(Refused::with(Code::Refused, "a chain begins with its genesis"));
    };
    check_keys(&app, &caller, member, device).await?;
    if let Some(current) = app.chains.current(&app.storage, entry.workspace).await? {
        let same = chains::has(&app.storage, entry.workspace, &signed, 1).await?;
        return if same { Ok(Json(Appended { head: current.placed.head })) } else { Err(Code::ChainMoved.into()) };
    }
    let head = app.chains.append(&app.storage, &signed, entry.workspace, None).await?;
    tracing::info!(workspace = %entry.workspace, "founded");
    Ok(Json(Appended { head }))
}

/// Whether who comes into a workspace comes with the keys of the caller's own account, on the caller's own device.
pub(super) async fn check_keys(app: &App, caller: &Caller, member: &Member, device: &Device) -> Answer<()> {
    let refused =
        || Refused::with(Code::Forbidden, "who joins does so with the keys of the session's account and device");
    let known = app.storage.account(caller.account).await?.ok_or_else(refused)?.account;
    let keys = (known.account, known.signing, known.receiving);
    if keys == (member.account, member.signing, member.receiving) && *device == caller.device {
        return Ok(());
    }
    Err(refused())
}
