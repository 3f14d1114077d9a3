//! Verifies a database, as after a backup was restored: every chain by its rules, every record by its author.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write;

use agentsecrets_wire::chain::{Role, State};
use agentsecrets_wire::{Hash, Record, Signed};
use uuid::Uuid;

use crate::config::Options;
use crate::storage::{Storage, StoredRecord};
use crate::verify::Strict;

/// Read at once.
const ENTRIES: usize = 500;
const SIZE: usize = 8 << 20;

/// The last version of each record that was seen: its number, digest, and whether it is the current one.
type Last = BTreeMap<(Hash, Hash), (u64, Hash, bool)>;

/// Verifies everything and says how much it was, or the first that does not hold.
pub(crate) async fn check(options: Options) -> Result<(), String> {
    let url = options.database_url()?;
    let storage = Storage::open(url.as_deref(), &options.data).await?;
    storage.migrate(false).await?;
    let told = |why: sqlx::Error| format!("the database: {why}");
    let (mut chains, mut entries, mut records) = (0, 0, 0);
    for workspace in storage.all_workspaces().await.map_err(told)? {
        let (state, cursor) = chain(&storage, workspace).await?;
        records += self::records(&storage, &state, cursor).await?;
        chains += 1;
        entries += state.head().map_or(0, |head| head.seq);
    }
    storage.close().await;
    let mut out = std::io::stdout();
    writeln!(out, "{chains} workspaces, {entries} entries and {records} records hold").map_err(|why| why.to_string())
}

async fn chain(storage: &Storage, workspace: Uuid) -> Result<(State, u64), String> {
    let wrong = |seq: u64, why: &str| format!("workspace {workspace}, entry {seq}: {why}");
    let told = |why: sqlx::Error| format!("workspace {workspace}: the database: {why}");
    let placed = storage.placed(workspace).await.map_err(told)?.ok_or_else(|| wrong(0, "it is gone"))?;
    let mut state = State::new(workspace);
    loop {
        let after = state.head().map_or(0, |head| head.seq);
        let page = storage.entries(workspace, after, i64::MAX.unsigned_abs(), ENTRIES, SIZE).await.map_err(told)?;
        if page.is_empty() {
            break;
        }
        for stored in page {
            let head = state.apply(&stored.entry, &Strict);
            let head = head.map_err(|refusal| wrong(stored.head.seq, &refusal.to_string()))?;
            if head != stored.head {
                return Err(wrong(stored.head.seq, "its stored number or digest is another"));
            }
        }
    }
    if state.head() != Some(placed.head) {
        return Err(wrong(placed.head.seq, "the chain does not lead to its end"));
    }
    Ok((state, placed.cursor))
}

async fn records(storage: &Storage, state: &State, cursor: u64) -> Result<u64, String> {
    let (mut since, mut count, mut last) = (0, 0, Last::new());
    let mut hashes = BTreeMap::new();
    loop {
        let page = storage.all_records(state.workspace(), since, ENTRIES).await;
        let page = page.map_err(|why| format!("workspace {}: the database: {why}", state.workspace()))?;
        let Some(end) = page.last() else { break };
        since = end.cursor;
        for stored in &page {
            let wrong = |why: &str| format!("workspace {}, record at {}: {why}", state.workspace(), stored.cursor);
            let record = verified(state, stored).map_err(wrong)?;
            follows(&mut last, &record, stored).map_err(wrong)?;
            let seq = record.head.seq;
            if let Entry::Vacant(vacant) = hashes.entry(seq) {
                let hash = storage.entry_hash(state.workspace(), seq).await.map_err(|why| wrong(&why.to_string()))?;
                vacant.insert(hash);
            }
            if hashes.get(&seq).copied().flatten() != Some(record.head.hash) {
                return Err(wrong("it names an entry that is not of the chain"));
            }
            if stored.cursor > cursor {
                return Err(wrong("it stands behind the end of the log"));
            }
            count += 1;
        }
    }
    match last.iter().find(|(_, (.., latest))| !latest) {
        Some(((scope, record), _)) => {
            Err(format!("workspace {}, record {scope}/{record}: its current version is missing", state.workspace()))
        }
        None => Ok(count),
    }
}

/// A record by itself: its form, its digest, its author's right and signature.
fn verified(state: &State, stored: &StoredRecord) -> Result<Record, &'static str> {
    let signed: &Signed<Record> = &stored.signed;
    let record = signed.parse().map_err(|_| "it is not of the form")?;
    if record.workspace != state.workspace() || signed.hash(&Strict) != stored.hash {
        return Err("its workspace or digest is another");
    }
    let device = state.device_at(&record.device, record.head.seq).ok_or("its device was not there")?;
    let member = state.member_at(&record.author, record.head.seq).ok_or("its author was not there")?;
    if device.account != record.author || member.role == Role::Machine {
        return Err("its author may not write");
    }
    if record.epoch != state.epoch_at(record.head.seq) {
        return Err("its epoch is not that of the entry it names");
    }
    if !signed.is_signed_by(&device.key, &Strict) {
        return Err("it is not signed by its device");
    }
    Ok(record)
}

/// A record among its versions: each follows the one before, and the last is the current one.
fn follows(last: &mut Last, record: &Record, stored: &StoredRecord) -> Result<(), &'static str> {
    let before = last.insert((record.scope, record.record), (record.version, stored.hash, stored.latest));
    match before {
        // The versions before the oldest kept one are forgotten.
        None => Ok(()),
        Some((.., true)) => Err("there are two current versions"),
        Some((version, hash, false)) if record.version == version + 1 && record.prev == Some(hash) => Ok(()),
        Some(_) => Err("it does not follow the version before"),
    }
}
