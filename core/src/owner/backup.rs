//! `backup`: everything a home is, but for its log, in one sealed file.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::backup_file::{self, Parts};
use super::open::descriptors;
use super::process::fork;
use super::prompt::{PassphraseSource, asking_tree, say};
use super::{keys, policy_file};
use crate::crypto::{OwnerKey, UseKey, backup};
use crate::error::{Error, ErrorCode, Result};
use crate::home::{Home, HomeConfig, Unlock};
use crate::resolve::value::SecretValue;
use crate::store::{self, HomeLock, Vault, atomic};
use crate::sync::Folder;

/// The files of a home that a backup takes as they are: signed, sealed or authenticated each. Those behind `true` must
/// be there.
pub(super) const FILES: [(&str, bool); 8] = [
    ("home.json", true),
    ("policy.json", true),
    ("owner.sealed", true),
    ("pin.sealed", true),
    ("deny.json", false),
    ("limits.json", false),
    ("state.json", false),
    (super::SHARED_FILE, false),
];
/// What the names of the account's and the shared workspaces' files begin with.
pub(super) const SYNC: &str = "sync/";
pub(super) const INDEX: &str = "index.sealed";
pub(super) const USE_KEY: &str = "use-key";
const LARGEST: u64 = 16 << 20;

/// The choices of `backup`.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// The file to write.
    pub file: PathBuf,
    /// Whether it may take the place of another.
    pub force: bool,
    /// Where the owner's passphrase comes from.
    pub passphrase: PassphraseSource,
    /// Another place of the use key than the home's own.
    pub unlock: Option<Unlock>,
}

/// What was put into a backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BackupReport {
    /// The file.
    pub file: PathBuf,
    /// How many values it holds.
    pub secrets: usize,
    /// Its length in bytes.
    pub bytes: usize,
    /// When it was made.
    pub created: Timestamp,
}

/// Writes a backup, in a child that alone reads the passphrase. Call it while the process has one thread.
///
/// # Errors
/// `owner_absent`, `owner_required` without a terminal, `wrong_passphrase`; `invalid_call` where the file is there already
/// or cannot be written; `store_corrupted` where a value is damaged: a backup holds all of them.
pub fn backup(home: &Home, options: BackupOptions) -> Result<BackupReport> {
    let config = home.config()?;
    if !config.owner {
        return Err(Error::new(ErrorCode::OwnerAbsent, "this home was made with --no-owner; nobody could restore it"));
    }
    backup_file::check_free(&options.file, options.force)?;
    let place = options.unlock.clone().unwrap_or_else(|| config.unlock.clone());
    keys::check_at_hand(&place)?;
    let home = home.clone();
    let mut child = fork(&descriptors(options.passphrase, Some(&place)), move |mut parent| {
        let _ = parent.say(make(&home, &config, &options));
    })?;
    let report = child.answer();
    child.finish();
    report
}

fn make(home: &Home, config: &HomeConfig, options: &BackupOptions) -> Result<BackupReport> {
    let sentence = format!("{} gets every value of this home, sealed under the passphrase", options.file.display());
    let (_, passphrase) = ask(options.passphrase, &sentence, |typed| keys::open_owner(home, config, typed))?;
    let place = options.unlock.as_ref().unwrap_or(&config.unlock);
    let use_key = match place {
        Unlock::Passphrase => keys::open_with_passphrase(home, config, &passphrase)?,
        place => keys::open_use_key(config, Some(place))?,
    };
    let created = Timestamp::now();
    let (parts, secrets) = collect(home, config, &use_key, &passphrase)?;
    let sealed = backup::seal(&passphrase, &zeroize::Zeroizing::new(parts.encode()?))?;
    backup_file::write(&options.file, &sealed, options.force)?;
    Ok(BackupReport { file: options.file.clone(), secrets, bytes: sealed.len(), created })
}

/// Everything, as it stands at one moment, and how many values that is.
fn collect(home: &Home, config: &HomeConfig, key: &UseKey, passphrase: &SecretValue) -> Result<(Parts, usize)> {
    let lock = HomeLock::acquire(home.root())?;
    // A policy that is not the owner's would come back with the owner's word for it.
    let document = policy_file::load(home, config)?;
    policy_file::check_pin(home, config, key, &document)?;
    let mut parts = Parts::new();
    for (name, needed) in FILES {
        match atomic::read_private(&home.file(name), LARGEST)? {
            Some(bytes) => parts.add(name, bytes),
            None if needed => {
                return Err(Error::new(ErrorCode::StoreCorrupted, format!("{name} is missing in this home"))
                    .with_hint("agentsecrets doctor"));
            }
            None => {}
        }
    }
    for (name, bytes) in Folder::of(home, config).export()? {
        parts.add(format!("{SYNC}{name}"), bytes);
    }
    parts.add(USE_KEY, key.seal(passphrase, config.id.as_bytes())?);
    let vault = Vault::open(home.root(), config.id, store::open(config.store, home.root(), config.id)?, key)?;
    let (index, records) = vault.export(&lock)?;
    parts.add(INDEX, index);
    let secrets = records.len();
    records.into_iter().for_each(|(id, sealed)| parts.add_record(&id, sealed));
    Ok((parts, secrets))
}

/// Says what is about to be done and who asks, then reads the passphrase until it opens the owner key.
pub(super) fn ask<T>(
    source: PassphraseSource,
    sentence: &str,
    open: impl Fn(&SecretValue) -> Result<T>,
) -> Result<(T, SecretValue)> {
    if source == PassphraseSource::Terminal {
        let shown: String = sentence.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        say(&format!("  {shown}\n  asked by: {}\n", asking_tree()))?;
    }
    let mut attempts = source.attempts();
    loop {
        attempts -= 1;
        let passphrase = source.read("Owner's passphrase: ")?;
        match open(&passphrase) {
            Err(error) if error.code() == ErrorCode::WrongPassphrase && attempts > 0 => {
                say("That does not open it.\n")?;
            }
            opened => return Ok((opened?, passphrase)),
        }
    }
}

/// The owner key in a backup.
pub(super) fn owner_in(parts: &Parts, config: &HomeConfig, passphrase: &SecretValue) -> Result<OwnerKey> {
    OwnerKey::open(passphrase, config.id.as_bytes(), parts.need("owner.sealed")?)
}
