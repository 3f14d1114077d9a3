//! Sealed records come in, and their versions are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use agentsecrets_wire::chain::{Head, Role};
use agentsecrets_wire::{Code, Hash, History, Problem, Push, Pushed, Record, Signed, limits};
use axum::Json;
use axum::extract::State;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Caller, Place};
use crate::chains::{ATTEMPTS, Current};
use crate::error::{Answer, Refused};
use crate::storage::{self, NewRecord};
use crate::verify::Strict;

/// The longest record as text: what is sealed in base64, and what stands around it.
const BODY: usize = limits::SEALED / 3 * 4 + 2048;

/// Stores records, each by itself where nobody was faster.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace}/records", tag = "records", request_body = Push,
    params(("workspace" = Uuid, Path, description = "The workspace")), security(("session" = [])),
    responses(
        (status = 200, body = Pushed),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn push(
    State(app): State<Arc<App>>,
    Place(workspace): Place<Uuid>,
    caller: Caller,
) -> Answer<Json<Pushed>> {
    let Push { records } = caller.body()?;
    if records.len() > limits::PUSH || records.iter().any(|record| record.body.len() > BODY) {
        return Err(Code::TooLarge.into());
    }
    for _ in 0..ATTEMPTS {
        let current = caller.workspace(&app, workspace).await?;
        let new = tokio::task::block_in_place(|| check_all(&current, &caller, &records))?;
        check_heads(&app, workspace, &new).await?;
        check_epochs(&app, &current, &new).await?;
        match app.storage.push(workspace, current.placed.head, &new).await? {
            storage::Pushed::Moved => {}
            storage::Pushed::Done(outcomes, cursor) => {
                tracing::info!(%workspace, records = new.len(), cursor, "pushed");
                return Ok(Json(Pushed { outcomes, cursor }));
            }
        }
    }
    Err(Code::ChainMoved.into())
}

/// Every version of a record that is kept, the newest first.
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace}/records/{scope}/{record}", tag = "records",
    params(
        ("workspace" = Uuid, Path, description = "The workspace"),
        ("scope" = Hash, Path, description = "The scope"),
        ("record" = Hash, Path, description = "The record"),
    ),
    security(("session" = [])),
    responses(
        (status = 200, body = History),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    Place((workspace, scope, record)): Place<(Uuid, Hash, Hash)>,
    caller: Caller,
) -> Answer<Json<History>> {
    let current = caller.workspace(&app, workspace).await?;
    if caller.scopes(&current).is_some_and(|scopes| !scopes.contains(&scope)) {
        return Err(Code::NotFound.into());
    }
    let versions = app.storage.history(workspace, &scope, &record).await?;
    if versions.is_empty() {
        return Err(Code::NotFound.into());
    }
    Ok(Json(History { records: versions.into_iter().map(|it| it.signed).collect() }))
}

fn check_all(current: &Current, caller: &Caller, records: &[Signed<Record>]) -> Answer<Vec<NewRecord>> {
    let role = current.state.member(&caller.account).map(|member| member.role);
    if role.is_none_or(|role| role == Role::Machine) || current.state.device(&caller.device.device).is_none() {
        return Err(Refused::with(Code::Forbidden, "a member pushes from a device that the chain knows"));
    }
    records.iter().map(|signed| check(current, caller, signed)).collect()
}

/// Whether a record says what it may, and its author's device says it.
fn check(current: &Current, caller: &Caller, signed: &Signed<Record>) -> Answer<NewRecord> {
    let record = signed.parse().map_err(|_| Code::Malformed)?;
    let version = (record.version == 1) == record.prev.is_none() && (1..1 << 53).contains(&record.version);
    if record.v != 1 || record.workspace != current.state.workspace() || !version {
        return Err(Refused::with(Code::Malformed, "a record is of another form or another workspace"));
    }
    if record.sealed.as_bytes().len() > limits::SEALED {
        return Err(Code::TooLarge.into());
    }
    if record.author != caller.account || record.device != caller.device.device {
        return Err(Refused::with(Code::Forbidden, "a record is pushed by the device that signed it"));
    }
    if !signed.is_signed_by(&caller.device.key, &Strict) {
        return Err(Refused::with(Code::Forbidden, "a record is not signed by its device"));
    }
    let state = &current.state;
    let there = state.device_at(&record.device, record.head.seq).is_some();
    if !there || record.epoch != state.epoch_at(record.head.seq) {
        return Err(Refused::with(Code::Refused, "a record's device or epoch is not that of the entry it names"));
    }
    Ok(NewRecord { hash: signed.hash(&Strict), record, signed: signed.clone() })
}

/// Whether the entries that records name are those of this chain.
async fn check_heads(app: &App, workspace: Uuid, new: &[NewRecord]) -> Answer<()> {
    let heads: BTreeMap<u64, Hash> = new.iter().map(|it| (it.record.head.seq, it.record.head.hash)).collect();
    for (seq, hash) in &heads {
        if !is_known(app, workspace, &Head { seq: *seq, hash: *hash }).await? {
            return Err(forked());
        }
    }
    let all_same = new.iter().all(|it| heads.get(&it.record.head.seq) == Some(&it.record.head.hash));
    if all_same { Ok(()) } else { Err(forked()) }
}

fn forked() -> Refused {
    Refused::with(Code::Refused, "the author has seen another chain than this one")
}

/// Whether an entry is part of the chain here.
pub(super) async fn is_known(app: &App, workspace: Uuid, head: &Head) -> Answer<bool> {
    Ok(app.storage.entry_hash(workspace, head.seq).await? == Some(head.hash))
}

/// New records are of the current epoch; one that is stored already may be sent again whenever.
async fn check_epochs(app: &App, current: &Current, new: &[NewRecord]) -> Answer<()> {
    for it in new.iter().filter(|it| it.record.epoch != current.state.epoch()) {
        if !app.storage.has_record(&it.record, &it.hash).await? {
            return Err(Code::EpochOutdated.into());
        }
    }
    Ok(())
}
