//! What somebody can do who has an invitation's code and is no member yet.

use std::sync::Arc;

use agentsecrets_wire::chain::{Act, Role};
use agentsecrets_wire::{Appended, Code, Enrol, Open as Asked, Opened, Problem, Signature};
use axum::Json;
use axum::extract::State;
use uuid::Uuid;

use super::chain::go_on;
use crate::app::App;
use crate::auth::{Open, Peer, Place};
use crate::chains;
use crate::error::{Answer, Refused};
use crate::verify::{check_timely, is_asked_by, now};

/// The chain, for who has the code.
#[utoipa::path(
    post, path = "/v1/invites/{invite}/open", tag = "invites", request_body = Asked,
    params(("invite" = Uuid, Path, description = "The invitation")),
    responses(
        (status = 200, body = Opened),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn open(
    State(app): State<Arc<App>>,
    Place(invite): Place<Uuid>,
    Peer(peer): Peer,
    Open(asked): Open<Asked>,
) -> Answer<Json<Opened>> {
    app.limits.attempt(&app.storage, &app.keys, peer, invite.as_bytes()).await?;
    let workspace = invited_to(&app, invite, "open", asked.time, &asked.signature).await?;
    let placed = app.storage.placed(workspace).await?.ok_or(Code::NotFound)?;
    let entries = app.storage.entries(workspace, 0, placed.head.seq, usize::MAX, usize::MAX).await?;
    Ok(Json(Opened { workspace, entries: entries.into_iter().map(|it| it.entry).collect() }))
}

/// A machine joins, which has no account to log in with.
#[utoipa::path(
    post, path = "/v1/invites/{invite}/join", tag = "invites", request_body = Enrol,
    params(("invite" = Uuid, Path, description = "The invitation")),
    responses(
        (status = 200, body = Appended),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn join(
    State(app): State<Arc<App>>,
    Place(invite): Place<Uuid>,
    Peer(peer): Peer,
    Open(asked): Open<Enrol>,
) -> Answer<Json<Appended>> {
    app.limits.attempt(&app.storage, &app.keys, peer, invite.as_bytes()).await?;
    let entry = asked.entry.parse().map_err(|_| Code::Malformed)?;
    let Act::Join { invite: named, member, .. } = &entry.act else {
        return Err(Refused::with(Code::Refused, "a machine's first entry is its joining"));
    };
    if *named != invite || member.account != entry.author {
        return Err(Refused::with(Code::Refused, "the entry names another invitation or another author"));
    }
    // The same entry again: the invitation it used is no more.
    if chains::has(&app.storage, entry.workspace, &asked.entry, entry.seq).await? {
        return go_on(&app, entry.workspace, &entry, &asked.entry).await;
    }
    let workspace = invited_to(&app, invite, "join", asked.time, &asked.signature).await?;
    if workspace != entry.workspace {
        return Err(Code::NotFound.into());
    }
    let current = app.chains.current(&app.storage, workspace).await?.ok_or(Code::NotFound)?;
    let is_machine = |role: Role| if role == Role::Machine { Ok(()) } else { Err(person()) };
    match current.state.invites().find(|(id, _)| **id == invite) {
        Some((_, invited)) => is_machine(invited.invite.role)?,
        None => return Err(Code::NotFound.into()),
    }
    let is_used = app.storage.account(member.account).await?.is_some();
    if is_used || app.storage.is_member_somewhere(member.account).await? {
        return Err(Refused::with(Code::Refused, "a machine's id is one that nobody has or had"));
    }
    go_on(&app, workspace, &entry, &asked.entry).await
}

fn person() -> Refused {
    Refused::with(Code::Forbidden, "a person joins in a session of the account")
}

/// The workspace of an open invitation whose code is known to who asks.
async fn invited_to(app: &App, invite: Uuid, act: &str, time: i64, signature: &Signature) -> Answer<Uuid> {
    check_timely(time)?;
    let path = format!("/v1/invites/{invite}/{act}");
    let open = app.storage.invite(invite).await?;
    let theirs = open.into_iter().find(|(_, key, _)| is_asked_by(key, &path, time, signature));
    match theirs {
        Some((workspace, _, expires)) if expires >= now() => Ok(workspace),
        _ => Err(Code::NotFound.into()),
    }
}
