//! What a home keeps of its account and of each shared workspace.
//!
//! `sync/account.json` says who this home is and at which server; `sync/keys.sealed` has what its device signs and opens with,
//! under the use key; `sync/signing.sealed` the account's signing key, under the owner's passphrase; `sync/session.sealed` the
//! session. A workspace has a folder of its own id: `chain.jsonl`, the entries as they came, and `known.sealed`, what was seen
//! last. Whoever rewrites the chain is found out by that file.

use std::io::Write;
use std::path::PathBuf;

use agentsecrets_wire::chain::{Entry, Head};
use agentsecrets_wire::{PublicKey, Record, Signed};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ring::Place;
use crate::crypto::{Binding, DeviceKey, Purpose, ReceivingKey, UseKey, envelope};
use crate::error::{Error, ErrorCode, Result, Stage};
use crate::home::{Home, HomeConfig};
use crate::resolve::value::SecretBuf;
use crate::store::atomic;

const KEYS: &str = "keys.sealed";
const SIGNING: &str = "signing.sealed";
const SESSION: &str = "session.sealed";
/// The files of a workspace's folder.
const OF_WORKSPACE: [&str; 2] = ["chain.jsonl", "known.sealed"];
const MAX_FILE: u64 = 1 << 20;
const MAX_KNOWN: u64 = 64 << 20;
const MAX_CHAIN: u64 = 512 << 20;

/// Who this home is to the members of its workspaces. No key that opens or signs is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    /// The server, as its origin.
    pub(crate) server: String,
    /// The account, or the machine member.
    pub(crate) account: Uuid,
    /// The address it logs in with; none for a machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// Ed25519; of a machine, its device's.
    pub(crate) signing: PublicKey,
    /// X25519.
    pub(crate) receiving: PublicKey,
    /// This home's device.
    pub(crate) device: Uuid,
    /// Ed25519.
    pub(crate) device_key: PublicKey,
}

/// A session at the server.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeptSession {
    pub(crate) token: String,
    pub(crate) expires: Timestamp,
}

/// What was seen last of a workspace. It has no key: the epochs are opened out of the chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Known {
    /// The end of the chain, which is never followed back.
    pub(crate) head: Head,
    /// How much of the log of records was read.
    pub(crate) cursor: u64,
    /// Versions that are not taken in, because what is here was changed too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) waiting: Vec<Signed<Record>>,
    /// The newest sign of life of an admin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) heard: Option<Timestamp>,
    /// When the server was asked last.
    pub(crate) asked: Timestamp,
    /// The version of the policy that was taken in.
    #[serde(default)]
    pub(crate) policy: u64,
    /// What the scopes of a machine are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) places: Vec<Place>,
}

impl Known {
    /// What is known of a workspace whose chain was just seen for the first time.
    pub(crate) fn new(head: Head) -> Self {
        Self {
            head,
            cursor: 0,
            waiting: Vec::new(),
            heard: None,
            asked: Timestamp::now(),
            policy: 0,
            places: Vec::new(),
        }
    }
}

/// The folder of a home's account and workspaces.
pub(crate) struct Folder<'a> {
    home: &'a Home,
    config: &'a HomeConfig,
}

impl<'a> Folder<'a> {
    pub(crate) fn of(home: &'a Home, config: &'a HomeConfig) -> Self {
        Self { home, config }
    }

    /// Who this home is.
    ///
    /// # Errors
    /// `not_logged_in` where it never logged in or joined.
    pub(crate) fn account(&self) -> Result<Account> {
        self.account_if_any()?.ok_or_else(|| {
            Error::new(ErrorCode::NotLoggedIn, "this home is not logged in to a server")
                .with_hint("agentsecrets login --server URL --email ADDRESS  # the first time with --new")
        })
    }

