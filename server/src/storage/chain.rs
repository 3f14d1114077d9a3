//! The chains of workspaces, and what is looked up by them.

use agentsecrets_wire::chain::{Entry, Head};
use agentsecrets_wire::{Hash, Heartbeat, PublicKey, Signature, Signed, Summary};
use futures_util::TryStreamExt;
use uuid::Uuid;

use super::index::write_index;
use super::{Storage, bytes, fixed, id, is_taken, natural, number, on};
use crate::fault;

/// An entry as it is stored.
pub(crate) struct StoredEntry {
    /// Its number and digest.
    pub(crate) head: Head,
    /// The entry.
    pub(crate) entry: Signed<Entry>,
}

/// Where a workspace stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// The end of its chain.
    pub(crate) head: Head,
    /// The end of its log.
    pub(crate) cursor: u64,
    /// The time of the newest sign of life; 0 for none.
    pub(crate) beat: i64,
}

/// What an entry changes of what is looked up.
#[derive(Default)]
pub(crate) struct Index {
    /// Members, and whether they are there.
    pub(crate) members: Vec<(Uuid, bool)>,
    /// Devices that count now: id, account, key.
    pub(crate) devices: Vec<(Uuid, Uuid, PublicKey)>,
    /// Devices that count no more.
    pub(crate) devices_gone: Vec<Uuid>,
    /// Invitations: id, signing key, when they end.
    pub(crate) invites: Vec<(Uuid, PublicKey, i64)>,
    /// Invitations that count no more.
    pub(crate) invites_gone: Vec<Uuid>,
}

/// What became of an entry.
pub(crate) enum Appended {
    /// It is the end of the chain now.
    Done,
    /// The chain had gone on.
    Moved,
}

type PlaceRow = (i64, Vec<u8>, i64, i64);
type EntryRow = (i64, Vec<u8>, String, Vec<u8>);

fn entry((seq, hash, body, signature): EntryRow) -> Result<StoredEntry, sqlx::Error> {
    let head = Head { seq: natural(seq), hash: Hash::from(fixed(&hash)?) };
    Ok(StoredEntry { head, entry: Signed::from_parts(body, Signature::from(fixed(&signature)?)) })
}

impl Storage {
    /// Where a workspace stands; none where there is none.
    pub(crate) async fn placed(&self, workspace: Uuid) -> Result<Option<Placed>, sqlx::Error> {
        const SELECT: &str = "SELECT seq, hash, cursor, beat FROM workspaces WHERE workspace = $1";
        let row: Option<PlaceRow> =
            on!(self, pool => sqlx::query_as(SELECT).bind(bytes(workspace)).fetch_optional(pool).await)?;
        row.map(|(seq, hash, cursor, beat)| {
            let head = Head { seq: natural(seq), hash: Hash::from(fixed(&hash)?) };
            Ok(Placed { head, cursor: natural(cursor), beat })
        })
        .transpose()
    }

    /// The entries after one number up to another, at most so many, and not much more than so many bytes.
    pub(crate) async fn entries(
        &self,
        workspace: Uuid,
        after: u64,
        until: u64,
        most: usize,
        size: usize,
    ) -> Result<Vec<StoredEntry>, sqlx::Error> {
        const SELECT: &str = "SELECT seq, hash, body, signature FROM entries \
            WHERE workspace = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4";
        on!(self, pool => {
            let mut rows = sqlx::query_as::<_, EntryRow>(SELECT)
                .bind(bytes(workspace))
                .bind(number(after))
                .bind(number(until))
                .bind(number(most as u64))
                .fetch(pool);
            let (mut entries, mut total) = (Vec::new(), 0);
            while total < size
                && let Some(row) = rows.try_next().await?
            {
                total += row.2.len();
                entries.push(entry(row)?);
            }
            Ok(entries)
        })
    }

    /// The digest of an entry.
    pub(crate) async fn entry_hash(&self, workspace: Uuid, seq: u64) -> Result<Option<Hash>, sqlx::Error> {
        const SELECT: &str = "SELECT hash FROM entries WHERE workspace = $1 AND seq = $2";
        let hash: Option<Vec<u8>> = on!(self, pool =>
            sqlx::query_scalar(SELECT).bind(bytes(workspace)).bind(number(seq)).fetch_optional(pool).await)?;
        hash.map(|hash| fixed(&hash).map(Hash::from)).transpose()
    }

    /// Appends an entry where the chain still ends as it did.
    pub(crate) async fn append(
        &self,
        workspace: Uuid,
        before: Option<Head>,
        entry: &StoredEntry,
        index: &Index,
    ) -> Result<Appended, sqlx::Error> {
        const FOUND: &str = "INSERT INTO workspaces (workspace, seq, hash, cursor, beat) VALUES ($1, $2, $3, 0, 0)";
        const MOVE: &str = "UPDATE workspaces SET seq = $2, hash = $3 WHERE workspace = $1 AND seq = $4 AND hash = $5";
        const ADD: &str = "INSERT INTO entries (workspace, seq, hash, body, signature) VALUES ($1, $2, $3, $4, $5)";
        let (workspace, hash) = (bytes(workspace), entry.head.hash.as_bytes().as_slice());
        on!(self, pool, begin => {
            let mut transaction = pool.begin_with(begin).await?;
            let moved = match before {
                None => sqlx::query(FOUND).bind(&workspace).bind(number(entry.head.seq)).bind(hash).execute(&mut *transaction).await,
                Some(before) => {
                    sqlx::query(MOVE)
                        .bind(&workspace)
                        .bind(number(entry.head.seq))
                        .bind(hash)
                        .bind(number(before.seq))
                        .bind(before.hash.as_bytes().as_slice())
                        .execute(&mut *transaction)
                        .await
                }
            };
            match moved {
                Ok(done) if done.rows_affected() == 1 => {}
                Ok(_) => return Ok(Appended::Moved),
                Err(why) if is_taken(&why) => return Ok(Appended::Moved),
                Err(why) => return Err(why),
            }
            sqlx::query(ADD)
                .bind(&workspace)
                .bind(number(entry.head.seq))
                .bind(hash)
                .bind(&entry.entry.body)
                .bind(entry.entry.signature.as_bytes().as_slice())
                .execute(&mut *transaction)
                .await?;
            write_index!(transaction, &workspace, index);
            fault::point("chain.before");
            transaction.commit().await?;
        });
        fault::point("chain.after");
        Ok(Appended::Done)
    }

