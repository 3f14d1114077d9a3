//! `bundle`: some values of one environment with the policy that lets them go, sealed for a place where no owner is.
//!
//! What is made is a home without an owner, in one file: its policy is signed by a key that is thrown away in the same breath, so nothing can
//! be granted there that was not granted here. Its use key lies in a file of its own, and the bundle opens by nothing else.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::backup::{INDEX, ask};
use super::backup_file::{self, Parts};
use super::open::{descriptors, executable_of};
use super::process::fork;
use super::prompt::PassphraseSource;
use super::{deny_file, keys, policy_file, shared_file};
use crate::audit::{AuditLog, FirstKey, Options};
use crate::crypto::{OwnerKey, UseKey};
use crate::error::{Error, ErrorCode, Result};
use crate::home::{Home, HomeConfig, StoreKind, Unlock};
use crate::policy::{Document, Grant, Limit, Rule};
use crate::resolve::SecretInput;
use crate::secret_ref::{Label, SecretName};
use crate::store::{self, Checked, Expectation, HomeLock, NewSecret, Place, Vault, atomic};

/// What a bundle begins with.
const FORM: &[u8] = b"agentsecrets-bundle/1\n";
/// The largest part that is read.
const LARGEST: u64 = 64 << 20;

/// The choices of `bundle create`.
#[derive(Clone, Debug)]
pub struct BundleOptions {
    /// The file to write.
    pub file: PathBuf,
    /// Whether it may take the place of another.
    pub force: bool,
    /// The file of its use key, as 32 bytes in base64url; made where there is none.
    pub key: PathBuf,
    /// The shared workspace that the project is in; none where it is the home's own.
    pub workspace: Option<Uuid>,
    /// The project.
    pub project: Label,
    /// The environment.
    pub environment: Label,
    /// The secrets.
    pub secrets: Vec<SecretName>,
    /// Where the owner's passphrase comes from.
    pub passphrase: PassphraseSource,
}

/// What was put into a bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BundleReport {
    /// The file.
    pub file: PathBuf,
    /// The file of its use key.
    pub key: PathBuf,
    /// The secrets in it.
    pub secrets: Vec<SecretName>,
    /// Where they may go from it.
    pub grants: Vec<String>,
    /// Its length in bytes.
    pub bytes: usize,
}

/// Writes a bundle, in a child that alone reads the passphrase. Call it while the process has one thread.
///
/// # Errors
/// `owner_absent`, `owner_required` without a terminal, `wrong_passphrase`; `secret_not_found`; `invalid_call` where the file is there already
/// or the home's way out needs a login.
pub fn bundle(home: &Home, options: BundleOptions) -> Result<BundleReport> {
    let config = home.config()?;
    if !config.owner {
        return Err(Error::new(ErrorCode::OwnerAbsent, "this home was made with --no-owner, and nobody can bundle it"));
    }
    backup_file::check_free(&options.file, options.force)?;
    keys::check_at_hand(&config.unlock)?;
    let home = home.clone();
    let mut child = fork(&descriptors(options.passphrase, Some(&config.unlock)), move |mut parent| {
        let _ = parent.say(make(&home, &config, &options));
    })?;
    let report = child.answer();
    child.finish();
    report
}

fn make(home: &Home, config: &HomeConfig, options: &BundleOptions) -> Result<BundleReport> {
    let names: Vec<&str> = options.secrets.iter().map(SecretName::as_str).collect();
    let sentence = format!(
        "{} gets the values of {} in {}/{} and where they may go; whoever has it and {} uses them",
        options.file.display(),
        names.join(", "),
        options.project,
        options.environment,
        options.key.display()
    );
    // What lets them go is told before, where the key to it does not hang on the passphrase.
    let at_hand = match &config.unlock {
        Unlock::Passphrase => None,
        place => Some(keys::open_use_key(config, Some(place))?),
    };
    let known = at_hand.as_ref().map(|key| document_of(home, config, key, options, Uuid::nil())).transpose()?;
    let grants = known.iter().flat_map(|(document, _)| &document.grants).map(Grant::sentence);
    let more = known.as_ref().map(|(document, _)| {
        let way =
            document.egress.as_ref().map_or_else(String::new, |egress| format!(", and leaves by {}", egress.proxy));
        format!("it trusts {} certificates besides the platform's{way}", document.trust.len())
    });
    let sentence = std::iter::once(sentence).chain(grants).chain(more).collect::<Vec<_>>().join("; ");
    let (_, passphrase) = ask(options.passphrase, &sentence, |typed| keys::open_owner(home, config, typed))?;
    let use_key = match at_hand {
        Some(key) => key,
        None => keys::open_with_passphrase(home, config, &passphrase)?,
    };
    let draft = options.file.with_extension(format!("draft-{}", Uuid::new_v4().simple()));
    let made = fill(home, config, &use_key, options, &draft);
    let cleared = std::fs::remove_dir_all(&draft);
    let (sealed, report) = made?;
    cleared.map_err(|why| store::unavailable("remove", &draft, &why))?;
    backup_file::write(&options.file, &sealed, options.force)?;
    Ok(report)
}

