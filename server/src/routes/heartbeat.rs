//! An admin gives a sign of life.

use std::sync::Arc;

use agentsecrets_wire::chain::Role;
use agentsecrets_wire::{Beat, Code, Problem};
use axum::extract::State;
use http::StatusCode;
use uuid::Uuid;

use super::records::is_known;
use crate::app::App;
use crate::auth::{Caller, Place};
use crate::error::{Answer, Refused};
use crate::verify::{Strict, check_timely};

/// Keeps the newest sign of life.
#[utoipa::path(
    put, path = "/v1/workspaces/{workspace}/heartbeat", tag = "workspaces", request_body = Beat,
    params(("workspace" = Uuid, Path, description = "The workspace")), security(("session" = [])),
    responses(
        (status = 204, description = "It is kept, or a newer one was"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn beat(
    State(app): State<Arc<App>>,
    Place(workspace): Place<Uuid>,
    caller: Caller,
) -> Answer<StatusCode> {
    let Beat { heartbeat: signed } = caller.body()?;
    let current = caller.workspace(&app, workspace).await?;
    let beat = signed.parse().map_err(|_| Code::Malformed)?;
    if beat.v != 1 || beat.workspace != workspace {
        return Err(Code::Malformed.into());
    }
    let admin = current.state.member(&caller.account).is_some_and(|member| member.role == Role::Admin);
    let own = beat.author == caller.account && beat.device == caller.device.device;
    let known = current.state.device(&beat.device).is_some();
    if !admin || !own || !known || !signed.is_signed_by(&caller.device.key, &Strict) {
        return Err(Refused::with(Code::Forbidden, "a sign of life is an admin's, from the admin's device"));
    }
    check_timely(beat.time.as_second())?;
    if !is_known(&app, workspace, &beat.head).await? {
        return Err(Refused::with(Code::Refused, "the admin has seen another chain than this one"));
    }
    app.storage.beat(workspace, &signed, beat.time.as_second()).await?;
    Ok(StatusCode::NO_CONTENT)
}
