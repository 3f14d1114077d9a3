//! Joins a workspace as a machine: by an enrolment, on a home without owner, and without a human.

use std::collections::BTreeMap;
use std::sync::Arc;

use agentsecrets_wire::chain::{Act, Device, Entry, Invite, Member, Seal, join_proof};
use agentsecrets_wire::{Appended, Enrol, Hash, Signed, open_proof};
use http::Method;
use jiff::Timestamp;
use uuid::Uuid;

use super::chain::Chain;
use super::folder::{Account, Folder};
use super::invited::{invitation, open_invitation, verified};
use super::remote::Remote;
use super::ring::seals_to;
use crate::crypto::{DeviceKey, InviteCode, ReceivingKey, ScopeKey, UseKey, seal_machine_label};
use crate::error::{Error, ErrorCode, Result};
use crate::home::{Home, HomeConfig};
use crate::owner::{Invitation, open_request};
use crate::resolve::value::SecretValue;
use crate::send::Sender;

/// A machine on its way into a workspace.
struct Joining {
    code: InviteCode,
    account: Uuid,
    device: DeviceKey,
    receiving: ReceivingKey,
}

/// Joins, and keeps in the home who it is; gives the workspace.
///
/// # Errors
/// `invite_invalid`, also where the server shows another workspace than the code names; `sync_refused`.
pub(crate) async fn enrol(
    (home, config): (&Home, &HomeConfig),
    use_key: &UseKey,
    sender: &Arc<Sender>,
    code: &SecretValue,
    label: &str,
) -> Result<Uuid> {
    // EXPOSE: the code is read by what it is.
    let code = InviteCode::parse(code.expose())?;
    if !code.is_machine() {
        return Err(Error::new(
            ErrorCode::InviteInvalid,
            "this is the invitation of a person, not a machine's enrolment",
        )
        .with_hint("agentsecrets workspace join"));
    }
    let remote = Remote::new(Arc::clone(sender), code.server())?;
    let asked = open_request(&Invitation::of(&code)?);
    let opened = open_invitation(&remote, code.id(), &asked).await?;
    let chain = verified(&code, &opened)?;
    let joining =
        Joining { account: Uuid::now_v7(), device: DeviceKey::make()?, receiving: ReceivingKey::make()?, code };
    let (entry, device) = joining.entry(&chain, label)?;
    // Kept first: an answer that is lost must not leave a member that nobody is.
    let folder = Folder::of(home, config);
    folder.save_keys(use_key, &joining.receiving, &joining.device)?;
    let target = format!("/v1/invites/{}/join", joining.code.id());
    let time = Timestamp::now().as_second();
    let signature = joining.code.keys()?.sign(&open_proof(&target, time));
    let _: Appended = remote.ask(Method::POST, &target, Some(&Enrol { time, signature, entry })).await?;
    folder.save_account(&Account {
        server: joining.code.server().to_owned(),
        account: joining.account,
        email: None,
        signing: joining.device.public(),
        receiving: joining.receiving.public(),
        device: device.device,
        device_key: device.key,
    })?;
    Ok(opened.workspace)
}

impl Joining {
    fn entry(&self, chain: &Chain, label: &str) -> Result<(Signed<Entry>, Device)> {
        let workspace = chain.state().workspace();
        let invite = invitation(chain, &self.code)?;
        let keys = self.scope_keys(chain, &invite)?;
        let first = keys.values().next_back().ok_or_else(|| {
            Error::new(ErrorCode::InviteInvalid, "the enrolment opens nothing").with_hint("ask for another")
        })?;
        let member = Member {
            account: self.account,
            signing: self.device.public(),
            receiving: self.receiving.public(),
            label: seal_machine_label(first, workspace, self.account, label)?.into(),
        };
        let device = Device { device: Uuid::now_v7(), key: self.device.public() };
        let proof = self.code.keys()?.sign(&join_proof(&workspace, &self.code.id(), &member, &device));
        let seals = keys.values().map(|key| key.seal_to(workspace, self.account, &self.receiving.public()));
        let seals = seals.collect::<Result<Vec<Seal>>>()?;
        let act = Act::Join { invite: self.code.id(), proof, member, device: device.clone(), seals };
        let entry = chain.next(self.account, Timestamp::now(), act);
        Ok((Signed::make(&entry, |bytes| self.device.sign(bytes)), device))
    }

    /// The keys of every scope and epoch that the enrolment was given, when it was made and at each rotation since.
    fn scope_keys(&self, chain: &Chain, invite: &Invite) -> Result<BTreeMap<(u64, Hash), ScopeKey>> {
        let keys = self.code.keys()?;
        let mut opened = BTreeMap::new();
        for seal in invite.seals.iter().chain(seals_to(chain, self.code.id())) {
            if let Some(scope) = seal.scope {
                opened.insert((seal.epoch, scope), keys.receiving().open_scope(chain.state().workspace(), seal)?);
            }
        }
        Ok(opened)
    }
}
