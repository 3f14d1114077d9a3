//! What a member has not seen yet.

use std::sync::Arc;

use agentsecrets_wire::{Changes, Heartbeat, Problem, Signed, limits};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Asked, Caller, Place};
use crate::chains::Current;
use crate::error::Answer;
use crate::storage::Page;

/// Bytes of entries, and of records, in one answer: not much more.
const SIZE: usize = 8 << 20;

/// What the caller has seen.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Seen {
    /// The cursor of the last answer; 0 for nothing yet.
    #[serde(default)]
    since: u64,
    /// The number of the last entry of the chain; 0 for none yet.
    #[serde(default)]
    after: u64,
    /// Records at most.
    limit: Option<u32>,
}

/// The entries and records that the caller has not seen, within its scopes.
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace}/changes", tag = "records",
    params(("workspace" = Uuid, Path, description = "The workspace"), Seen),
    security(("session" = [])),
    responses(
        (status = 200, body = Changes, headers(("etag" = String, description = "Of this state"))),
        (status = 304, description = "Nothing is new since the answer with the etag of `if-none-match`"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Place(workspace): Place<Uuid>,
    Asked(seen): Asked<Seen>,
    headers: HeaderMap,
    caller: Caller,
) -> Answer<Response> {
    let current = caller.workspace(&app, workspace).await?;
    let etag = etag(&current);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let changes = changes(&app, &current, &seen, caller.scopes(&current)).await?;
    Ok(([(header::ETAG, etag)], Json(changes)).into_response())
}

/// The state of a workspace in a word.
fn etag(current: &Current) -> String {
    let placed = &current.placed;
    format!("\"{}-{}-{}\"", placed.head.seq, placed.cursor, placed.beat)
}

async fn changes(
    app: &App,
    current: &Current,
    seen: &Seen,
    scopes: Option<&[agentsecrets_wire::Hash]>,
) -> Answer<Changes> {
    let (workspace, placed) = (current.state.workspace(), current.placed);
    let mut changes = Changes {
        head: placed.head,
        entries: Vec::new(),
        records: Vec::new(),
        cursor: seen.since.min(placed.cursor),
        more: false,
        heartbeat: None,
    };
    if seen.after < placed.head.seq {
        let entries = app.storage.entries(workspace, seen.after, placed.head.seq, limits::ENTRIES, SIZE).await?;
        changes.more = entries.last().is_some_and(|last| last.head.seq < placed.head.seq);
        changes.entries = entries.into_iter().map(|it| it.entry).collect();
    }
    // Records name entries: they are not shown to who has not seen those.
    if !changes.more && seen.since < placed.cursor {
        let most = seen.limit.map_or(limits::PULL, |limit| (limit as usize).clamp(1, limits::PULL));
        let page = Page { workspace, since: seen.since, until: placed.cursor, scopes, most: most + 1, size: SIZE };
        let mut records = app.storage.changes(&page).await?;
        // One more than was asked for says that there is more; so does a page that is cut for its size.
        let size: usize = records.iter().map(|it| it.signed.body.len()).sum();
        changes.more = records.len() > most || size >= SIZE;
        records.truncate(most);
        changes.cursor = match records.last() {
            Some(last) if changes.more => last.cursor,
            _ => placed.cursor,
        };
        changes.records = records.into_iter().map(|it| it.signed).collect::<Vec<Signed<_>>>();
    }
    if placed.beat > 0 {
        let heartbeat = app.storage.heartbeat(workspace).await?;
        // One that came since the end was read names entries that this page does not have.
        let seen = |beat: &Signed<Heartbeat>| beat.parse().is_ok_and(|beat| beat.head.seq <= placed.head.seq);
        changes.heartbeat = heartbeat.filter(seen);
    }
    Ok(changes)
}
