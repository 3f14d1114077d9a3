//! Requests and answers, each under the route that takes it.
//!
//! A request inside a session carries `authorization: Bearer TOKEN` and `agentsecrets-proof: t=SECONDS,s=SIGNATURE`, where the
//! device signs [`proof`]: a token that was overheard opens nothing. Writes say everything about where they belong, so that one
//! that is sent twice is answered as the first one was.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::chain::{Device, Entry, Head};
use crate::{Blob, Hash, Heartbeat, PublicKey, Record, Signature, Signed, signed};

/// What a device signs to use a session: the method, path and query, the digest of the body, that of the token, and the time.
#[must_use]
pub fn proof(method: &str, target: &str, body: &Hash, token: &Hash, seconds: i64) -> Vec<u8> {
    let fields: [&[u8]; 5] =
        [method.as_bytes(), target.as_bytes(), body.as_bytes(), token.as_bytes(), &seconds.to_le_bytes()];
    signed::bound("agentsecrets/proof/1", &fields)
}

/// What is signed to ask for a path outside of any session: [`proof`] of `POST`, with zeroes for body and token.
#[must_use]
pub fn open_proof(path: &str, seconds: i64) -> Vec<u8> {
    let none = Hash::from([0; 32]);
    proof("POST", path, &none, &none, seconds)
}

macro_rules! message {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })+) => {
        $($(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* })+
    };
}

