//! Counted events, shared by all processes.

use super::{Storage, on};

impl Storage {
    /// Adds to a counter of a span of time and answers what it stands at.
    pub(crate) async fn count(&self, name: &[u8], span: i64, hits: i64) -> Result<i64, sqlx::Error> {
        const COUNT: &str = "INSERT INTO counters (name, span, hits) VALUES ($1, $2, $3) \
            ON CONFLICT (name, span) DO UPDATE SET hits = counters.hits + excluded.hits RETURNING hits";
        on!(self, pool => sqlx::query_scalar(COUNT).bind(name).bind(span).bind(hits).fetch_one(pool).await)
    }

    /// Forgets the counters, sessions and logins of before.
    pub(crate) async fn forget_before(&self, span: i64, now: i64) -> Result<(), sqlx::Error> {
        on!(self, pool => {
            sqlx::query("DELETE FROM counters WHERE span < $1").bind(span).execute(pool).await?;
            sqlx::query("DELETE FROM sessions WHERE expires < $1").bind(now).execute(pool).await?;
            sqlx::query("DELETE FROM logins WHERE expires < $1").bind(now).execute(pool).await?;
        });
        Ok(())
    }
}
