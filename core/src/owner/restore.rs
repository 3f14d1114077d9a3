//! `restore`: a home out of a backup, checked to be whole before the first file is written.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::backup::{self, FILES, INDEX, SYNC, USE_KEY};
use super::backup_file::{self, Parts};
use super::open::{descriptors, executable_of};
use super::process::fork;
use super::prompt::PassphraseSource;
use super::{deny_file, first_key, keys, policy_file};
use crate::audit::{AuditLog, Event, FirstKey, Identity, Isolation, Options};
use crate::crypto::{self, OwnerKey, UseKey};
use crate::error::{Error, ErrorCode, Result};
use crate::home::{Home, HomeConfig, StoreKind, Unlock};
use crate::policy::DenyOverlay;
use crate::resolve::value::SecretValue;
use crate::store::{self, Checked, HomeLock, atomic};
use crate::sync::Folder;

/// The choices of `restore`.
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// The backup.
    pub file: PathBuf,
    /// Where sealed records rest; as in the backup unless said.
    pub store: Option<StoreKind>,
    /// Where the use key lies; as in the backup unless said.
    pub unlock: Option<Unlock>,
    /// Whether the home that is there may be replaced without a human at a terminal.
    pub over: bool,
    /// Where the owner's passphrase comes from: the one the backup was made with.
    pub passphrase: PassphraseSource,
    /// The executable that SDKs may start.
    pub executable: Option<PathBuf>,
}

/// What was restored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RestoreReport {
    /// The home's folder.
    pub home: PathBuf,
    /// Where sealed records rest.
    pub store: StoreKind,
    /// Where the use key lies.
    pub unlock: Unlock,
    /// How many values there are.
    pub secrets: usize,
    /// Whether the audit log begins anew, as the one before was not in the backup.
    pub new_log: bool,
}

/// What a backup was found to hold.
struct Opened {
    parts: Parts,
    config: HomeConfig,
    passphrase: SecretValue,
    owner: OwnerKey,
    use_key: UseKey,
}

/// Restores a home, in a child that alone reads the passphrase. Call it while the process has one thread.
///
/// # Errors
/// `wrong_passphrase`, `store_corrupted` for a backup that was altered, `already_initialized` for one of another home;
/// `invalid_call` where the file cannot be read or a choice does not go with the home. Nothing was changed then.
pub fn restore(home: &Home, options: RestoreOptions) -> Result<RestoreReport> {
    if let Some(place) = &options.unlock {
        keys::check_at_hand(place)?;
    }
    let there = home.config().is_ok();
    if there && !options.over && options.passphrase != PassphraseSource::Terminal {
        let message =
            format!("there is a home at {}; what changed there since the backup would be lost", home.root().display());
        return Err(Error::new(ErrorCode::AlreadyInitialized, message)
            .with_hint("add --force, or choose another home: AGENTSECRETS_HOME=PATH agentsecrets restore FILE"));
    }
    let file = backup_file::read(&options.file)?;
    let home = home.clone();
    let mut child = fork(&descriptors(options.passphrase, options.unlock.as_ref()), move |mut parent| {
        let restored = open(&home, &options, there, &file).and_then(|opened| put(&home, &options, opened));
        let _ = parent.say(restored);
    })?;
    let report = child.answer();
    child.finish();
    report
}

/// Opens a backup and checks that what it holds belongs together.
fn open(home: &Home, options: &RestoreOptions, there: bool, file: &[u8]) -> Result<Opened> {
    let root = home.root().display();
    let sentence = if there {
        format!("The home at {root} becomes what the backup holds; values and grants that changed since are LOST")
    } else {
        format!("A home is made at {root} out of the backup")
    };
    let (content, passphrase) = backup::ask(options.passphrase, &sentence, |typed| crypto::backup::open(typed, file))?;
    let parts = Parts::decode(content.as_slice())?;
    let config: HomeConfig = serde_json::from_slice(parts.need("home.json")?).map_err(|_| damaged())?;
    let owner = backup::owner_in(&parts, &config, &passphrase)?;
    if policy_file::policy_key(&config)? != owner.public() {
        return Err(damaged());
    }
    let use_key = UseKey::open(&passphrase, config.id.as_bytes(), parts.need(USE_KEY)?)?;
    Ok(Opened { parts, config, passphrase, owner, use_key })
}