/// Makes the home without an owner in a folder of its own, where every value is sealed, and takes its parts.
fn fill(
    home: &Home,
    config: &HomeConfig,
    use_key: &UseKey,
    options: &BundleOptions,
    draft: &Path,
) -> Result<(Vec<u8>, BundleReport)> {
    let (signer, root) = (OwnerKey::make()?, Home::locate(Some(draft))?);
    atomic::make_directory(root.root())?;
    let made = HomeConfig {
        format: 1,
        id: Uuid::new_v4(),
        store: StoreKind::File,
        unlock: Unlock::File(options.key.clone()),
        owner: false,
        policy_key: URL_SAFE_NO_PAD.encode(signer.public().to_bytes()),
        executable: None,
        created: Timestamp::now(),
    };
    let key = keys::make_use_key(&root, &made, None)?;
    let _lock = HomeLock::acquire(home.root())?;
    let (document, source) = document_of(home, config, use_key, options, made.id)?;
    policy_file::save(&root, &signer, &document)?;
    policy_file::write_pin(&root, &made, &key, &document)?;
    let vault = Vault::create(root.root(), made.id, store::open(made.store, root.root(), made.id)?, &key)?;
    let from = Vault::open(home.root(), config.id, store::open(config.store, home.root(), config.id)?, use_key)?;
    let weak: Vec<SecretName> = from.list(&source)?.into_iter().filter(|one| one.weak).map(|one| one.name).collect();
    let values = options.secrets.iter().map(|name| {
        // EXPOSE: the value is sealed again under the bundle's own key, within this child.
        let input = SecretInput::from_reader(from.value(&source, name)?.expose())?;
        Ok(NewSecret { name: name.clone(), input, weak: weak.contains(name) })
    });
    let place = Place {
        workspace: document.workspace.id,
        project: document.default_project,
        environment: options.environment.clone(),
    };
    vault.set_many(&place, values.collect::<Result<Vec<_>>>()?, &Expectation::Replace(HashMap::new()))?;
    let mut parts = Parts::new();
    for name in ["policy.json", "pin.sealed"] {
        let bytes = atomic::read_private(&root.file(name), LARGEST)?.ok_or_else(broken)?;
        parts.add(name, bytes);
    }
    parts.add("home.json", serde_json::to_vec(&made).map_err(|_| broken())?);
    let lock = HomeLock::acquire(root.root())?;
    let (index, records) = vault.export(&lock)?;
    parts.add(INDEX, index);
    records.into_iter().for_each(|(id, sealed)| parts.add_record(&id, sealed));
    let sealed = [FORM, &parts.encode()?].concat();
    let report = BundleReport {
        file: options.file.clone(),
        key: options.key.clone(),
        secrets: options.secrets.clone(),
        grants: document.grants.iter().map(Grant::sentence).collect(),
        bytes: sealed.len(),
    };
    Ok((sealed, report))
}

/// The policy of the bundle: what its secrets may do now in that environment, and no more. Gives the place that they come from, too.
fn document_of(
    home: &Home,
    config: &HomeConfig,
    use_key: &UseKey,
    options: &BundleOptions,
    made: Uuid,
) -> Result<(Document, Place)> {
    let own = policy_file::load(home, config)?;
    policy_file::check_pin(home, config, use_key, &own)?;
    let mut all = own.beside(shared_file::load_shared(home, config, use_key)?);
    all.acting_in = options.workspace;
    let project = all.project_meant(&options.project)?.id;
    // One that was taken away or put back from an older day would let out what somebody denied.
    let remembered = AuditLog::open(&home.audit(), Options::default())?.deny_count()?;
    let denied = deny_file::load(home, config, use_key, remembered)?;
    if let Some(agent) = all.agents.iter().find(|agent| agent.project == project) {
        let message =
            format!("{} has registered agents, as {}, and a bundle could tell none apart", options.project, agent.name);
        return Err(Error::new(ErrorCode::InvalidCall, message).with_hint("bundle secrets of a project without agents"));
    }
    let now = Timestamp::now();
    let workspace = all.workspace_of(project).clone();
    let mut document = Document::new(made, workspace.name.clone(), options.project.clone(), now);
    let (id, named) = (document.default_project, |secret: &SecretName| options.secrets.contains(secret));
    let carried = |grant: &&Grant| {
        let here = grant.terms.environment.as_ref().is_none_or(|only| *only == options.environment);
        let counts = !grant.expired(now) && !denied.takes_away(grant, &all.grants);
        // An agent is registered in one home, and its grant says nothing anywhere else.
        grant.project == project && named(&grant.secret) && here && counts && grant.terms.agent.is_none()
    };
    let grants = all.grants.iter().filter(carried).cloned();
    document.grants = grants.map(|grant| Grant { project: id, serial: document.serial, ..grant }).collect();
    for entry in denied.entries.iter().filter(|entry| entry.project == project) {
        let Some(rule) = &entry.rule else { continue };
        let partly = |grant: &&Grant| grant.secret == entry.secret && overlap(&grant.terms.rule, rule);
        if let Some(grant) = document.grants.iter().find(partly) {
            let (secret, denied) = (&grant.secret, rule.short());
            let message = format!("{secret} is denied {denied} of what it is granted, which no bundle could keep");
            return Err(Error::new(ErrorCode::InvalidCall, message)
                .with_hint(format!("agentsecrets deny {secret} {}", grant.terms.rule)));
        }
    }
    let limits = all.limits.iter().filter(|limit| {
        let subject = &limit.subject;
        subject.project == project && subject.agent.is_none() && subject.secret.as_ref().is_some_and(named)
    });
    let moved = |limit: &Limit| {
        let mut limit = limit.clone();
        limit.subject.project = id;
        limit
    };
    document.limits = limits.map(moved).collect();
    let shared = all.shared_with(project).and_then(|beside| beside.allowlist.clone());
    document.allowlist = match (all.allowlist.clone(), shared) {
        (Some(_), Some(_)) => return Err(refused("both the home and its shared workspace have an allowlist")),
        (one, other) => one.or(other),
    };
    if all.egress.as_ref().is_some_and(|egress| egress.login.is_some()) {
        return Err(refused("the proxy that calls leave by needs a login, which no bundle has"));
    }
    (document.trust, document.egress) = (all.trust.clone(), all.egress.clone());
    document.check()?;
    let environment = options.environment.clone();
    Ok((document, Place { workspace: workspace.id, project, environment }))
}

