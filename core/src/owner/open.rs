//! Making a home, and opening its use key, each in a child that goes on as the broker.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::keys::{self, Unlocked};
use super::process::{Child, Parent, fork};
use super::prompt::PassphraseSource;
use super::{first_key, policy_file};
use crate::audit::{AuditLog, FirstKey};
use crate::crypto::{OwnerKey, UseKey};
use crate::error::{Error, ErrorCode, Result};
use crate::home::{Executable, Home, HomeConfig, StoreKind, Unlock};
use crate::policy::Document;
use crate::resolve::value::SecretValue;
use crate::secret_ref::Label;
use crate::store::{self, atomic};

/// The choices of `init`.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// Where sealed records rest.
    pub store: StoreKind,
    /// Where the use key lies.
    pub unlock: Unlock,
    /// Whether there is an owner who may change the policy.
    pub owner: bool,
    /// Where the passphrase comes from.
    pub passphrase: PassphraseSource,
    /// The first project.
    pub project: Label,
    /// The directory linked to it.
    pub directory: Option<PathBuf>,
    /// The executable that SDKs may start.
    pub executable: Option<PathBuf>,
}

/// What `init` made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InitReport {
    /// The home's folder.
    pub home: PathBuf,
    /// Where sealed records rest.
    pub store: StoreKind,
    /// Where the use key lies.
    pub unlock: Unlock,
    /// Whether there is an owner.
    pub owner: bool,
    /// The project that was made.
    pub project: Label,
    /// The directory linked to it.
    pub directory: Option<PathBuf>,
}

/// What the child goes on to do with the open key: serve it, and say through `ready` when it listens.
pub type Serve = fn(home: Home, unlocked: Unlocked, ready: Box<dyn FnOnce() + Send>) -> Result<()>;

/// A child that holds the open use key and has not begun to serve.
pub struct Opened {
    child: Child,
}

impl Opened {
    /// Lets the child serve, and waits until it listens.
    ///
    /// # Errors
    /// `broker_unavailable` where it does not.
    pub fn serve(mut self) -> Result<()> {
        self.child.ask::<_, ()>(&true)?;
        self.child.release();
        Ok(())
    }

    /// The child's process id, which will be the broker's.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }
}

/// Makes a home, in a child that then holds its open use key. Call it while the process has one thread.
///
/// # Errors
/// `already_initialized`, `invalid_value` for a short passphrase, `owner_required` without a terminal,
/// `store_unavailable` where the place or the home cannot be written.
pub fn init(home: &Home, options: InitOptions, serve: Serve) -> Result<(InitReport, Opened)> {
    if home.config().is_ok() {
        return Err(Error::new(ErrorCode::AlreadyInitialized, format!("there is a home at {}", home.root().display())));
    }
    keys::check_at_hand(&options.unlock)?;
    let home = home.clone();
    let inherited = descriptors(options.passphrase, Some(&options.unlock));
    let mut child = fork(&inherited, move |parent| {
        let made = make(&home, &options);
        go_on(parent, options.passphrase, home, made, serve);
    })?;
    let report = child.answer()?;
    Ok((report, Opened { child }))
}

/// Opens the use key at its place, in a child. Call it while the process has one thread.
///
/// # Errors
/// `wrong_passphrase`, `owner_required` without a terminal, `store_unavailable`, `store_corrupted`.
pub fn unlock(home: &Home, passphrase: PassphraseSource, place: Option<Unlock>, serve: Serve) -> Result<Opened> {
    let home = home.clone();
    let config = home.config()?;
    keys::check_at_hand(place.as_ref().unwrap_or(&config.unlock))?;
    let inherited = descriptors(passphrase, Some(place.as_ref().unwrap_or(&config.unlock)));
    let mut child = fork(&inherited, move |parent| {
        let opened = open(&home, passphrase, place.as_ref()).map(|key| ((), key));
        go_on(parent, passphrase, home, opened, serve);
    })?;
    child.answer::<()>()?;
    Ok(Opened { child })
}

/// What a child reads from descriptors that its caller named.
pub(super) fn descriptors(passphrase: PassphraseSource, place: Option<&Unlock>) -> Vec<i32> {
    let mut numbers = passphrase.descriptors();
    if let Some(Unlock::Fd(number)) = place {
        numbers.push(*number);
    }
    numbers
}

/// A child that was started to serve.
pub struct Spawned {
    child: Child,
}

impl Spawned {
    /// Waits until the child says that it is ready.
    ///
    /// # Errors
    /// What the child says it failed of.
    pub fn wait(mut self) -> Result<()> {
        self.child.answer()
    }
}

/// Runs `work` in a child that lets go of everything of its parent's. Call it while the process has one thread.
///
/// # Errors
/// `internal` where there are several threads or no process is to be had.
pub fn spawn(work: impl FnOnce(Box<dyn FnOnce() + Send>) -> Result<()>) -> Result<Spawned> {
    let child = fork(&[], move |parent| serve_then(parent, &[], work))?;
    Ok(Spawned { child })
}

/// Says what was made, waits for the word to go on, and becomes the broker.
fn go_on<R: Serialize>(
    mut parent: Parent,
    source: PassphraseSource,
    home: Home,
    made: Result<(R, UseKey)>,
    serve: Serve,
) {
    let key = match made {
        Ok((report, key)) => {
            if parent.say(Ok(report)).is_err() {
                return;
            }
            key
        }
        Err(error) => {
            let _ = parent.say::<()>(Err(error));
            return;
        }
    };
    if !matches!(parent.next::<bool>(), Ok(Some(true))) {
        return;
    }
    serve_then(parent, &source.descriptors(), move |ready| serve(home, Unlocked(key), ready));
}

