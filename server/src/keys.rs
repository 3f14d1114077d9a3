//! The server's own keys, in a file beside the database and never in it: without them the database tests no password.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{password, random};

/// What the file begins with: its form.
const FORM: &[u8] = b"agentsecrets-server-key/1\n";
const MAC: usize = 32;

/// The keys.
pub(crate) struct Keys {
    /// What the login protocol answers with.
    pub(crate) setup: password::Setup,
    mac: Zeroizing<[u8; MAC]>,
}

impl Keys {
    /// Reads the file; where there is none, and it may be made, makes it.
    pub(crate) fn open(path: &Path, may_make: bool) -> Result<Self, String> {
        let told = |why: std::io::Error| format!("the key file {}: {why}", path.display());
        if !path.exists() {
            if !may_make {
                return Err(format!(
                    "there is no key file {}; a database with accounts is of use only with the one it was made with. \
                     For a new one: agentsecrets-server make-key",
                    path.display()
                ));
            }
            Self::make(path).map_err(told)?;
        }
        let mut file = File::open(path).map_err(told)?;
        if file.metadata().map_err(told)?.permissions().mode() & 0o077 != 0 {
            return Err(format!("the key file {} is readable by others; chmod 600 it", path.display()));
        }
        let mut bytes = Zeroizing::new(Vec::new());
        file.read_to_end(&mut bytes).map_err(told)?;
        Self::parse(&bytes).ok_or_else(|| format!("the key file {} is damaged", path.display()))
    }

    /// Makes the file, where there is none.
    pub(crate) fn make_new(path: &Path) -> Result<(), String> {
        if path.exists() {
            return Err(format!("there is a key file {} already, and nothing was changed", path.display()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let made =
            folder.map_or(Ok(()), |folder| std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder));
        made.and_then(|()| Self::make(path)).map_err(|why| format!("the key file {}: {why}", path.display()))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (mac, setup) = bytes.strip_prefix(FORM)?.split_at_checked(MAC)?;
        Some(Self { setup: password::parse_setup(setup)?, mac: Zeroizing::new(mac.try_into().ok()?) })
    }

    /// Written whole under another name and then linked, so that two processes that start at once agree on one.
    fn make(path: &Path) -> std::io::Result<()> {
        let draft = path.with_extension(format!("draft-{}", random::id().simple()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        let mac = Zeroizing::new(random::bytes::<MAC>());
        let setup = password::make_setup();
        let parts: [&[u8]; 3] = [FORM, &mac[..], &setup];
        let written = parts.iter().try_for_each(|part| file.write_all(part)).and_then(|()| file.sync_all());
        let linked = written.and_then(|()| std::fs::hard_link(&draft, path));
        std::fs::remove_file(&draft)?;
        match linked {
            Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    }

    /// What stands in the database for an address, or for whatever else should not stand there.
    pub(crate) fn blind(&self, purpose: &str, text: &[u8]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.mac[..]).expect("a key of any length");
        mac.update(&(purpose.len() as u64).to_le_bytes());
        mac.update(purpose.as_bytes());
        mac.update(text);
        mac.finalize().into_bytes().to_vec()
    }
}

/// Keeps other processes of the same user out of this one's memory, and its memory out of core files.
pub(crate) fn stay_unread() {
    #[cfg(target_os = "linux")]
    // SAFETY: prctl with PR_SET_DUMPABLE takes numbers only.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
}