/// Makes a home out of a bundle, in a child that alone holds its use key. It asks nobody: what can be done with it was decided when it was made.
/// Call it while the process has one thread.
///
/// # Errors
/// `already_initialized`, `store_corrupted` for a bundle that was altered or another's key, `invalid_call` where the file cannot be read.
pub fn open_bundle(home: &Home, file: &Path, unlock: Unlock, executable: Option<PathBuf>) -> Result<usize> {
    if home.config().is_ok() {
        return Err(Error::new(ErrorCode::AlreadyInitialized, format!("there is a home at {}", home.root().display())));
    }
    keys::check_at_hand(&unlock)?;
    let bytes = backup_file::read(file)?;
    let inherited = descriptors(PassphraseSource::Terminal, Some(&unlock));
    let home = home.clone();
    let mut child = fork(&inherited, move |mut parent| {
        let _ = parent.say(put(&home, &bytes, unlock, executable.as_deref()));
    })?;
    let count = child.answer();
    child.finish();
    count
}

fn put(home: &Home, file: &[u8], unlock: Unlock, executable: Option<&Path>) -> Result<usize> {
    let parts = Parts::decode(file.strip_prefix(FORM).ok_or_else(broken)?)?;
    let mut config: HomeConfig = serde_json::from_slice(parts.need("home.json")?).map_err(|_| broken())?;
    if config.owner || matches!(unlock, Unlock::Keychain | Unlock::Passphrase) {
        return Err(Error::new(ErrorCode::InvalidCall, "a bundle opens by the key that was made with it")
            .with_hint("agentsecrets bundle open FILE --unlock file:KEY"));
    }
    (config.unlock, config.store) = (unlock, StoreKind::File);
    config.executable = executable.map(executable_of).transpose()?;
    policy_file::verify(parts.need("policy.json")?, &config)?;
    let key = keys::open_use_key(&config, None)?;
    let records = parts.records()?;
    let fresh = home.root().symlink_metadata().is_err();
    atomic::make_directory(home.root())?;
    let written = (|| {
        let lock = HomeLock::acquire(home.root())?;
        let store = store::open(config.store, home.root(), config.id)?;
        let values = Checked::new(home.root(), config.id, store, &key, parts.need(INDEX)?, &records)?;
        atomic::make_directory(&home.run())?;
        values.put_back(&lock)?;
        for name in ["policy.json", "pin.sealed"] {
            atomic::write(&home.file(name), parts.need(name)?)?;
        }
        let document = policy_file::load(home, &config)?;
        policy_file::check_pin(home, &config, &key, &document)?;
        AuditLog::create(&home.audit(), &FirstKey::make()?)?;
        atomic::write(&home.file("home.json"), &serde_json::to_vec_pretty(&config).map_err(|_| broken())?)
    })();
    if written.is_err() && fresh {
        let _ = std::fs::remove_dir_all(home.root()); // Made just now, for a home that did not come to be.
    }
    written.map(|()| records.len())
}

/// Whether two rules may name one address: as origins, so that no path is thought to keep them apart.
fn overlap(one: &Rule, other: &Rule) -> bool {
    let origin = |rule: &Rule| {
        let text = rule.to_string();
        let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default().to_owned()
    };
    let (one, other) = (origin(one), origin(other));
    one == other || one.starts_with('*') || other.starts_with('*')
}

fn refused(why: &'static str) -> Error {
    Error::new(ErrorCode::InvalidCall, why).with_hint("agentsecrets workspace allowlist list; agentsecrets egress")
}

fn broken() -> Error {
    Error::new(ErrorCode::StoreCorrupted, "the bundle is damaged, or is none")
}
