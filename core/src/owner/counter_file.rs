//! How much of each limit is used, on disk under a MAC of the use key: a broker that starts anew goes on counting.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::crypto::use_key::SubKey;
use crate::crypto::{Purpose, UseKey};
use crate::error::{Error, ErrorCode, Result};
use crate::home::{Home, HomeConfig};
use crate::policy::Window;
use crate::store::atomic;

const MAX_COUNTERS: u64 = 4 << 20;
const DOMAIN: &str = "agentsecrets/limits/1";
const FILE: &str = "limits.json";

/// The counts, by a limit's id.
pub(crate) type Counts = BTreeMap<String, Window>;

/// The file and its key.
pub(crate) struct CounterFile {
    path: PathBuf,
    key: SubKey,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    counts: String,
    mac: String,
}

impl CounterFile {
    pub(crate) fn new(home: &Home, config: &HomeConfig, use_key: &UseKey) -> Result<Self> {
        let key = use_key.derive(Purpose::Limits, config.id.as_bytes())?;
        Ok(Self { path: home.file(FILE), key })
    }

    /// Reads the counts; `None` where none were kept yet.
    ///
    /// # Errors
    /// `store_corrupted` where the file was altered: then nothing that is limited is called.
    pub(crate) fn read(&self) -> Result<Option<Counts>> {
        let Some(bytes) = atomic::read_private(&self.path, MAX_COUNTERS)? else { return Ok(None) };
        let kept: Kept = serde_json::from_slice(&bytes).map_err(|_| altered())?;
        let mac = URL_SAFE_NO_PAD.decode(&kept.mac).map_err(|_| altered())?;
        if !self.key.verify_mac(DOMAIN, kept.counts.as_bytes(), &mac) {
            return Err(altered());
        }
        serde_json::from_str(&kept.counts).map(Some).map_err(|_| altered())
    }

    /// Puts the counts in place of the old ones.
    pub(crate) fn write(&self, counts: &Counts) -> Result<()> {
        let broken = |_| Error::new(ErrorCode::Internal, "the limits' counts cannot be written");
        let counts = serde_json::to_string(counts).map_err(broken)?;
        let mac = URL_SAFE_NO_PAD.encode(self.key.mac(DOMAIN, counts.as_bytes()));
        atomic::write(&self.path, &serde_json::to_vec(&Kept { counts, mac }).map_err(broken)?)
    }
}

fn altered() -> Error {
    Error::new(ErrorCode::StoreCorrupted, "the counts of the limits were altered")
        .with_hint("put limits.json back as it was; where the owner removes it, every count begins anew")
}
