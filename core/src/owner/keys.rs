//! Where the owner key and the use key lie, and how each is opened.

use std::io::Read;
use std::os::fd::FromRawFd;
use std::path::Path;

use crate::crypto::{OwnerKey, UseKey};
use crate::error::{Error, ErrorCode, Result, Stage};
use crate::home::{Home, HomeConfig, Unlock};
use crate::resolve::value::SecretValue;
use crate::store::{atomic, keychain};

const MAX_SEALED: u64 = 4096;
const OWNER_FILE: &str = "owner.sealed";
const USE_KEY_FILE: &str = "use-key.sealed";
/// Where systemd puts the credentials of services.
const CREDENTIALS: &str = "/run/credentials";

/// The use key, opened. Opaque outside the core: it is handed to an engine and to nothing else.
pub struct Unlocked(pub(crate) UseKey);

/// Opens the owner key with the owner's passphrase.
///
/// # Errors
/// `owner_absent` in a home without one, `wrong_passphrase`.
pub(crate) fn open_owner(home: &Home, config: &HomeConfig, passphrase: &SecretValue) -> Result<OwnerKey> {
    if !config.owner {
        return Err(Error::new(ErrorCode::OwnerAbsent, "this home was made with --no-owner; its policy is read-only"));
    }
    let sealed = atomic::read_private(&home.file(OWNER_FILE), MAX_SEALED)?
        .ok_or_else(|| Error::new(ErrorCode::StoreCorrupted, "the owner key's file is missing"))?;
    OwnerKey::open(passphrase, config.id.as_bytes(), &sealed)
}

/// Keeps the owner key under the owner's passphrase.
pub(crate) fn keep_owner(home: &Home, config: &HomeConfig, owner: &OwnerKey, passphrase: &SecretValue) -> Result<()> {
    atomic::write(&home.file(OWNER_FILE), &owner.seal(passphrase, config.id.as_bytes())?)
}

/// Opens the use key at the home's place, or at `place` where the caller names another of the same kind.
///
/// # Errors
/// `store_locked` for a passphrase place, `store_unavailable`, `store_corrupted` for a key that is none.
pub(crate) fn open_use_key(config: &HomeConfig, place: Option<&Unlock>) -> Result<UseKey> {
    match place.unwrap_or(&config.unlock) {
        Unlock::Keychain => keychain::use_key(config.id)?
            .ok_or_else(|| Error::new(ErrorCode::StoreCorrupted, "the keychain does not hold this home's use key")),
        Unlock::File(path) => read_key_file(path)?.ok_or_else(|| {
            Error::new(ErrorCode::StoreUnavailable, format!("there is no key file at {}", path.display()))
        }),
        Unlock::Fd(number) => read_key_fd(*number),
        Unlock::Passphrase => Err(locked()),
    }
}

/// Opens the use key with the owner's passphrase, where it lies under it.
pub(crate) fn open_with_passphrase(home: &Home, config: &HomeConfig, passphrase: &SecretValue) -> Result<UseKey> {
    let sealed = atomic::read_private(&home.file(USE_KEY_FILE), MAX_SEALED)?
        .ok_or_else(|| Error::new(ErrorCode::StoreCorrupted, "the use key's file is missing"))?;
    UseKey::open(passphrase, config.id.as_bytes(), &sealed)
}

/// Makes the use key and puts it in its place. A key file that is there already is used as it is.
pub(crate) fn make_use_key(home: &Home, config: &HomeConfig, passphrase: Option<&SecretValue>) -> Result<UseKey> {
    match &config.unlock {
        Unlock::Keychain => {
            let key = UseKey::make()?;
            keychain::put_use_key(config.id, &key)?;
            Ok(key)
        }
        Unlock::Passphrase => {
            let passphrase = passphrase
                .ok_or_else(|| Error::new(ErrorCode::InvalidCall, "a use key under a passphrase needs a passphrase"))?;
            let key = UseKey::make()?;
            atomic::write(&home.file(USE_KEY_FILE), &key.seal(passphrase, config.id.as_bytes())?)?;
            Ok(key)
        }
        Unlock::File(path) => match read_key_file(path)? {
            Some(key) => Ok(key),
            None => {
                let key = UseKey::make()?;
                let mut text = key.to_text();
                text.push(b'\n');
                write_key_file(path, text.as_slice())?;
                Ok(key)
            }
        },
        Unlock::Fd(number) => read_key_fd(*number),
    }
}

