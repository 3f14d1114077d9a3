//! What a code opens: the workspace that it was made in, and no other.

use agentsecrets_wire::chain::{Invite, Seal};
use agentsecrets_wire::{Code, Open, Opened};

use super::chain::Chain;
use super::remote::Remote;
use http::Method;
use uuid::Uuid;

use crate::crypto::{EpochKey, InviteCode};
use crate::error::{Error, ErrorCode, Result};

/// Asks the server for the workspace that an invitation is of.
///
/// # Errors
/// `invite_invalid` where the server has none that counts, and those of the server.
pub(crate) async fn open_invitation(remote: &Remote, invite: Uuid, asked: &Open) -> Result<Opened> {
    match remote.ask(Method::POST, &format!("/v1/invites/{invite}/open"), Some(asked)).await {
        Err(refused) if refused.code() == Some(Code::NotFound) => {
            Err(gone("was used, withdrawn or has expired, as far as the server says"))
        }
        answered => Ok(answered?),
    }
}

/// Verifies the chain that the server shows for a code, and opens the epoch that is sealed to it.
///
/// # Errors
/// `invite_invalid` where the chain does not contain what the code was made in, or the invitation counts no more;
/// `chain_invalid`.
pub(crate) fn opened_invitation(code: &InviteCode, opened: &Opened) -> Result<(Chain, EpochKey)> {
    let chain = verified(code, opened)?;
    let invited = invitation(&chain, code)?;
    let epoch = chain.state().epoch();
    let seal = newest_seal(&chain, code, &invited.seals).ok_or_else(|| gone("was made before the keys were"))?;
    let key = code.keys()?.receiving().open_epoch(chain.state().workspace(), seal)?;
    if seal.epoch != epoch || Some(key.commitment(chain.state().workspace())) != chain.state().commitment(epoch) {
        return Err(gone("opens another key than the workspace has"));
    }
    Ok((chain, key))
}

/// The chain that a server shows for a code, verified, and found to be the one that the code was made in.
pub(super) fn verified(code: &InviteCode, opened: &Opened) -> Result<Chain> {
    let mut chain = Chain::empty(opened.workspace);
    chain.extend(opened.entries.clone())?;
    let known = (1..=chain.seq()).any(|seq| chain.hash_at(seq) == Some(code.head()));
    if !known {
        return Err(Error::new(
            ErrorCode::InviteInvalid,
            "the server shows another workspace than the one that the invitation was made in",
        )
        .with_hint("do not join; tell the one who invited you"));
    }
    Ok(chain)
}

/// The invitation as it stands in the chain, with the keys that the code leads to.
pub(super) fn invitation(chain: &Chain, code: &InviteCode) -> Result<Invite> {
    let invited = chain.state().invites().find(|(id, _)| **id == code.id()).map(|(_, invited)| &invited.invite);
    let invite = invited.ok_or_else(|| gone("was used or taken back"))?;
    let keys = code.keys()?;
    if invite.signing != keys.signing_public() || invite.receiving != keys.receiving_public() {
        return Err(gone("is not the one that the server shows"));
    }
    if invite.expires < jiff::Timestamp::now() {
        return Err(gone("has expired"));
    }
    Ok(invite.clone())
}

/// The epoch's seal to the invitation: of the newest rotation, else as it was made.
fn newest_seal<'s>(chain: &'s Chain, code: &InviteCode, made: &'s [Seal]) -> Option<&'s Seal> {
    let rotated = super::ring::seals_to(chain, code.id());
    rotated.chain(made).filter(|seal| seal.scope.is_none()).max_by_key(|seal| seal.epoch)
}

fn gone(why: &'static str) -> Error {
    Error::new(ErrorCode::InviteInvalid, format!("the invitation {why}"))
        .with_hint("ask for another: agentsecrets workspace invite")
}