    /// Who this home is, where it is anybody.
    pub(crate) fn account_if_any(&self) -> Result<Option<Account>> {
        match atomic::read_private(&self.file("account.json"), MAX_FILE)? {
            Some(text) => serde_json::from_slice(&text).map(Some).map_err(|_| damaged("account.json")),
            None => Ok(None),
        }
    }

    /// Says who this home is.
    pub(crate) fn save_account(&self, account: &Account) -> Result<()> {
        self.write("account.json", &serde_json::to_vec(account).map_err(|_| damaged("account.json"))?)
    }

    /// Everything but the session, to be put back elsewhere: by a name under `sync/`, as the file lies there.
    ///
    /// # Errors
    /// `store_unavailable`.
    pub(crate) fn export(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut parts = Vec::new();
        let root = self.home.file("sync");
        let folders = self.workspaces()?.into_iter().map(|id| id.to_string());
        let kept = ["account.json", KEYS, SIGNING].map(str::to_owned).into_iter();
        let names = kept.chain(folders.flat_map(|id| OF_WORKSPACE.map(|file| format!("{id}/{file}"))));
        for name in names {
            if let Some(bytes) = atomic::read_private(&root.join(&name), MAX_CHAIN)? {
                parts.push((name, bytes));
            }
        }
        Ok(parts)
    }

    /// Puts back what [`export`](Self::export) gave, in place of what is there.
    ///
    /// # Errors
    /// `store_corrupted` for a name that it never gives, before anything is changed; `store_unavailable`.
    pub(crate) fn import(&self, parts: &[(&str, &[u8])]) -> Result<()> {
        if let Some((strange, _)) = parts.iter().find(|(name, _)| !is_kept(name)) {
            return Err(damaged(strange));
        }
        self.remove()?;
        parts.iter().try_for_each(|(name, bytes)| self.write(name, bytes))
    }

