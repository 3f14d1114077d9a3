//! Accounts, logins under way, and sessions.

use agentsecrets_wire::chain::Device;
use agentsecrets_wire::{Account, Blob, Hash, PublicKey};
use uuid::Uuid;

use super::{Storage, bytes, fixed, id, on};
use crate::fault;

/// An account, with what its password is tested by.
pub(crate) struct Kept {
    /// What the account's owner has of it.
    pub(crate) account: Account,
    /// Its address, blinded.
    pub(crate) address: Vec<u8>,
    /// The record of the login protocol.
    pub(crate) record: Vec<u8>,
}

/// A session.
#[derive(Clone, Debug)]
pub(crate) struct KeptSession {
    /// Whose.
    pub(crate) account: Uuid,
    /// From which device.
    pub(crate) device: Device,
}

type AccountRow = (Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>);

fn kept(row: AccountRow) -> Result<Kept, sqlx::Error> {
    let (account, address, signing, receiving, recovery_key, sealed, recovery, record) = row;
    let account = Account {
        account: id(&account)?,
        signing: PublicKey::from(fixed(&signing)?),
        receiving: PublicKey::from(fixed(&receiving)?),
        recovery_key: PublicKey::from(fixed(&recovery_key)?),
        sealed: Blob(sealed),
        recovery: Blob(recovery),
    };
    Ok(Kept { account, address, record })
}

const SELECT_BY_ADDRESS: &str = "SELECT account, address, signing, receiving, recovery_key, sealed, recovery, record \
    FROM accounts WHERE address = $1";
const SELECT_BY_ID: &str = "SELECT account, address, signing, receiving, recovery_key, sealed, recovery, record \
    FROM accounts WHERE account = $1";

impl Storage {
    /// The account of a blinded address.
    pub(crate) async fn account_at(&self, address: &[u8]) -> Result<Option<Kept>, sqlx::Error> {
        let row: Option<AccountRow> =
            on!(self, pool => sqlx::query_as(SELECT_BY_ADDRESS).bind(address).fetch_optional(pool).await)?;
        row.map(kept).transpose()
    }

    /// The account of an id.
    pub(crate) async fn account(&self, account: Uuid) -> Result<Option<Kept>, sqlx::Error> {
        let row: Option<AccountRow> =
            on!(self, pool => sqlx::query_as(SELECT_BY_ID).bind(bytes(account)).fetch_optional(pool).await)?;
        row.map(kept).transpose()
    }

    /// Adds an account; fails where the address or the id is taken.
    pub(crate) async fn add_account(&self, kept: &Kept) -> Result<(), sqlx::Error> {
        const INSERT: &str = "INSERT INTO accounts \
            (account, address, signing, receiving, recovery_key, sealed, recovery, record) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let account = &kept.account;
        on!(self, pool, begin => {
            let mut transaction = pool.begin_with(begin).await?;
            sqlx::query(INSERT)
                .bind(bytes(account.account))
                .bind(&kept.address)
                .bind(account.signing.as_bytes().as_slice())
                .bind(account.receiving.as_bytes().as_slice())
                .bind(account.recovery_key.as_bytes().as_slice())
                .bind(account.sealed.as_bytes())
                .bind(account.recovery.as_bytes())
                .bind(&kept.record)
                .execute(&mut *transaction)
                .await?;
            fault::point("account.before");
            transaction.commit().await?;
        });
        fault::point("account.after");
        Ok(())
    }

