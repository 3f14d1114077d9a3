//! The policies of this home's shared workspaces, as they came out of their chains, sealed under the use key.
//!
//! One file for all of them, so that a call asks the disk for one stamp. Whoever writes it has verified the chains.

use std::collections::BTreeSet;

use crate::crypto::{Binding, Purpose, UseKey, envelope};
use crate::error::{Error, ErrorCode, Result};
use crate::home::{Home, HomeConfig};
use crate::policy::Joined;
use crate::store::atomic;

/// Where it lies in a home.
pub(crate) const SHARED_FILE: &str = "shared.sealed";
/// The largest file that is read: about ten thousand grants.
const MAX_SHARED: u64 = 16 << 20;

/// Whether this home shares a workspace. It needs no key.
pub fn shares_workspaces(home: &Home) -> bool {
    home.file(SHARED_FILE).exists()
}

/// Reads the policies; none where the home shares nothing.
///
/// # Errors
/// `policy_invalid` where the file does not open or read: what was shared is then used by nobody.
pub(crate) fn load_shared(home: &Home, config: &HomeConfig, use_key: &UseKey) -> Result<Vec<Joined>> {
    let Some(sealed) = atomic::read_private(&home.file(SHARED_FILE), MAX_SHARED)? else { return Ok(Vec::new()) };
    let key = use_key.derive(Purpose::Shared, config.id.as_bytes())?;
    let opened = envelope::open(&key, &binding(config), &sealed)
        .map_err(|_| invalid("the policies of the shared workspaces do not open"))?;
    let joined: Vec<Joined> = serde_json::from_slice(opened.as_slice())
        .map_err(|_| invalid("the policies of the shared workspaces were written by a later version"))?;
    let names: BTreeSet<_> = joined.iter().map(|one| one.id).collect();
    if names.len() < joined.len() {
        return Err(invalid("a shared workspace is there twice"));
    }
    Ok(joined)
}

/// Keeps the policies. The caller holds the home's lock.
pub(crate) fn save_shared(home: &Home, config: &HomeConfig, use_key: &UseKey, joined: &[Joined]) -> Result<()> {
    let key = use_key.derive(Purpose::Shared, config.id.as_bytes())?;
    let text = serde_json::to_vec(joined).map_err(|_| invalid("the policies cannot be written"))?;
    atomic::write(&home.file(SHARED_FILE), &envelope::seal(&key, &binding(config), &text)?)
}

fn binding(config: &HomeConfig) -> Binding {
    Binding::new("agentsecrets/shared/1").field(config.id.as_bytes())
}

fn invalid(why: &'static str) -> Error {
    Error::new(ErrorCode::PolicyInvalid, why).with_hint("agentsecrets login  # fetches and verifies them anew")
}