/// Writes the home, `home.json` last: what a crash leaves of a new one is none. Of one that is put over, it may leave
/// values of one day and a policy of another, until the same restore is done again; the values are whole either way.
fn put(home: &Home, options: &RestoreOptions, opened: Opened) -> Result<RestoreReport> {
    let Opened { parts, config: old, passphrase, owner, use_key } = opened;
    let config = config_of(home, options, &old)?;
    let made_here = home.root().symlink_metadata().is_err();
    atomic::make_directory(home.root())?;
    let written = put_checked(home, &config, &parts, &passphrase, &owner, &use_key);
    if written.is_err() && made_here {
        let _ = std::fs::remove_dir_all(home.root()); // Made just now, for a home that did not come to be.
    }
    let (secrets, new_log) = written?;
    Ok(RestoreReport { home: home.root().to_owned(), store: config.store, unlock: config.unlock, secrets, new_log })
}

fn put_checked(
    home: &Home,
    config: &HomeConfig,
    parts: &Parts,
    passphrase: &SecretValue,
    owner: &OwnerKey,
    use_key: &UseKey,
) -> Result<(usize, bool)> {
    let lock = HomeLock::acquire(home.root())?;
    policy_file::verify(parts.need("policy.json")?, config)?;
    let records = parts.records()?;
    let overlay = deny_file::in_backup(parts.get("deny.json"), config, use_key)?;
    let store = store::open(config.store, home.root(), config.id)?;
    store.health()?;
    let values = Checked::new(home.root(), config.id, store, use_key, parts.need(INDEX)?, &records)?;
    atomic::make_directory(&home.run())?;
    let (log, new_log) = open_log(home, config, owner)?;
    keys::keep_use_key(home, config, use_key, passphrase)?;
    values.put_back(&lock)?;
    for (name, _) in FILES.into_iter().filter(|(name, _)| !matches!(*name, "home.json" | "deny.json")) {
        match parts.get(name) {
            Some(bytes) => atomic::write(&home.file(name), bytes)?,
            None => remove(home, name)?,
        }
    }
    Folder::of(home, config).import(&parts.under(SYNC))?;
    // What agents denied before the backup stays denied, and the log's count of changes still fits.
    let overlay = DenyOverlay { count: overlay.count.max(log.deny_count()?), ..overlay };
    if overlay.count > 0 {
        deny_file::save(home, config, use_key, &overlay)?;
    }
    let text = serde_json::to_vec_pretty(config).map_err(|_| damaged())?;
    atomic::write(&home.file("home.json"), &text)?;
    log.restored(&Event::new(Identity::Anonymous, Isolation::InProcess))?;
    Ok((records.len(), new_log))
}

/// The log that is there goes on; where there is none, another begins. A backup holds none: its chain cannot be
/// continued in two places, and a copy that was would look like one that was cut.
fn open_log(home: &Home, config: &HomeConfig, owner: &OwnerKey) -> Result<(AuditLog, bool)> {
    let state = home.audit().join("state");
    let new_log = state.symlink_metadata().is_err() || first_key::open(home, config, owner).is_err();
    if new_log {
        let first = FirstKey::make()?;
        first_key::keep(home, config, owner, &first)?;
        AuditLog::create(&home.audit(), &first)?;
    }
    Ok((AuditLog::open(&home.audit(), Options::default())?, new_log))
}

/// What the restored home records of itself.
fn config_of(home: &Home, options: &RestoreOptions, old: &HomeConfig) -> Result<HomeConfig> {
    let mut config = old.clone();
    if let Ok(there) = home.config() {
        if there.id != old.id || there.policy_key != old.policy_key {
            let message = format!("the backup is of another home than the one at {}", home.root().display());
            return Err(Error::new(ErrorCode::AlreadyInitialized, message)
                .with_hint("choose another: AGENTSECRETS_HOME=PATH agentsecrets restore FILE"));
        }
        (config.store, config.unlock) = (there.store, there.unlock);
        if options.store.is_some_and(|store| store != config.store)
            || options.unlock.as_ref().is_some_and(|place| *place != config.unlock)
        {
            return Err(Error::new(ErrorCode::InvalidCall, "a restored home keeps its store and the use key's place")
                .with_hint(
                    "restore into another home: AGENTSECRETS_HOME=PATH agentsecrets restore FILE --store file",
                ));
        }
    } else {
        config.store = options.store.unwrap_or(config.store);
        config.unlock = options.unlock.clone().unwrap_or(config.unlock);
    }
    config.executable = options.executable.as_deref().map(executable_of).transpose()?;
    Ok(config)
}

fn remove(home: &Home, name: &str) -> Result<()> {
    match std::fs::remove_file(home.file(name)) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::new(ErrorCode::StoreUnavailable, format!("{name} cannot be removed: {}", why.kind())))
        }
        _ => Ok(()),
    }
}

fn damaged() -> Error {
    Error::new(ErrorCode::StoreCorrupted, "the backup's parts do not belong together")
}