message! {
    /// `POST /v1/accounts/start`: the first half of a registration (OPAQUE, RFC 9807).
    RegisterStart {
        /// The address, lowercased.
        email: String,
        /// `RegistrationRequest`.
        request: Blob,
    }
    /// Its answer.
    RegisterStarted {
        /// `RegistrationResponse`.
        response: Blob,
    }
    /// `POST /v1/accounts`: the second half, with the account's keys.
    Register {
        /// The address, lowercased.
        email: String,
        /// `RegistrationRecord`.
        record: Blob,
        /// The account.
        account: Account,
    }
    /// An account's public keys, and its secret ones as the server may hold them.
    Account {
        /// Its id, drawn by its first device.
        account: Uuid,
        /// Ed25519.
        signing: PublicKey,
        /// X25519.
        receiving: PublicKey,
        /// Both secret keys under the export key of OPAQUE.
        sealed: Blob,
        /// The same under the recovery code.
        recovery: Blob,
        /// Ed25519, from the recovery code: proves that it is known.
        recovery_key: PublicKey,
    }
    /// `PUT /v1/account`: another password, or the keys sealed anew. The keys themselves stay; every other session ends.
    Rekey {
        /// The address, lowercased, which stays too.
        email: String,
        /// `RegistrationRecord`, made by way of `POST /v1/accounts/start`.
        record: Blob,
        /// The account, its keys sealed anew.
        account: Account,
    }
    /// `POST /v1/login/start`: the first half of a login.
    LoginStart {
        /// The address, lowercased.
        email: String,
        /// `CredentialRequest`.
        request: Blob,
    }
    /// Its answer; for an address without account one that looks the same.
    LoginStarted {
        /// To be sent back within a minute.
        login: Uuid,
        /// `CredentialResponse`.
        response: Blob,
    }
    /// `POST /v1/login`: the second half.
    Login {
        /// From the first half.
        login: Uuid,
        /// `CredentialFinalization`.
        finalization: Blob,
        /// The device that the session is for.
        device: Device,
    }
    /// A session, and what the password or the recovery code opens.
    LoggedIn {
        /// The session.
        session: Session,
        /// The account.
        account: Account,
    }
    /// `POST /v1/recovery/start`: the first half of another password, for who has the recovery code. Answered with
    /// [`RegisterStarted`], whether the address has an account or not.
    RecoveryStart {
        /// The address, lowercased.
        email: String,
        /// `RegistrationRequest`.
        request: Blob,
    }
    /// `POST /v1/recovery/open`: what the recovery code opens. Answered with [`Account`].
    RecoveryOpen {
        /// The address, lowercased.
        email: String,
        /// The time of the signature, in seconds.
        time: i64,
        /// By the recovery key, over [`open_proof`] of this path: `POST`, with zeroes for body and token.
        signature: Signature,
    }
    /// `POST /v1/recovery`: the second half; every session of the account ends.
    Recovery {
        /// The address, lowercased.
        email: String,
        /// `RegistrationRecord`.
        record: Blob,
        /// The account, its keys sealed anew.
        account: Account,
        /// The time of the signature, in seconds.
        time: i64,
        /// By the recovery key, over [`open_proof`] of this path: `POST`, with zeroes for body and token.
        signature: Signature,
    }
    /// `POST /v1/sessions`: another session for a device that some workspace knows, without a password.
    Resume {
        /// The device.
        device: Uuid,
        /// The time of the signature, in seconds.
        time: i64,
        /// By the device's key, over [`open_proof`] of `/v1/sessions`: `POST`, with zeroes for body and token.
        signature: Signature,
    }
    /// A session. The token is shown once and stored as a digest; `DELETE /v1/sessions` ends the one that it is sent in.
    Session {
        /// The bearer token.
        token: String,
        /// When it ends by itself.
        #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
        expires: Timestamp,
    }
    /// `GET /v1/workspaces`: where the caller is a member.
    Workspaces {
        /// In no order.
        workspaces: Vec<Summary>,
    }
    /// A workspace from afar.
    Summary {
        /// Its id.
        workspace: Uuid,
        /// The end of its chain.
        head: Head,
        /// The end of its log.
        cursor: u64,
    }
    /// `POST /v1/workspaces` with the first entry of a chain, `POST /v1/workspaces/{id}/chain` with a later one.
    Append {
        /// The entry.
        #[cfg_attr(feature = "openapi", schema(value_type = crate::openapi::Statement))]
        entry: Signed<Entry>,
    }
    /// Its answer.
    Appended {
        /// The end of the chain now.
        head: Head,
    }
    /// `POST /v1/invites/{invite}/open`: what somebody needs who has a code and is no member yet.
    Open {
        /// The time of the signature, in seconds.
        time: i64,
        /// By the invitation's signing key, over [`open_proof`] of this path: `POST`, with zeroes for body and token.
        signature: Signature,
    }
    /// Its answer.
    Opened {
        /// The workspace.
        workspace: Uuid,
        /// Its whole chain.
        #[cfg_attr(feature = "openapi", schema(value_type = Vec<crate::openapi::Statement>))]
        entries: Vec<Signed<Entry>>,
    }
    /// `POST /v1/invites/{invite}/join`: the entry by which a machine joins, which has no account to log in with. Answered with
    /// [`Appended`].
    Enrol {
        /// The time of the signature, in seconds.
        time: i64,
        /// By the invitation's signing key, over [`open_proof`] of this path: `POST`, with zeroes for body and token.
        signature: Signature,
        /// The entry.
        #[cfg_attr(feature = "openapi", schema(value_type = crate::openapi::Statement))]
        entry: Signed<Entry>,
    }
    /// `GET /v1/workspaces/{id}/changes?since=CURSOR&after=SEQ&limit=N`: what the caller has not seen, within its scopes.
    Changes {
        /// The end of the chain.
        head: Head,
        /// The entries after `after`, in order, at most `limits::ENTRIES`.
        #[cfg_attr(feature = "openapi", schema(value_type = Vec<crate::openapi::Statement>))]
        entries: Vec<Signed<Entry>>,
        /// The records after `since`, each in its current version, in the order they were written.
        #[cfg_attr(feature = "openapi", schema(value_type = Vec<crate::openapi::Statement>))]
        records: Vec<Signed<Record>>,
        /// What to ask for next.
        cursor: u64,
        /// Whether there is more of either now.
        more: bool,
        /// The newest sign of life of an admin.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::openapi::Statement>))]
        heartbeat: Option<Signed<Heartbeat>>,
    }
    /// `POST /v1/workspaces/{id}/records`: at most `limits::PUSH`.
    Push {
        /// Each is stored or not by itself.
        #[cfg_attr(feature = "openapi", schema(value_type = Vec<crate::openapi::Statement>))]
        records: Vec<Signed<Record>>,
    }
    /// Its answer.
    Pushed {
        /// In the order of the request.
        outcomes: Vec<Outcome>,
        /// The end of the log now.
        cursor: u64,
    }
    /// `GET /v1/workspaces/{id}/records/{scope}/{record}`: every version that is kept, the newest first.
    History {
        /// The versions.
        #[cfg_attr(feature = "openapi", schema(value_type = Vec<crate::openapi::Statement>))]
        records: Vec<Signed<Record>>,
    }
    /// `PUT /v1/workspaces/{id}/heartbeat`.
    Beat {
        /// Newer than the one before.
        #[cfg_attr(feature = "openapi", schema(value_type = crate::openapi::Statement))]
        heartbeat: Signed<Heartbeat>,
    }
}

/// What became of one record of a push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It is the current version now, or was already.
    Stored,
    /// Somebody was faster.
    Conflict {
        /// What is current; none where nothing is.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::openapi::Statement>))]
        current: Option<Box<Signed<Record>>>,
    },
}
