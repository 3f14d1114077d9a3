//! An act on stored values: told to the human in whole, and signed in the owner's child.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::policy_file;
use crate::control::{Act, ActKind, SignedAct};
use crate::crypto::OwnerKey;
use crate::error::{Error, ErrorCode, Result};
use crate::home::HomeConfig;

const DOMAIN: &str = "agentsecrets/act/1";

/// What the human reads before the passphrase is asked for.
pub(super) fn sentence(act: &Act) -> String {
    let names: Vec<&str> = act.records.iter().map(|(name, _)| name.as_str()).collect();
    let verb = match act.kind {
        ActKind::Overwrite => "gets a new value; the old one is lost",
        ActKind::Delete => "is deleted; its value is lost",
        ActKind::Yield => "gets the value that the members have; the one changed here is lost",
        ActKind::Push if act.records.iter().all(|(_, record)| record.is_empty()) => "is deleted for every member",
        ActKind::Push if act.records.iter().any(|(_, record)| record.is_empty()) => {
            "replaces what the members have, or is deleted for every member where it has no value here"
        }
        ActKind::Push => "replaces, here as it is, what the members have",
    };
    format!("{} in {}/{} {verb}", names.join(", "), act.project, act.environment)
}

/// Signs an act.
pub(super) fn sign(owner: &OwnerKey, act: &Act) -> Result<SignedAct> {
    let act = serde_json::to_string(act).map_err(|_| super::signer::confused())?;
    let signature = URL_SAFE_NO_PAD.encode(owner.sign(DOMAIN, act.as_bytes()));
    Ok(SignedAct { act, signature })
}

/// Verifies an act and reads it.
///
/// # Errors
/// `owner_required` where it is not signed by this home's owner or is another home's.
pub(crate) fn verify_act(config: &HomeConfig, signed: &SignedAct) -> Result<Act> {
    let refused = || Error::new(ErrorCode::OwnerRequired, "the act is not signed by this home's owner");
    let signature = URL_SAFE_NO_PAD.decode(&signed.signature).map_err(|_| refused())?;
    if !config.owner || !policy_file::policy_key(config)?.verify(DOMAIN, signed.act.as_bytes(), &signature) {
        return Err(refused());
    }
    let act: Act = serde_json::from_str(&signed.act).map_err(|_| refused())?;
    if act.home == config.id { Ok(act) } else { Err(refused()) }
}
