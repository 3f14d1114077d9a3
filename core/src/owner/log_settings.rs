//! How evidence is kept: read by anybody, changed by the owner.

use serde::{Deserialize, Serialize};

use super::policy_file;
use crate::error::Result;
use crate::home::Home;
use crate::policy::{Anchor, AuditSettings};

/// How evidence is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LogSettings {
    /// Whether a record is on the disk before the call is sent.
    pub durable: bool,
    /// Where the end of the chain is noted outside the home.
    pub anchor: AnchorPlace,
}

/// A place outside the home for the end of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnchorPlace {
    /// Nowhere.
    None,
    /// The journal of systemd.
    Journald,
    /// The system's log.
    Syslog,
}

/// What is to be changed; the rest stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogsChange {
    /// Whether a record is on the disk before the call is sent.
    pub durable: Option<bool>,
    /// Where the end of the chain is noted outside the home.
    pub anchor: Option<AnchorPlace>,
}

impl LogsChange {
    pub(super) fn applied(self, now: &AuditSettings) -> AuditSettings {
        let anchor = match self.anchor {
            None => now.anchor,
            Some(AnchorPlace::None) => None,
            Some(AnchorPlace::Journald) => Some(Anchor::Journald),
            Some(AnchorPlace::Syslog) => Some(Anchor::Syslog),
        };
        AuditSettings { durable: self.durable.unwrap_or(now.durable), anchor }
    }
}

/// How evidence is kept, by the signed policy. It needs no key, and works while the store is locked.
///
/// # Errors
/// `not_initialized`, `policy_invalid`.
pub fn log_settings(home: &Home) -> Result<LogSettings> {
    let settings = policy_file::load(home, &home.config()?)?.audit;
    let anchor = match settings.anchor {
        None => AnchorPlace::None,
        Some(Anchor::Journald) => AnchorPlace::Journald,
        Some(Anchor::Syslog) => AnchorPlace::Syslog,
    };
    Ok(LogSettings { durable: settings.durable, anchor })
}
