//! The chain of a workspace goes on.

use std::sync::Arc;

use agentsecrets_wire::chain::{Act, Entry, State as Chain};
use agentsecrets_wire::{Append, Appended, Code, Problem, Signed};
use axum::Json;
use axum::extract::State;
use uuid::Uuid;

use super::workspaces::check_keys;
use crate::app::App;
use crate::auth::{Caller, Place};
use crate::chains;
use crate::error::{Answer, Refused};
use crate::verify::{is_timely, now};

/// Appends an entry.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace}/chain", tag = "workspaces", request_body = Append,
    params(("workspace" = Uuid, Path, description = "The workspace")), security(("session" = [])),
    responses(
        (status = 200, body = Appended),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn append(
    State(app): State<Arc<App>>,
    Place(workspace): Place<Uuid>,
    caller: Caller,
) -> Answer<Json<Appended>> {
    let Append { entry: signed } = caller.body()?;
    let entry = signed.parse().map_err(|_| Code::Malformed)?;
    if entry.author != caller.account || entry.workspace != workspace {
        return Err(Refused::with(Code::Forbidden, "an entry is sent by its author, to its own workspace"));
    }
    if let Act::Join { member, device, .. } = &entry.act {
        check_keys(&app, &caller, member, device).await?;
    } else {
        caller.workspace(&app, workspace).await?;
    }
    go_on(&app, workspace, &entry, &signed).await
}

/// Appends an entry whose sender is known.
pub(super) async fn go_on(app: &App, workspace: Uuid, entry: &Entry, signed: &Signed<Entry>) -> Answer<Json<Appended>> {
    let current = app.chains.current(&app.storage, workspace).await?.ok_or(Code::NotFound)?;
    if chains::has(&app.storage, workspace, signed, entry.seq).await? {
        return Ok(Json(Appended { head: current.placed.head }));
    }
    check_time(&current.state, entry)?;
    let head = app.chains.append(&app.storage, signed, workspace, Some(&current.state)).await?;
    tracing::info!(%workspace, seq = head.seq, size = signed.body.len(), "the chain went on");
    Ok(Json(Appended { head }))
}

/// The chain's own rules know its authors' clocks only: nobody joins late by a clock that is slow.
fn check_time(state: &Chain, entry: &Entry) -> Answer<()> {
    if entry.time.as_second() > now() && !is_timely(entry.time.as_second()) {
        return Err(Code::ClockSkew.into());
    }
    if let Act::Join { invite, .. } = &entry.act
        && let Some((_, invited)) = state.invites().find(|(id, _)| *id == invite)
        && invited.invite.expires.as_second() < now()
    {
        return Err(Refused::with(Code::Refused, "the invitation has expired"));
    }
    Ok(())
}
