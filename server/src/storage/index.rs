//! The tables that follow from the entries.

/// Writes what an entry changes of them, in its own transaction.
macro_rules! write_index {
    ($transaction:ident, $workspace:expr, $index:expr) => {{
        const MEMBER: &str = "INSERT INTO members (account, workspace, present) VALUES ($1, $2, $3) \
            ON CONFLICT (account, workspace) DO UPDATE SET present = excluded.present";
        const DEVICE: &str = "INSERT INTO devices (device, workspace, account, device_key) VALUES ($1, $2, $3, $4)";
        const INVITE: &str = "INSERT INTO invites (invite, workspace, signing, expires) VALUES ($1, $2, $3, $4)";
        for (account, present) in &$index.members {
            let present = i64::from(*present);
            let query = sqlx::query(MEMBER).bind(bytes(*account)).bind($workspace).bind(present);
            query.execute(&mut *$transaction).await?;
        }
        for (device, account, key) in &$index.devices {
            let query = sqlx::query(DEVICE).bind(bytes(*device)).bind($workspace).bind(bytes(*account));
            query.bind(key.as_bytes().as_slice()).execute(&mut *$transaction).await?;
        }
        for device in &$index.devices_gone {
            let query = sqlx::query("DELETE FROM devices WHERE device = $1 AND workspace = $2");
            query.bind(bytes(*device)).bind($workspace).execute(&mut *$transaction).await?;
        }
        for (invite, key, expires) in &$index.invites {
            let query = sqlx::query(INVITE).bind(bytes(*invite)).bind($workspace);
            query.bind(key.as_bytes().as_slice()).bind(*expires).execute(&mut *$transaction).await?;
        }
        for invite in &$index.invites_gone {
            let query = sqlx::query("DELETE FROM invites WHERE invite = $1 AND workspace = $2");
            query.bind(bytes(*invite)).bind($workspace).execute(&mut *$transaction).await?;
        }
    }};
}
pub(super) use write_index;