/// Puts a use key that there is already into its place. A key file or descriptor must hold the same.
///
/// # Errors
/// `invalid_call` where the place holds another key; `store_unavailable`.
pub(super) fn keep_use_key(home: &Home, config: &HomeConfig, key: &UseKey, passphrase: &SecretValue) -> Result<()> {
    let check = |there: UseKey| {
        if there.bytes() == key.bytes() {
            return Ok(());
        }
        Err(Error::new(ErrorCode::InvalidCall, "the use key's place holds another key")
            .with_hint("choose another place: --unlock keychain|passphrase|file:PATH"))
    };
    match &config.unlock {
        Unlock::Keychain => match keychain::use_key(config.id)? {
            Some(there) => check(there),
            None => keychain::put_use_key(config.id, key),
        },
        Unlock::Passphrase => atomic::write(&home.file(USE_KEY_FILE), &key.seal(passphrase, config.id.as_bytes())?),
        Unlock::Fd(number) => check(read_key_fd(*number)?),
        Unlock::File(path) => match read_key_file(path)? {
            Some(there) => check(there),
            None => {
                let mut text = key.to_text();
                text.push(b'\n');
                write_key_file(path, text.as_slice())
            }
        },
    }
}

/// A key file is the machine's own (a mounted secret, a systemd credential), so its folder may be anybody's; the file
/// itself must not be readable by others.
fn read_key_file(path: &Path) -> Result<Option<UseKey>> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let mut options = std::fs::OpenOptions::new();
    let file = match options.read(true).custom_flags(libc::O_CLOEXEC).open(path) {
        Ok(file) => file,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(why) => {
            return Err(unavailable(format!("the key file {} cannot be opened: {}", path.display(), why.kind())));
        }
    };
    let found = file.metadata().map_err(|_| unavailable("the key file cannot be read".into()))?;
    // SAFETY: geteuid has no preconditions.
    let own = unsafe { libc::geteuid() };
    // A credential of systemd is root's, in a folder that the service alone enters; that the service may read it stands in
    // an access list, whose mask shows as the group's bits.
    let credential = found.uid() == 0 && path.starts_with(CREDENTIALS);
    let others = if credential { 0o037 } else { 0o077 };
    if found.mode() & others != 0 || (found.uid() != own && found.uid() != 0) {
        return Err(unavailable(format!("the key file {} can be read by others", path.display()))
            .with_hint(format!("chmod 600 {}", path.display())));
    }
    read_key(file).map(Some)
}

fn write_key_file(path: &Path, text: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let cannot =
        |why: std::io::Error| unavailable(format!("the key file {} cannot be made: {}", path.display(), why.kind()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    let mut file = options.open(path).map_err(cannot)?;
    file.write_all(text).and_then(|()| file.sync_all()).map_err(cannot)
}

/// Refuses a place whose descriptor did not come. Asked before a process opens anything that could get its number.
///
/// # Errors
/// `store_unavailable`.
pub(crate) fn check_at_hand(place: &Unlock) -> Result<()> {
    match place {
        // SAFETY: fcntl only asks.
        Unlock::Fd(number) if unsafe { libc::fcntl(*number, libc::F_GETFD) } < 0 => {
            Err(unavailable(format!("descriptor {number} is not open"))
                .with_hint(format!("agentsecrets unlock --unlock fd:{number} {number}< KEY_FILE")))
        }
        _ => Ok(()),
    }
}

fn read_key_fd(number: i32) -> Result<UseKey> {
    check_at_hand(&Unlock::Fd(number))?;
    // SAFETY: the caller named this descriptor to be read once and closed.
    read_key(unsafe { std::fs::File::from_raw_fd(number) })
}

fn read_key(mut source: impl Read) -> Result<UseKey> {
    // 32 bytes are 43 characters of base64url; padding and a line end may follow.
    let mut text = zeroize::Zeroizing::new([0_u8; 64]);
    let mut length = 0;
    while length < text.len() {
        match source.read(&mut text[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
            Err(why) => return Err(unavailable(format!("the use key cannot be read: {}", why.kind()))),
        }
    }
    UseKey::parse_text(text[..length].trim_ascii_end())
}

pub(crate) fn locked() -> Error {
    Error::new(ErrorCode::StoreLocked, "the store is locked until a human unlocks it").at(Stage::Resolve)
}

fn unavailable(why: String) -> Error {
    Error::new(ErrorCode::StoreUnavailable, why)
}
