//! The deny overlay on disk, under a MAC of the use key: what an agent may do to the policy is subtract.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::crypto::{Purpose, UseKey};
use crate::error::{Error, ErrorCode, Result};
use crate::home::{Home, HomeConfig};
use crate::policy::DenyOverlay;
use crate::store::atomic;

const MAX_OVERLAY: u64 = 4 << 20;
const DOMAIN: &str = "agentsecrets/deny/1";

#[derive(Serialize, Deserialize)]
struct Kept {
    overlay: String,
    mac: String,
}

/// Reads the overlay. `remembered` is how many changes the audit log has counted: an overlay that knows of fewer was
/// rolled back or removed, and then nothing is permitted.
///
/// # Errors
/// `policy_invalid` where it is altered, missing or older than the audit remembers.
pub(crate) fn load(home: &Home, config: &HomeConfig, use_key: &UseKey, remembered: u64) -> Result<DenyOverlay> {
    let overlay = match atomic::read_private(&home.file("deny.json"), MAX_OVERLAY)? {
        None => DenyOverlay::default(),
        Some(bytes) => verified(&bytes, config, use_key)?,
    };
    if overlay.count < remembered {
        return Err(invalid("the deny overlay is missing or older than the audit log remembers"));
    }
    Ok(overlay)
}

/// The overlay of a backup.
///
/// # Errors
/// `policy_invalid` where it was altered.
pub(super) fn in_backup(bytes: Option<&[u8]>, config: &HomeConfig, use_key: &UseKey) -> Result<DenyOverlay> {
    bytes.map_or_else(|| Ok(DenyOverlay::default()), |bytes| verified(bytes, config, use_key))
}

fn verified(bytes: &[u8], config: &HomeConfig, use_key: &UseKey) -> Result<DenyOverlay> {
    let kept: Kept = serde_json::from_slice(bytes).map_err(|_| invalid("the deny overlay is not readable"))?;
    let mac = URL_SAFE_NO_PAD.decode(&kept.mac).map_err(|_| invalid("the deny overlay's MAC is not readable"))?;
    let key = use_key.derive(Purpose::DenyOverlay, config.id.as_bytes())?;
    if !key.verify_mac(DOMAIN, kept.overlay.as_bytes(), &mac) {
        return Err(invalid("the deny overlay was altered"));
    }
    DenyOverlay::parse(kept.overlay.as_bytes())
}

/// Puts the overlay in place of the old one.
pub(crate) fn save(home: &Home, config: &HomeConfig, use_key: &UseKey, overlay: &DenyOverlay) -> Result<()> {
    let text = String::from_utf8(overlay.to_bytes()).map_err(|_| invalid("the deny overlay is not text"))?;
    let key = use_key.derive(Purpose::DenyOverlay, config.id.as_bytes())?;
    let mac = URL_SAFE_NO_PAD.encode(key.mac(DOMAIN, text.as_bytes()));
    let bytes =
        serde_json::to_vec(&Kept { overlay: text, mac }).map_err(|_| invalid("the deny overlay cannot be written"))?;
    atomic::write(&home.file("deny.json"), &bytes)
}

fn invalid(why: &'static str) -> Error {
    Error::new(ErrorCode::PolicyInvalid, why)
}
