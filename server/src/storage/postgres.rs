//! A PostgreSQL database, which any number of servers share.

use std::str::FromStr;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// What servers that start at once queue up for.
const LOCK: i64 = 0x0061_7365_6372_6574;

/// Opens the database at a URL.
pub(super) async fn open(url: &str) -> Result<PgPool, String> {
    // The text of the error may hold the URL, and with it a password.
    let options = PgConnectOptions::from_str(url).map_err(|_| "the database's URL is none".to_owned())?;
    let pool = PgPoolOptions::new().max_connections(16).acquire_timeout(Duration::from_secs(10));
    pool.connect_with(options).await.map_err(|why| match why {
        sqlx::Error::Database(error) => format!("the database refuses: code {}", error.code().unwrap_or_default()),
        _ => "the database is not reached".to_owned(),
    })
}

/// Brings the tables to the last of these versions, one after the other, and says at which they are.
pub(super) async fn migrate(
    pool: &PgPool,
    steps: &[(i64, &'static str, &'static str)],
    may_migrate: bool,
) -> Result<i64, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    let found: Option<String> =
        sqlx::query_scalar("SELECT to_regclass('migrations')::text").fetch_one(&mut *transaction).await?;
    let begun: i64 = match found {
        Some(_) => {
            sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM migrations").fetch_one(&mut *transaction).await?
        }
        None => 0,
    };
    if found.is_none() && may_migrate {
        sqlx::raw_sql("CREATE TABLE migrations (version BIGINT NOT NULL PRIMARY KEY)")
            .execute(&mut *transaction)
            .await?;
    }
    let mut version = begun;
    for (next, _, statements) in steps.iter().filter(|(next, ..)| may_migrate && *next > begun) {
        sqlx::raw_sql(*statements).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO migrations (version) VALUES ($1)").bind(next).execute(&mut *transaction).await?;
        version = *next;
    }
    transaction.commit().await?;
    Ok(version)
}
