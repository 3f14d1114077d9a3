//! What went through: the way, the origin, the status. Never a path, a query, a header or a token.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use agentsecrets::{Error, ErrorCode, Home, Result};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::session::folder;

/// How long the file may become, in bytes, before it is put aside; one is kept.
const MAX_LENGTH: u64 = 4 << 20;

/// One request.
#[derive(Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) time: jiff::Timestamp,
    /// `explicit`, `reverse`, `forward`, or `none` where it did not come so far.
    pub(crate) way: String,
    pub(crate) method: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) origin: Option<String>,
    pub(crate) status: u16,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) error: Option<String>,
    /// Until the answer began.
    pub(crate) duration_ms: u64,
}

impl Entry {
    /// A request that has just come.
    pub(super) fn of(method: &Method) -> Self {
        Self {
            time: jiff::Timestamp::now(),
            way: "none".to_owned(),
            method: method.as_str().chars().take(16).collect(),
            origin: None,
            status: 0,
            error: None,
            duration_ms: 0,
        }
    }

    /// The same, answered.
    pub(super) fn ended(self, status: StatusCode, started: Instant) -> Self {
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Self { status: status.as_u16(), duration_ms, ..self }
    }
}

/// The file, as the running proxy writes it.
pub(super) struct Log {
    path: PathBuf,
    file: Mutex<File>,
}

impl Log {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("proxy.log");
        let file = opened(&path).map_err(|why| {
            Error::new(ErrorCode::StoreUnavailable, format!("{} cannot be written: {}", path.display(), why.kind()))
        })?;
        Ok(Self { path, file: Mutex::new(file) })
    }

    /// Writes a line. One that cannot be written is no reason to refuse a call: the evidence is the audit log.
    pub(super) fn add(&self, entry: &Entry) {
        let Ok(mut line) = serde_json::to_vec(entry) else { return };
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.metadata().is_ok_and(|known| known.len() > MAX_LENGTH) {
            let _ = std::fs::rename(&self.path, self.path.with_extension("log.1"));
            if let Ok(fresh) = opened(&self.path) {
                *file = fresh;
            }
        }
        let _ = file.write_all(&line);
    }
}

/// The last `count` entries, oldest first.
pub(crate) fn read(home: &Home, count: usize) -> Result<Vec<Entry>> {
    let text = std::fs::read_to_string(folder(home)?.join("proxy.log")).unwrap_or_default();
    let mut last: Vec<Entry> =
        text.lines().rev().filter_map(|line| serde_json::from_str(line).ok()).take(count).collect();
    last.reverse();
    Ok(last)
}

fn opened(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path)
}
