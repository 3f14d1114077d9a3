//! Sealed records: their versions, and the log by which they are read.

use agentsecrets_wire::chain::Head;
use agentsecrets_wire::{Hash, Outcome, Record, Signature, Signed};
use futures_util::TryStreamExt;
use sqlx::QueryBuilder;
use uuid::Uuid;

use super::compare::store_record;
use super::{Storage, bytes, fixed, natural, number, on};
use crate::fault;

/// Versions of a record that are kept.
const KEPT: u64 = 20;

/// A record on its way in, verified.
pub(crate) struct NewRecord {
    /// What it says.
    pub(crate) record: Record,
    /// Its digest.
    pub(crate) hash: Hash,
    /// As it was signed.
    pub(crate) signed: Signed<Record>,
}

/// A record as it is stored.
pub(crate) struct StoredRecord {
    /// Where it stands in the log.
    pub(crate) cursor: u64,
    /// Its digest.
    pub(crate) hash: Hash,
    /// Whether it is the current version.
    pub(crate) latest: bool,
    /// As it was signed.
    pub(crate) signed: Signed<Record>,
}

/// What became of a push.
pub(crate) enum Pushed {
    /// The chain had gone on; nothing was stored.
    Moved,
    /// One outcome for each record, and the end of the log.
    Done(Vec<Outcome>, u64),
}

/// What is asked of the log.
pub(crate) struct Page<'a> {
    /// The workspace.
    pub(crate) workspace: Uuid,
    /// After which place.
    pub(crate) since: u64,
    /// Up to which place.
    pub(crate) until: u64,
    /// Of which scopes; none for all.
    pub(crate) scopes: Option<&'a [Hash]>,
    /// At most so many.
    pub(crate) most: usize,
    /// And not much more than so many bytes.
    pub(crate) size: usize,
}

type Row = (i64, Vec<u8>, i64, String, Vec<u8>);

fn stored((cursor, hash, latest, body, signature): Row) -> Result<StoredRecord, sqlx::Error> {
    let signed = Signed::from_parts(body, Signature::from(fixed(&signature)?));
    Ok(StoredRecord { cursor: natural(cursor), hash: Hash::from(fixed(&hash)?), latest: latest == 1, signed })
}

impl Storage {
    /// Stores each record that follows the current one of its name, where the chain still ends as it did.
    pub(crate) async fn push(&self, workspace: Uuid, head: Head, records: &[NewRecord]) -> Result<Pushed, sqlx::Error> {
        // Writing first locks the row: the log has no holes that a reader could pass before they are filled.
        const LOCK: &str = "UPDATE workspaces SET cursor = cursor WHERE workspace = $1 RETURNING seq, hash, cursor";
        const CURSOR: &str = "UPDATE workspaces SET cursor = $2 WHERE workspace = $1";
        let workspace = bytes(workspace);
        on!(self, pool, begin => {
            let mut transaction = pool.begin_with(begin).await?;
            let (seq, hash, cursor): (i64, Vec<u8>, i64) =
                sqlx::query_as(LOCK).bind(&workspace).fetch_one(&mut *transaction).await?;
            if natural(seq) != head.seq || hash != head.hash.as_bytes() {
                return Ok(Pushed::Moved);
            }
            let (mut outcomes, mut end) = (Vec::with_capacity(records.len()), cursor);
            for new in records {
                outcomes.push(store_record!(transaction, &workspace, new, end));
            }
            sqlx::query(CURSOR).bind(&workspace).bind(end).execute(&mut *transaction).await?;
            fault::point("record.before");
            transaction.commit().await?;
            fault::point("record.after");
            Ok(Pushed::Done(outcomes, natural(end)))
        })
    }

    /// Whether exactly this version is or was stored.
    pub(crate) async fn has_record(&self, record: &Record, hash: &Hash) -> Result<bool, sqlx::Error> {
        const SELECT: &str = "SELECT count(*) FROM records \
            WHERE workspace = $1 AND scope = $2 AND record = $3 AND version = $4 AND hash = $5";
        let count: i64 = on!(self, pool => sqlx::query_scalar(SELECT)
            .bind(bytes(record.workspace))
            .bind(record.scope.as_bytes().as_slice())
            .bind(record.record.as_bytes().as_slice())
            .bind(number(record.version))
            .bind(hash.as_bytes().as_slice())
            .fetch_one(pool)
            .await)?;
        Ok(count > 0)
    }

    /// The current versions within a part of the log, in its order.
    pub(crate) async fn changes(&self, page: &Page<'_>) -> Result<Vec<StoredRecord>, sqlx::Error> {
        on!(self, pool => {
            let mut query = QueryBuilder::new(
                "SELECT cursor, hash, latest, body, signature FROM records WHERE latest = 1 AND workspace = ",
            );
            query.push_bind(bytes(page.workspace));
            query.push(" AND cursor > ").push_bind(number(page.since));
            query.push(" AND cursor <= ").push_bind(number(page.until));
            if let Some(scopes) = page.scopes {
                query.push(" AND scope IN (");
                let mut list = query.separated(", ");
                for scope in scopes {
                    list.push_bind(scope.as_bytes().to_vec());
                }
                query.push(")");
            }
            query.push(" ORDER BY cursor LIMIT ").push_bind(number(page.most as u64));
            let mut rows = query.build_query_as::<Row>().fetch(pool);
            let (mut records, mut total) = (Vec::new(), 0);
            while total < page.size
                && let Some(row) = rows.try_next().await?
            {
                total += row.3.len();
                records.push(stored(row)?);
            }
            Ok(records)
        })
    }

    /// The kept versions of a record, the newest first.
    pub(crate) async fn history(
        &self,
        workspace: Uuid,
        scope: &Hash,
        record: &Hash,
    ) -> Result<Vec<StoredRecord>, sqlx::Error> {
        const SELECT: &str = "SELECT cursor, hash, latest, body, signature FROM records \
            WHERE workspace = $1 AND scope = $2 AND record = $3 ORDER BY version DESC";
        let rows: Vec<Row> = on!(self, pool => sqlx::query_as(SELECT)
            .bind(bytes(workspace))
            .bind(scope.as_bytes().as_slice())
            .bind(record.as_bytes().as_slice())
            .fetch_all(pool)
            .await)?;
        rows.into_iter().map(stored).collect()
    }

    /// Every record after a place of the log, old versions too.
    pub(crate) async fn all_records(
        &self,
        workspace: Uuid,
        since: u64,
        most: usize,
    ) -> Result<Vec<StoredRecord>, sqlx::Error> {
        const SELECT: &str = "SELECT cursor, hash, latest, body, signature FROM records \
            WHERE workspace = $1 AND cursor > $2 ORDER BY cursor LIMIT $3";
        let rows: Vec<Row> = on!(self, pool => sqlx::query_as(SELECT)
            .bind(bytes(workspace))
            .bind(number(since))
            .bind(number(most as u64))
            .fetch_all(pool)
            .await)?;
        rows.into_iter().map(stored).collect()
    }
}
