//! What the server keeps, in SQLite or PostgreSQL.
//!
//! The statements are written once: both databases understand `$1`, `ON CONFLICT` and `RETURNING`. What differs is how a pool is
//! opened, how a transaction begins, and the types in `migrations/`.

mod accounts;
mod chain;
mod compare;
mod counters;
mod index;
mod postgres;
mod records;
mod sqlite;

pub(crate) use accounts::{Kept, KeptSession};
pub(crate) use chain::{Appended, Index, Placed, StoredEntry};
pub(crate) use records::{NewRecord, Page, Pushed, StoredRecord};

use std::path::Path;

use sqlx::{PgPool, SqlitePool};
use uuid::Uuid;

/// The tables, by version; both databases have the same.
const MIGRATIONS: &[(i64, &str, &str)] =
    &[(1, include_str!("../../migrations/sqlite/0001.sql"), include_str!("../../migrations/postgres/0001.sql"))];

/// The database.
#[derive(Clone)]
pub(crate) struct Storage {
    pool: Pool,
}

/// The connections.
#[derive(Clone)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Runs the same lines on whichever database it is; `$begin` is how a transaction that will write begins there.
macro_rules! on {
    ($storage:expr, $pool:ident => $body:expr) => {
        match &$storage.pool {
            $crate::storage::Pool::Sqlite($pool) => $body,
            $crate::storage::Pool::Postgres($pool) => $body,
        }
    };
    ($storage:expr, $pool:ident, $begin:ident => $body:expr) => {
        match &$storage.pool {
            $crate::storage::Pool::Sqlite($pool) => {
                // The lock is taken at once: two that read first and write then would both fail.
                let $begin = "BEGIN IMMEDIATE";
                $body
            }
            $crate::storage::Pool::Postgres($pool) => {
                let $begin = "BEGIN";
                $body
            }
        }
    };
}
pub(crate) use on;

impl Storage {
    /// Opens the database: the one at a URL, else the file in a folder.
    pub(crate) async fn open(url: Option<&str>, data: &Path) -> Result<Self, String> {
        let pool = match url {
            Some(url) => Pool::Postgres(postgres::open(url).await?),
            None => Pool::Sqlite(sqlite::open(data).await?),
        };
        Ok(Self { pool })
    }

    /// Brings the tables to this version; without `may_migrate` says whether they are.
    pub(crate) async fn migrate(&self, may_migrate: bool) -> Result<(), String> {
        let migrated = match &self.pool {
            Pool::Sqlite(pool) => sqlite::migrate(pool, MIGRATIONS, may_migrate).await,
            Pool::Postgres(pool) => postgres::migrate(pool, MIGRATIONS, may_migrate).await,
        };
        let version = migrated.map_err(|why| format!("the tables: {why}"))?;
        let latest = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
        if version == latest {
            return Ok(());
        }
        Err(format!("the database is of version {version}, this program of version {latest}"))
    }

    /// Whether the database answers.
    pub(crate) async fn is_ready(&self) -> bool {
        on!(self, pool => sqlx::query("SELECT 1").execute(pool).await.is_ok())
    }

    /// Lets go of the database, when all that runs has ended.
    pub(crate) async fn close(&self) {
        on!(self, pool => pool.close().await);
    }
}

/// An id as it is stored.
fn bytes(id: Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}

/// A number as it is stored.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A stored number.
fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Stored bytes of a length that does not vary.
fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], sqlx::Error> {
    bytes.try_into().map_err(|_| sqlx::Error::Decode("bytes of another length".into()))
}

/// A stored id.
fn id(bytes: &[u8]) -> Result<Uuid, sqlx::Error> {
    fixed(bytes).map(Uuid::from_bytes)
}

/// Whether a write failed because somebody was there before.
pub(crate) fn is_taken(why: &sqlx::Error) -> bool {
    matches!(why, sqlx::Error::Database(error) if error.is_unique_violation())
}