/// Detaches, serves, and says once whether it came to be ready.
fn serve_then(parent: Parent, inherited: &[i32], serve: impl FnOnce(Box<dyn FnOnce() + Send>) -> Result<()>) {
    parent.detach(inherited);
    let parent = std::sync::Arc::new(std::sync::Mutex::new(Some(parent)));
    let told = std::sync::Arc::clone(&parent);
    let say = move |said: Result<()>| {
        if let Some(mut parent) = told.lock().ok().and_then(|mut parent| parent.take()) {
            let _ = parent.say(said);
        }
    };
    let failed = say.clone();
    if let Err(error) = serve(Box::new(move || say(Ok(())))) {
        failed(Err(error));
    }
}

fn open(home: &Home, source: PassphraseSource, place: Option<&Unlock>) -> Result<UseKey> {
    let config = home.config()?;
    let under_passphrase = *place.unwrap_or(&config.unlock) == Unlock::Passphrase;
    let key =
        if under_passphrase { ask_passphrase(home, &config, source)? } else { keys::open_use_key(&config, place)? };
    store::marker::clear(&home.run())?;
    Ok(key)
}

fn ask_passphrase(home: &Home, config: &HomeConfig, source: PassphraseSource) -> Result<UseKey> {
    let mut attempts = source.attempts();
    loop {
        attempts -= 1;
        let passphrase = source.read("Passphrase: ")?;
        match keys::open_with_passphrase(home, config, &passphrase) {
            Err(error) if error.code() == ErrorCode::WrongPassphrase && attempts > 0 => {
                super::prompt::say("That does not open the store.\n")?;
            }
            opened => return opened,
        }
    }
}

/// Makes everything in an order that leaves no home before the last file: `home.json` is written last.
fn make(home: &Home, options: &InitOptions) -> Result<(InitReport, UseKey)> {
    atomic::make_directory(home.root())?;
    atomic::make_directory(&home.run())?;
    if home.config().is_ok() {
        return Err(Error::new(ErrorCode::AlreadyInitialized, "another init was faster"));
    }
    let owner = OwnerKey::make()?;
    let config = config_of(options, &owner)?;
    let store = store::open(config.store, home.root(), config.id)?;
    store.health()?;
    let passphrase = passphrase_for(options)?;
    let use_key = keys::make_use_key(home, &config, passphrase.as_ref())?;
    let first = FirstKey::make()?;
    if let (true, Some(passphrase)) = (options.owner, &passphrase) {
        keys::keep_owner(home, &config, &owner, passphrase)?;
        first_key::keep(home, &config, &owner, &first)?;
    }
    let document = document_of(&config, options)?;
    policy_file::save(home, &owner, &document)?;
    policy_file::write_pin(home, &config, &use_key, &document)?;
    store::Vault::create(home.root(), config.id, store, &use_key)?;
    AuditLog::create(&home.audit(), &first)?;
    let text = serde_json::to_vec_pretty(&config)
        .map_err(|_| Error::new(ErrorCode::Internal, "home.json cannot be written"))?;
    atomic::write(&home.file("home.json"), &text)?;
    let report = InitReport {
        home: home.root().to_owned(),
        store: options.store,
        unlock: options.unlock.clone(),
        owner: options.owner,
        project: options.project.clone(),
        directory: options.directory.clone(),
    };
    Ok((report, use_key))
}

fn passphrase_for(options: &InitOptions) -> Result<Option<SecretValue>> {
    match (options.owner, &options.unlock) {
        (true, Unlock::Passphrase) => {
            options.passphrase.read_new("New passphrase, for the owner and the store").map(Some)
        }
        (true, _) => options.passphrase.read_new("New owner's passphrase").map(Some),
        (false, Unlock::Passphrase) => options.passphrase.read_new("New passphrase for the store").map(Some),
        (false, _) => Ok(None),
    }
}

fn config_of(options: &InitOptions, owner: &OwnerKey) -> Result<HomeConfig> {
    Ok(HomeConfig {
        format: 1,
        id: Uuid::new_v4(),
        store: options.store,
        unlock: options.unlock.clone(),
        owner: options.owner,
        policy_key: URL_SAFE_NO_PAD.encode(owner.public().to_bytes()),
        executable: options.executable.as_deref().map(executable_of).transpose()?,
        created: Timestamp::now(),
    })
}

fn document_of(config: &HomeConfig, options: &InitOptions) -> Result<Document> {
    let mut document = Document::new(config.id, Label::parse("personal")?, options.project.clone(), Timestamp::now());
    if let Some(directory) = &options.directory {
        let _said = document.link(directory, document.default_project)?;
    }
    Ok(document)
}

/// The executable at `path`, with the hash by which it will be known again.
///
/// # Errors
/// `store_unavailable` where it cannot be read.
pub fn executable_of(path: &Path) -> Result<Executable> {
    use sha2::{Digest, Sha256};
    let cannot = |why: std::io::Error| {
        Error::new(ErrorCode::StoreUnavailable, format!("the executable {} cannot be read: {why}", path.display()))
    };
    let path = path.canonicalize().map_err(cannot)?;
    let sha256 = crate::hex::lower(&Sha256::digest(std::fs::read(&path).map_err(cannot)?));
    Ok(Executable { path, sha256 })
}
