//! What members call one another, sealed: the server learns no address by the chain.
//!
//! The number of an epoch (u64, little endian), for a machine the scope, and the sealed text.

use agentsecrets_wire::Hash;
use uuid::Uuid;

use super::binding::Binding;
use super::envelope;
use super::epoch::{EpochKey, ScopeKey};
use crate::error::Result;
use crate::log_safe::shown;

const MEMBER: u8 = 0;
const MACHINE: u8 = 1;
/// The longest label, in bytes: an address of RFC 5321 and something over.
const LONGEST: usize = 320;

/// Seals what a member is called.
pub(crate) fn seal_label(key: &EpochKey, workspace: Uuid, account: Uuid, label: &str) -> Result<Vec<u8>> {
    let mut sealed = vec![MEMBER];
    sealed.extend_from_slice(&key.number().to_le_bytes());
    let sealing = key.purpose("label", workspace)?;
    sealed.extend(envelope::seal(&sealing, &binding(workspace, account), cut(label).as_bytes())?);
    Ok(sealed)
}

/// Seals what a machine is called.
pub(crate) fn seal_machine_label(key: &ScopeKey, workspace: Uuid, account: Uuid, label: &str) -> Result<Vec<u8>> {
    let mut sealed = vec![MACHINE];
    sealed.extend_from_slice(&key.epoch().to_le_bytes());
    sealed.extend_from_slice(key.scope().as_bytes());
    let sealing = key.purpose("label", workspace)?;
    sealed.extend(envelope::seal(&sealing, &binding(workspace, account), cut(label).as_bytes())?);
    Ok(sealed)
}

/// Opens a label with whichever key it names; `None` where that is not there or it does not open. What is shown to a human has no
/// control character, and none that turns text around.
pub(crate) fn open_label<'k>(
    workspace: Uuid,
    account: Uuid,
    sealed: &[u8],
    epoch_key: impl FnOnce(u64) -> Option<&'k EpochKey>,
    scope_key: impl FnOnce(u64, Hash) -> Option<ScopeKey>,
) -> Option<String> {
    let (kind, rest) = sealed.split_first()?;
    let (epoch, rest) = rest.split_first_chunk::<8>()?;
    let epoch = u64::from_le_bytes(*epoch);
    let (key, sealed) = match *kind {
        MEMBER => (epoch_key(epoch)?.purpose("label", workspace).ok()?, rest),
        MACHINE => {
            let (scope, rest) = rest.split_first_chunk::<32>()?;
            (scope_key(epoch, Hash::from(*scope))?.purpose("label", workspace).ok()?, rest)
        }
        _ => return None,
    };
    let opened = envelope::open(&key, &binding(workspace, account), sealed).ok()?;
    let text = std::str::from_utf8(opened.as_slice()).ok()?;
    Some(shown(text, LONGEST))
}

fn binding(workspace: Uuid, account: Uuid) -> Binding {
    Binding::new("agentsecrets/label/1").field(workspace.as_bytes()).field(account.as_bytes())
}

fn cut(label: &str) -> &str {
    let end = (0..=LONGEST.min(label.len())).rev().find(|at| label.is_char_boundary(*at)).unwrap_or_default();
    &label[..end]
}