    /// Puts another password and other sealed keys in an account's place, and ends its sessions but one.
    pub(crate) async fn change_account(&self, kept: &Kept, but: Option<&Hash>) -> Result<(), sqlx::Error> {
        const UPDATE: &str =
            "UPDATE accounts SET recovery_key = $2, sealed = $3, recovery = $4, record = $5 WHERE account = $1";
        let account = &kept.account;
        let but = but.map_or_else(Vec::new, |token| token.as_bytes().to_vec());
        on!(self, pool, begin => {
            let mut transaction = pool.begin_with(begin).await?;
            sqlx::query(UPDATE)
                .bind(bytes(account.account))
                .bind(account.recovery_key.as_bytes().as_slice())
                .bind(account.sealed.as_bytes())
                .bind(account.recovery.as_bytes())
                .bind(&kept.record)
                .execute(&mut *transaction)
                .await?;
            sqlx::query("DELETE FROM sessions WHERE account = $1 AND token <> $2")
                .bind(bytes(account.account))
                .bind(&but)
                .execute(&mut *transaction)
                .await?;
            // A login that began with the old password does not end well.
            sqlx::query("DELETE FROM logins WHERE address = $1").bind(&kept.address).execute(&mut *transaction).await?;
            fault::point("account.before");
            transaction.commit().await?;
        });
        fault::point("account.after");
        Ok(())
    }

    /// Remembers a login until its second half, and forgets those whose time is over.
    pub(crate) async fn begin_login(
        &self,
        login: Uuid,
        address: &[u8],
        state: &[u8],
        now: i64,
        until: i64,
    ) -> Result<(), sqlx::Error> {
        on!(self, pool, begin => {
            let mut transaction = pool.begin_with(begin).await?;
            sqlx::query("DELETE FROM logins WHERE expires < $1").bind(now).execute(&mut *transaction).await?;
            sqlx::query("INSERT INTO logins (login, address, state, expires) VALUES ($1, $2, $3, $4)")
                .bind(bytes(login))
                .bind(address)
                .bind(state)
                .bind(until)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await
        })
    }

    /// The address and state of a login, once.
    pub(crate) async fn take_login(&self, login: Uuid, now: i64) -> Result<Option<(Vec<u8>, Vec<u8>)>, sqlx::Error> {
        const TAKE: &str = "DELETE FROM logins WHERE login = $1 AND expires >= $2 RETURNING address, state";
        on!(self, pool => sqlx::query_as(TAKE).bind(bytes(login)).bind(now).fetch_optional(pool).await)
    }

    /// Adds a session, and forgets those of the account whose time is over.
    pub(crate) async fn add_session(
        &self,
        token: &Hash,
        session: &KeptSession,
        now: i64,
        until: i64,
    ) -> Result<(), sqlx::Error> {
        const INSERT: &str =
            "INSERT INTO sessions (token, account, device, device_key, expires) VALUES ($1, $2, $3, $4, $5)";
        on!(self, pool, begin => {
            let mut transaction = pool.begin_with(begin).await?;
            sqlx::query("DELETE FROM sessions WHERE account = $1 AND expires < $2")
                .bind(bytes(session.account))
                .bind(now)
                .execute(&mut *transaction)
                .await?;
            sqlx::query(INSERT)
                .bind(token.as_bytes().as_slice())
                .bind(bytes(session.account))
                .bind(bytes(session.device.device))
                .bind(session.device.key.as_bytes().as_slice())
                .bind(until)
                .execute(&mut *transaction)
                .await?;
            fault::point("session.before");
            transaction.commit().await?;
        });
        fault::point("session.after");
        Ok(())
    }

    /// The session of a token's digest.
    pub(crate) async fn session(&self, token: &Hash, now: i64) -> Result<Option<KeptSession>, sqlx::Error> {
        const SELECT: &str = "SELECT account, device, device_key FROM sessions WHERE token = $1 AND expires >= $2";
        let row: Option<(Vec<u8>, Vec<u8>, Vec<u8>)> = on!(self, pool =>
            sqlx::query_as(SELECT).bind(token.as_bytes().as_slice()).bind(now).fetch_optional(pool).await)?;
        row.map(|(account, device, key)| {
            let device = Device { device: id(&device)?, key: PublicKey::from(fixed(&key)?) };
            Ok(KeptSession { account: id(&account)?, device })
        })
        .transpose()
    }

    /// Ends a session.
    pub(crate) async fn end_session(&self, token: &Hash) -> Result<(), sqlx::Error> {
        const DELETE: &str = "DELETE FROM sessions WHERE token = $1";
        on!(self, pool => sqlx::query(DELETE).bind(token.as_bytes().as_slice()).execute(pool).await.map(drop))
    }
}
