//! The files that make one child trust one proxy: the roots it would trust anyway, and ours.

use std::fs::{OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use agentsecrets::{Error, ErrorCode, Result, platform_bundle};
use tempfile::TempDir;

use crate::proxy::with_roots;
use crate::surroundings::of_caller;

/// A folder that ends with the run. It holds certificates, never a key.
pub(super) struct Bundle {
    _folder: TempDir,
    file: PathBuf,
    java: PathBuf,
}

impl Bundle {
    /// Writes the bundle with one certificate more.
    pub(super) fn write(ours: &str) -> Result<Self> {
        let cannot = |why: std::io::Error| {
            Error::new(ErrorCode::StoreUnavailable, format!("the CA bundle cannot be written: {}", why.kind()))
                .with_hint("export TMPDIR=/a/folder/of/yours")
        };
        let mut builder = tempfile::Builder::new();
        let folder =
            builder.prefix("agentsecrets-run-").permissions(Permissions::from_mode(0o700)).tempdir().map_err(cannot)?;
        let (file, java) = (folder.path().join("ca.pem"), folder.path().join("ca.jks"));
        let text = with_roots(roots(), ours);
        new(&file, &text).map_err(cannot)?;
        new(&java, &super::java::trust_store(&text)).map_err(cannot)?;
        Ok(Self { _folder: folder, file, java })
    }

    /// The certificates in PEM.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The same as a trust store of Java's.
    pub(super) fn java(&self) -> &Path {
        &self.java
    }
}

fn new(path: &Path, text: &[u8]) -> std::io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text)
}

/// What the child would have trusted: its own variable's file, else the platform's.
fn roots() -> Vec<u8> {
    let own = of_caller().iter().find(|(name, _)| name == "SSL_CERT_FILE");
    own.and_then(|(_, file)| std::fs::read(file).ok()).unwrap_or_else(platform_bundle)
}