    /// The workspaces that there is a folder of.
    fn workspaces(&self) -> Result<Vec<Uuid>> {
        let root = self.home.file("sync");
        let listed = match std::fs::read_dir(&root) {
            Ok(listed) => listed,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(why) => return Err(crate::store::unavailable("read", &root, &why)),
        };
        Ok(listed.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
    }

    /// Forgets who this home is, and what it knew of workspaces.
    pub(crate) fn remove(&self) -> Result<()> {
        let folder = self.home.file("sync");
        match std::fs::remove_dir_all(&folder) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                Err(crate::store::unavailable("remove", &folder, &why))
            }
            _ => Ok(()),
        }
    }

    /// What this home's device opens and signs with.
    ///
    /// # Errors
    /// `not_logged_in` where the keys are gone, `store_corrupted`.
    pub(crate) fn keys(&self, use_key: &UseKey) -> Result<(ReceivingKey, DeviceKey)> {
        let keys = self.open(use_key, KEYS)?.ok_or_else(|| {
            Error::new(ErrorCode::NotLoggedIn, "this home has lost its device's keys").with_hint("agentsecrets login")
        })?;
        let (receiving, device) = keys.as_slice().split_at_checked(32).ok_or_else(|| damaged(KEYS))?;
        Ok((ReceivingKey::from_bytes(receiving)?, DeviceKey::from_bytes(device)?))
    }

    /// Keeps the same keys.
    pub(crate) fn save_keys(&self, use_key: &UseKey, receiving: &ReceivingKey, device: &DeviceKey) -> Result<()> {
        let mut both = SecretBuf::with_capacity(64);
        both.extend(receiving.bytes());
        both.extend(device.bytes());
        self.seal(use_key, KEYS, both.as_slice())
    }

    /// The session, where there is one.
    pub(crate) fn session(&self, use_key: &UseKey) -> Result<Option<KeptSession>> {
        self.open_json(use_key, SESSION)
    }

    /// Keeps a session.
    pub(crate) fn save_session(&self, use_key: &UseKey, session: &KeptSession) -> Result<()> {
        self.seal_json(use_key, SESSION, session)
    }

    /// A file sealed under the use key; `None` where there is none.
    fn open(&self, use_key: &UseKey, name: &str) -> Result<Option<SecretBuf>> {
        let Some(sealed) = atomic::read_private(&self.file(name), MAX_KNOWN)? else { return Ok(None) };
        let key = use_key.derive(Purpose::Account, self.config.id.as_bytes())?;
        envelope::open(&key, &self.binding(name), &sealed).map(Some).map_err(|_| damaged(name))
    }

    /// Seals a file under the use key.
    fn seal(&self, use_key: &UseKey, name: &str, plain: &[u8]) -> Result<()> {
        let key = use_key.derive(Purpose::Account, self.config.id.as_bytes())?;
        self.write(name, &envelope::seal(&key, &self.binding(name), plain)?)
    }

    /// The same, for what is JSON.
    fn open_json<T: DeserializeOwned>(&self, use_key: &UseKey, name: &str) -> Result<Option<T>> {
        let Some(text) = self.open(use_key, name)? else { return Ok(None) };
        serde_json::from_slice(text.as_slice()).map(Some).map_err(|_| damaged(name))
    }

    /// The same, for what is JSON.
    fn seal_json(&self, use_key: &UseKey, name: &str, what: &impl Serialize) -> Result<()> {
        self.seal(use_key, name, &serde_json::to_vec(what).map_err(|_| damaged(name))?)
    }

    /// A file that is sealed by other means, as by the owner's passphrase.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        atomic::read_private(&self.file(name), MAX_FILE)
    }

    /// Puts a file in place of the old one.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.file(name);
        if let Some(folder) = path.parent() {
            atomic::make_directory(&self.home.file("sync"))?;
            atomic::make_directory(folder)?;
        }
        atomic::write(&path, bytes)
    }

    /// What was seen last of a workspace.
    pub(crate) fn known(&self, use_key: &UseKey, workspace: Uuid) -> Result<Option<Known>> {
        self.open_json(use_key, &format!("{workspace}/known.sealed"))
    }

    /// Remembers what was seen.
    pub(crate) fn save_known(&self, use_key: &UseKey, workspace: Uuid, known: &Known) -> Result<()> {
        self.seal_json(use_key, &format!("{workspace}/known.sealed"), known)
    }

    /// The entries of a chain, in their order.
    pub(crate) fn chain(&self, workspace: Uuid) -> Result<Vec<Signed<Entry>>> {
        let name = format!("{workspace}/chain.jsonl");
        let text = atomic::read_private(&self.file(&name), MAX_CHAIN)?.unwrap_or_default();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).map_err(|_| damaged(&name))).collect()
    }

    /// Replaces the entries of a chain: the whole is written, so that a crash leaves the old ones or the new.
    pub(crate) fn save_chain(&self, workspace: Uuid, entries: &[Signed<Entry>]) -> Result<()> {
        let mut text = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut text, entry).map_err(|_| damaged("chain.jsonl"))?;
            text.write_all(b"\n").map_err(|_| damaged("chain.jsonl"))?;
        }
        self.write(&format!("{workspace}/chain.jsonl"), &text)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.file("sync").join(name)
    }

    fn binding(&self, name: &str) -> Binding {
        Binding::new("agentsecrets/sync-file/1").field(self.config.id.as_bytes()).field(name.as_bytes())
    }
}

/// Whether a backup holds a file of this name.
fn is_kept(name: &str) -> bool {
    match name.split_once('/') {
        None => ["account.json", KEYS, SIGNING].contains(&name),
        Some((id, file)) => id.parse::<Uuid>().is_ok_and(|uuid| uuid.to_string() == id) && OF_WORKSPACE.contains(&file),
    }
}

fn damaged(name: &str) -> Error {
    Error::new(
        ErrorCode::StoreCorrupted,
        format!("sync/{name} does not open or read: it was altered, or is another home's"),
    )
    .at(Stage::Store)
    .with_hint("agentsecrets logout; agentsecrets login  # the server has what this home needs; no secret is lost")
}
