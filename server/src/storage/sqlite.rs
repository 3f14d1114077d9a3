//! The embedded database: one file.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

/// Opens the file in a folder, and makes both where they are not.
pub(super) async fn open(data: &Path) -> Result<SqlitePool, String> {
    let told = |why: &dyn std::fmt::Display| format!("the database in {}: {why}", data.display());
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(|why| told(&why))?;
    let options = SqliteConnectOptions::new()
        .filename(data.join("agentsecrets-server.sqlite"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // What was acknowledged outlives the machine's end, not only the process's.
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "on")
        .busy_timeout(Duration::from_secs(15));
    let pool = SqlitePoolOptions::new().max_connections(8).acquire_timeout(Duration::from_secs(10));
    pool.connect_with(options).await.map_err(|why| told(&why))
}

/// Brings the tables to the last of these versions, one after the other, and says at which they are.
pub(super) async fn migrate(
    pool: &SqlitePool,
    steps: &[(i64, &'static str, &'static str)],
    may_migrate: bool,
) -> Result<i64, sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let begun: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await?;
    let mut version = begun;
    for (next, statements, _) in steps.iter().filter(|(next, ..)| may_migrate && *next > begun) {
        sqlx::raw_sql(*statements).execute(&mut *transaction).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {next}"))).execute(&mut *transaction).await?;
        version = *next;
    }
    transaction.commit().await?;
    Ok(version)
}
