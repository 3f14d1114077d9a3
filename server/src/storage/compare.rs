//! Compare and swap of one record.

/// Stores a record where it follows the current version, within the transaction of its push, and has the outcome.
macro_rules! store_record {
    ($transaction:ident, $workspace:expr, $new:expr, $end:ident) => {{
        const LATEST: &str = "SELECT version, hash, body, signature FROM records \
            WHERE workspace = $1 AND scope = $2 AND record = $3 AND latest = 1";
        const KNOWN: &str = "SELECT count(*) FROM records \
            WHERE workspace = $1 AND scope = $2 AND record = $3 AND version = $4 AND hash = $5";
        const OLD: &str = "UPDATE records SET latest = 0 \
            WHERE workspace = $1 AND scope = $2 AND record = $3 AND latest = 1";
        const FORGET: &str = "DELETE FROM records \
            WHERE workspace = $1 AND scope = $2 AND record = $3 AND version <= $4";
        const INSERT: &str = "INSERT INTO records \
            (workspace, scope, record, version, cursor, hash, latest, body, signature) \
            VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8)";
        let new: &NewRecord = $new;
        let (scope, name) = (new.record.scope.as_bytes().as_slice(), new.record.record.as_bytes().as_slice());
        let (version, hash) = (number(new.record.version), new.hash.as_bytes().as_slice());
        let latest: Option<(i64, Vec<u8>, String, Vec<u8>)> =
            sqlx::query_as(LATEST).bind($workspace).bind(scope).bind(name).fetch_optional(&mut *$transaction).await?;
        let follows = match &latest {
            None => version == 1 && new.record.prev.is_none(),
            Some((before, hash, ..)) => {
                version == before + 1 && new.record.prev.is_some_and(|prev| prev.as_bytes() == hash.as_slice())
            }
        };
        if follows {
            sqlx::query(OLD).bind($workspace).bind(scope).bind(name).execute(&mut *$transaction).await?;
            let gone = version - number(KEPT);
            let forget = sqlx::query(FORGET).bind($workspace).bind(scope).bind(name).bind(gone);
            forget.execute(&mut *$transaction).await?;
            $end += 1;
            sqlx::query(INSERT)
                .bind($workspace)
                .bind(scope)
                .bind(name)
                .bind(version)
                .bind($end)
                .bind(hash)
                .bind(&new.signed.body)
                .bind(new.signed.signature.as_bytes().as_slice())
                .execute(&mut *$transaction)
                .await?;
            Outcome::Stored
        } else {
            let known: i64 = sqlx::query_scalar(KNOWN)
                .bind($workspace)
                .bind(scope)
                .bind(name)
                .bind(version)
                .bind(hash)
                .fetch_one(&mut *$transaction)
                .await?;
            let current = |(_, _, body, signature): (i64, Vec<u8>, String, Vec<u8>)| {
                fixed(&signature).map(|signature| Box::new(Signed::from_parts(body, Signature::from(signature))))
            };
            match known {
                0 => Outcome::Conflict { current: latest.map(current).transpose()? },
                _ => Outcome::Stored,
            }
        }
    }};
}
pub(super) use store_record;
