//! A copy between environments: told to the human in whole, and signed in the owner's child.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::policy_file;
use crate::control::{CopiedSecret, CopyAct, SignedAct};
use crate::crypto::OwnerKey;
use crate::error::{Error, ErrorCode, Result};
use crate::home::HomeConfig;

const DOMAIN: &str = "agentsecrets/copy/1";

/// What the human reads before the passphrase is asked for.
pub(super) fn sentences(act: &CopyAct) -> Vec<String> {
    let names = |those: &dyn Fn(&&CopiedSecret) -> bool| {
        let names: Vec<&str> = act.secrets.iter().filter(those).map(|secret| secret.name.as_str()).collect();
        names.join(", ")
    };
    if let Some((secret, to)) = act.secrets.iter().find_map(|one| Some((one, one.moves_to.as_ref()?))) {
        return vec![format!(
            "In {}/{} {to} gets the value of {}; the one that it has is lost",
            act.project, act.from, secret.name
        )];
    }
    let (all, lost) = (names(&|_| true), names(&|secret| secret.replaces.is_some()));
    let mut sentences = vec![format!("In {}/{} the values of {} are used for {all}", act.project, act.to, act.from)];
    if !lost.is_empty() {
        sentences.push(format!("the values there are lost: {lost}"));
    }
    sentences
}

/// Signs a copy.
pub(super) fn sign(owner: &OwnerKey, act: &CopyAct) -> Result<SignedAct> {
    let act = serde_json::to_string(act).map_err(|_| refused())?;
    let signature = URL_SAFE_NO_PAD.encode(owner.sign(DOMAIN, act.as_bytes()));
    Ok(SignedAct { act, signature })
}

/// Verifies a copy and reads it.
///
/// # Errors
/// `owner_required` where it is not signed by this home's owner or is another home's.
pub(crate) fn verify_copy(config: &HomeConfig, signed: &SignedAct) -> Result<CopyAct> {
    let signature = URL_SAFE_NO_PAD.decode(&signed.signature).map_err(|_| refused())?;
    if !config.owner || !policy_file::policy_key(config)?.verify(DOMAIN, signed.act.as_bytes(), &signature) {
        return Err(refused());
    }
    let act: CopyAct = serde_json::from_str(&signed.act).map_err(|_| refused())?;
    if act.home == config.id { Ok(act) } else { Err(refused()) }
}

fn refused() -> Error {
    Error::new(ErrorCode::OwnerRequired, "the copy is not signed by this home's owner")
}
