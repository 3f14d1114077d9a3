//! What `proxy start --ca DIR` writes for programs that are to trust it: its certificate, alone and with the platform's
//! roots. Never a key.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use agentsecrets::{Error, ErrorCode, Result, platform_bundle};
use serde::{Deserialize, Serialize};

/// A folder that nobody else may write to.
pub(crate) struct Folder(PathBuf);

/// The files in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Published {
    /// The authority's certificate.
    pub(crate) ca: PathBuf,
    /// The same after the platform's roots, for programs that take one file.
    pub(crate) bundle: PathBuf,
}

impl Folder {
    /// The folder, made where it is not there. Whoever may put another certificate into it would choose whom the
    /// programs trust.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path).map_err(|why| cannot(path, &why))?;
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(why) if why.kind() != ErrorKind::AlreadyExists => return Err(cannot(&path, &why)),
            _ => {}
        }
        let found = path.symlink_metadata().map_err(|why| cannot(&path, &why))?;
        // SAFETY: geteuid has no preconditions.
        let own = found.is_dir() && found.uid() == unsafe { libc::geteuid() };
        if own && found.mode() & 0o022 == 0 {
            return Ok(Self(path));
        }
        let why = if own { "others may write to it" } else { "it is not a folder of yours" };
        Err(Error::new(ErrorCode::InvalidCall, format!("{} cannot hold the certificate: {why}", path.display()))
            .with_hint("name a folder of yours with mode 700, or one that is not there yet"))
    }

    /// Where the files will be.
    pub(crate) fn files(&self) -> Published {
        Published { ca: self.0.join("ca.pem"), bundle: self.0.join("bundle.pem") }
    }

    /// Writes both, each as a whole.
    pub(crate) fn publish(&self, certificate: &str) -> Result<Published> {
        let files = self.files();
        write(&files.ca, certificate.as_bytes())?;
        write(&files.bundle, &with_roots(platform_bundle(), certificate))?;
        Ok(files)
    }
}

impl Published {
    /// Takes them back: what nobody can answer for is not to be trusted.
    pub(crate) fn withdraw(&self) {
        for file in [&self.ca, &self.bundle] {
            let _ = fs::remove_file(file);
        }
    }
}

/// Roots in PEM and one certificate more.
pub(crate) fn with_roots(mut roots: Vec<u8>, certificate: &str) -> Vec<u8> {
    roots.push(b'\n');
    roots.extend_from_slice(certificate.as_bytes());
    roots
}

fn write(path: &Path, text: &[u8]) -> Result<()> {
    let new = path.with_extension("pem.new");
    let _ = fs::remove_file(&new);
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o644).open(&new);
    let written = opened.and_then(|mut file| {
        // Certificates are for everybody, whatever the mask says.
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(text)?;
        fs::rename(&new, path)
    });
    written.map_err(|why| cannot(path, &why))
}

fn cannot(path: &Path, why: &std::io::Error) -> Error {
    Error::new(ErrorCode::StoreUnavailable, format!("{} cannot be written: {}", path.display(), why.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_others_write_to_is_refused() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |name: &str| root.path().join(name);
        assert!(Folder::open(&at("new")).is_ok());
        assert_eq!(at("new").metadata().expect("made").mode() & 0o777, 0o700);
        for (name, mode) in [("group", 0o770), ("all", 0o777), ("sticky", 0o1777)] {
            fs::create_dir(at(name)).expect("a folder");
            fs::set_permissions(at(name), Permissions::from_mode(mode)).expect("a mode");
            assert!(Folder::open(&at(name)).is_err(), "{name}");
        }
        std::os::unix::fs::symlink(at("new"), at("link")).expect("a link");
        fs::write(at("file"), "x").expect("a file");
        for name in ["link", "file", "no/such/parent"] {
            assert!(Folder::open(&at(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn a_file_that_was_there_is_replaced_and_a_link_not_followed() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(&root.path().join("ca")).expect("a folder");
        let elsewhere = root.path().join("elsewhere");
        fs::write(&elsewhere, "kept").expect("a file");
        std::os::unix::fs::symlink(&elsewhere, folder.files().ca).expect("a link");
        let files = folder.publish("CERTIFICATE\n").expect("written");
        assert_eq!(fs::read_to_string(&elsewhere).expect("a file"), "kept");
        assert_eq!(fs::read_to_string(&files.ca).expect("a file"), "CERTIFICATE\n");
        assert!(fs::read_to_string(&files.bundle).expect("a file").ends_with("\nCERTIFICATE\n"));
        assert_eq!(files.bundle.metadata().expect("written").mode() & 0o777, 0o644);
        files.withdraw();
        assert!(!files.ca.exists() && !files.bundle.exists());
    }
}
