//! Joining a workspace by a code: the chain is verified against it before anything is signed.

use agentsecrets_wire::chain::{Act, Device, Entry, Member, join_proof};
use agentsecrets_wire::{Opened, Signature, Signed, open_proof};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::prompt::PassphraseSource;
use super::super::signer::{Session, confused};
use crate::crypto::{AccountSigning, InviteCode, ReceivingKey, seal_label};
use crate::error::{Error, ErrorCode, Result};
use crate::sync::{Account, Folder, opened_invitation};

/// What the server is asked with for the workspace behind a code. The code's secret is not in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Invitation {
    /// Its id.
    pub invite: Uuid,
    /// The server that the code names.
    pub server: String,
    /// When the signature was made, in seconds.
    pub time: i64,
    /// By the key that the code leads to.
    pub signature: Signature,
}

impl Invitation {
    /// The invitation of a code.
    pub(crate) fn of(code: &InviteCode) -> Result<Self> {
        let time = Timestamp::now().as_second();
        let message = open_proof(&format!("/v1/invites/{}/open", code.id()), time);
        Ok(Self { invite: code.id(), server: code.server().to_owned(), time, signature: code.keys()?.sign(&message) })
    }
}

impl Session {
    pub(super) fn read_invitation(&mut self, fd: Option<i32>) -> Result<Invitation> {
        self.open(&["This home joins the workspace of an invitation, and opens what is shared there".to_owned()])?;
        let text = PassphraseSource::from_fd(fd).read("The invitation's code: ")?;
        // EXPOSE: the code is read by what it is.
        let code = InviteCode::parse(text.expose())?;
        if code.is_machine() {
            return Err(Error::new(ErrorCode::InviteInvalid, "this is the enrolment of a machine")
                .with_hint("agentsecrets workspace join --enrolment-fd N  # on a home made with --no-owner"));
        }
        let account = Folder::of(&self.home, &self.config).account()?;
        if account.server != code.server() {
            let message = format!("the invitation is to a workspace at {}", code.server());
            return Err(Error::new(ErrorCode::InviteInvalid, message)
                .with_hint(format!("agentsecrets login --server {}", code.server())));
        }
        let invitation = Invitation::of(&code)?;
        self.invitation = Some(code);
        Ok(invitation)
    }

    pub(super) fn join(&mut self, opened: &Opened) -> Result<(Vec<Signed<Entry>>, Vec<String>)> {
        let code = self.invitation.take().ok_or_else(confused)?;
        let (account, signing, _) = self.account_keys()?;
        let (chain, key) = opened_invitation(&code, opened)?;
        let workspace = chain.state().workspace();
        let label = account.email.clone().unwrap_or_default();
        let member = Member {
            account: account.account,
            signing: account.signing,
            receiving: account.receiving,
            label: seal_label(&key, workspace, account.account, &label)?.into(),
        };
        let device = Device { device: account.device, key: account.device_key };
        let proof = code.keys()?.sign(&join_proof(&workspace, &code.id(), &member, &device));
        let seals = vec![key.seal_to(workspace, account.account, &account.receiving)?];
        let act = Act::Join { invite: code.id(), proof, member, device, seals };
        let entry = chain.next(account.account, Timestamp::now(), act);
        let signed = Signed::make(&entry, |bytes| signing.sign(bytes));
        Ok((vec![signed], vec!["This home is a member of the workspace".to_owned()]))
    }

    /// Who this home is, with the keys that sign and open; the passphrase was given.
    pub(super) fn account_keys(&self) -> Result<(Account, AccountSigning, ReceivingKey)> {
        let folder = Folder::of(&self.home, &self.config);
        let account = folder.account()?;
        let lost = || {
            Error::new(ErrorCode::NotLoggedIn, "this home has lost the account's keys").with_hint("agentsecrets login")
        };
        let sealed = folder.read("signing.sealed")?.ok_or_else(lost)?;
        let signing = AccountSigning::open(&self.opened()?.derive("account-key")?, account.account, &sealed)?;
        let (receiving, _) = folder.keys(self.use_key()?)?;
        Ok((account, signing, receiving))
    }
}