    /// The workspaces that an account is a member of.
    pub(crate) async fn workspaces(&self, account: Uuid) -> Result<Vec<Summary>, sqlx::Error> {
        const SELECT: &str = "SELECT w.workspace, w.seq, w.hash, w.cursor FROM workspaces w \
            JOIN members m ON m.workspace = w.workspace WHERE m.account = $1 AND m.present = 1";
        let rows: Vec<(Vec<u8>, i64, Vec<u8>, i64)> =
            on!(self, pool => sqlx::query_as(SELECT).bind(bytes(account)).fetch_all(pool).await)?;
        rows.into_iter()
            .map(|(workspace, seq, hash, cursor)| {
                let head = Head { seq: natural(seq), hash: Hash::from(fixed(&hash)?) };
                Ok(Summary { workspace: id(&workspace)?, head, cursor: natural(cursor) })
            })
            .collect()
    }

    /// Every workspace.
    pub(crate) async fn all_workspaces(&self) -> Result<Vec<Uuid>, sqlx::Error> {
        const SELECT: &str = "SELECT workspace FROM workspaces ORDER BY workspace";
        let rows: Vec<Vec<u8>> = on!(self, pool => sqlx::query_scalar(SELECT).fetch_all(pool).await)?;
        rows.iter().map(|workspace| id(workspace)).collect()
    }

    /// Whether any workspace ever had a member of this id.
    pub(crate) async fn is_member_somewhere(&self, account: Uuid) -> Result<bool, sqlx::Error> {
        const SELECT: &str = "SELECT count(*) FROM members WHERE account = $1";
        let count: i64 = on!(self, pool => sqlx::query_scalar(SELECT).bind(bytes(account)).fetch_one(pool).await)?;
        Ok(count > 0)
    }

    /// Those whose device of this id counts in some workspace, each with the key it has there.
    pub(crate) async fn device(&self, device: Uuid) -> Result<Vec<(Uuid, PublicKey)>, sqlx::Error> {
        const SELECT: &str = "SELECT DISTINCT account, device_key FROM devices WHERE device = $1";
        let rows: Vec<(Vec<u8>, Vec<u8>)> =
            on!(self, pool => sqlx::query_as(SELECT).bind(bytes(device)).fetch_all(pool).await)?;
        rows.iter().map(|(account, key)| Ok((id(account)?, PublicKey::from(fixed(key)?)))).collect()
    }

    /// The open invitations of an id: workspace, key, and when they end.
    pub(crate) async fn invite(&self, invite: Uuid) -> Result<Vec<(Uuid, PublicKey, i64)>, sqlx::Error> {
        const SELECT: &str = "SELECT workspace, signing, expires FROM invites WHERE invite = $1";
        let rows: Vec<(Vec<u8>, Vec<u8>, i64)> =
            on!(self, pool => sqlx::query_as(SELECT).bind(bytes(invite)).fetch_all(pool).await)?;
        rows.iter()
            .map(|(workspace, key, expires)| Ok((id(workspace)?, PublicKey::from(fixed(key)?), *expires)))
            .collect()
    }

    /// Keeps a sign of life that is newer than the one before; false where it is not.
    pub(crate) async fn beat(&self, workspace: Uuid, beat: &Signed<Heartbeat>, time: i64) -> Result<bool, sqlx::Error> {
        const UPDATE: &str =
            "UPDATE workspaces SET beat = $2, beat_body = $3, beat_signature = $4 WHERE workspace = $1 AND beat < $2";
        let done = on!(self, pool, begin => {
            let mut transaction = pool.begin_with(begin).await?;
            let done = sqlx::query(UPDATE)
                .bind(bytes(workspace))
                .bind(time)
                .bind(&beat.body)
                .bind(beat.signature.as_bytes().as_slice())
                .execute(&mut *transaction)
                .await?
                .rows_affected();
            fault::point("heartbeat.before");
            transaction.commit().await?;
            done
        });
        fault::point("heartbeat.after");
        Ok(done == 1)
    }

    /// The newest sign of life.
    pub(crate) async fn heartbeat(&self, workspace: Uuid) -> Result<Option<Signed<Heartbeat>>, sqlx::Error> {
        const SELECT: &str = "SELECT beat_body, beat_signature FROM workspaces WHERE workspace = $1 AND beat > 0";
        let row: Option<(Option<String>, Option<Vec<u8>>)> =
            on!(self, pool => sqlx::query_as(SELECT).bind(bytes(workspace)).fetch_optional(pool).await)?;
        let Some((Some(body), Some(signature))) = row else { return Ok(None) };
        Ok(Some(Signed::from_parts(body, Signature::from(fixed(&signature)?))))
    }
}
