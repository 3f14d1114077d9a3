//! A call that waits, decided: shown to the human in whole, and signed in the owner's child.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::policy_file;
use crate::control::{Decision, SignedAct, SignedDecision, WaitingCall};
use crate::crypto::OwnerKey;
use crate::error::{Error, ErrorCode, Result};
use crate::home::HomeConfig;
use crate::policy::DISCLOSES;

const DOMAIN: &str = "agentsecrets/approval/1";

/// What the human reads before the passphrase is asked for.
pub(super) fn sentences(decision: &Decision) -> Vec<String> {
    let WaitingCall { agent, pid, process, values, method, origin, path, discloses, .. } = &decision.call;
    let values = values.join(", ");
    let what = match (discloses, decision.approve) {
        (false, true) => format!("{values} goes to {origin}: {method} {path}, once"),
        (false, false) => format!("{values} does NOT go to {origin}: {method} {path}, once"),
        (true, true) => format!("{values} is given to {origin}, once: this {DISCLOSES}"),
        (true, false) => format!("{values} is NOT given to {origin}, this once"),
    };
    let agent = agent.as_ref().map_or_else(|| "nobody named".to_owned(), |agent| format!("the agent {agent}"));
    let pid = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
    vec![what, format!("called by {agent}, from {process}{pid}")]
        .into_iter()
        .map(|sentence| sentence.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect())
        .collect()
}

/// Signs a decision.
pub(super) fn sign(owner: &OwnerKey, decision: &Decision) -> Result<SignedDecision> {
    let act = serde_json::to_string(decision).map_err(|_| refused())?;
    let signature = URL_SAFE_NO_PAD.encode(owner.sign(DOMAIN, act.as_bytes()));
    Ok(SignedDecision(SignedAct { act, signature }))
}

/// Verifies a decision and reads it.
///
/// # Errors
/// `owner_required` where it is not signed by this home's owner or is another home's.
pub(crate) fn verify_decision(config: &HomeConfig, signed: &SignedDecision) -> Result<Decision> {
    let SignedAct { act, signature } = &signed.0;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| refused())?;
    if !config.owner || !policy_file::policy_key(config)?.verify(DOMAIN, act.as_bytes(), &signature) {
        return Err(refused());
    }
    let decision: Decision = serde_json::from_str(act).map_err(|_| refused())?;
    if decision.home == config.id { Ok(decision) } else { Err(refused()) }
}

fn refused() -> Error {
    Error::new(ErrorCode::OwnerRequired, "the decision is not signed by this home's owner")
}
