//! The owner's child: it alone reads the passphrase, opens the owner key and signs.

use std::cell::OnceCell;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::account;
use super::acts::PolicyAct;
use super::process::{Child, Parent, fork};
use super::prompt::{PassphraseSource, asking_tree, say};
use super::token::{NewToken, TokenSink};
use super::{keys, policy_file};
use crate::audit::{Anchor, Verdict};
use crate::control::{Act, CopyAct, Decision, SignedAct, SignedDecision};
use crate::crypto::{InviteCode, OwnerKey, UseKey};
use crate::error::{Error, ErrorCode, Result};
use crate::home::{Home, HomeConfig, Unlock};
use crate::store::HomeLock;

/// The owner, in a child of this process. The passphrase is asked for when the first signature is.
pub struct Owner {
    child: Option<Child>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Request {
    Change(Option<Uuid>, Vec<PolicyAct>),
    Sign(Act),
    Copy(CopyAct),
    Verify(Vec<Anchor>),
    Issue(NewToken),
    Decide(Decision),
    Agree(String),
    Account(account::Question),
}

#[derive(Serialize, Deserialize)]
pub(super) enum Reply {
    Changed(Vec<String>),
    Signed(SignedAct),
    Verified(Box<Verdict>),
    Issued(String),
    Decided(SignedDecision),
    Agreed,
    Account(account::Answer),
}

/// The owner read a sentence and gave the passphrase. Nothing but [`Owner::agree`] makes one.
#[derive(Debug)]
pub struct Agreed(());

impl Owner {
    /// Forks the owner's child. Call it while the process has one thread.
    ///
    /// # Errors
    /// `not_initialized`, `owner_absent` in a home made with `--no-owner`.
    pub fn fork(home: &Home, source: PassphraseSource) -> Result<Self> {
        Self::fork_keeping(home, source, None)
    }

    /// The same, with a place open in the child that a new token is written to.
    ///
    /// # Errors
    /// Those of [`fork`](Self::fork).
    pub fn fork_keeping(home: &Home, source: PassphraseSource, sink: Option<&TokenSink>) -> Result<Self> {
        Self::fork_with(home, source, &sink.map(TokenSink::descriptors).unwrap_or_default())
    }

    /// The same, with descriptors that codes and passwords come from or go to.
    ///
    /// # Errors
    /// Those of [`fork`](Self::fork).
    pub fn fork_with(home: &Home, source: PassphraseSource, keep: &[i32]) -> Result<Self> {
        let config = home.config()?;
        if !config.owner {
            return Err(Error::new(
                ErrorCode::OwnerAbsent,
                "this home was made with --no-owner; its policy is read-only",
            ));
        }
        let home = home.clone();
        let child = fork(&[&source.descriptors(), keep].concat(), move |mut parent| {
            Session::new(home, config, source).serve(&mut parent)
        })?;
        Ok(Self { child: Some(child) })
    }

    /// Changes the policy and says what became possible.
    ///
    /// # Errors
    /// `owner_required` without a terminal, `wrong_passphrase`, `policy_invalid`, and those of the acts.
    pub fn change(&mut self, acts: Vec<PolicyAct>) -> Result<Vec<String>> {
        self.change_in(None, acts)
    }

    /// The same, where the acts name projects of a shared workspace: for this home alone, as nothing of it travels.
    ///
    /// # Errors
    /// Those of [`change`](Self::change), and `invalid_call` for what the workspace's admins decide.
    pub fn change_in(&mut self, workspace: Option<Uuid>, acts: Vec<PolicyAct>) -> Result<Vec<String>> {
        match self.ask(&Request::Change(workspace, acts))? {
            Reply::Changed(said) => Ok(said),
            _ => Err(confused()),
        }
    }

    /// Issues a token and writes it where it goes; gives back its id. This process never has its text.
    ///
    /// # Errors
    /// Those of [`change`](Self::change), and `invalid_call` where it cannot be written there.
    pub fn issue_token(&mut self, new: NewToken) -> Result<String> {
        match self.ask(&Request::Issue(new))? {
            Reply::Issued(id) => Ok(id),
            _ => Err(confused()),
        }
    }

    /// Signs what the owner decides of a call that waits.
    ///
    /// # Errors
    /// `owner_required` without a terminal, `wrong_passphrase`.
    pub fn decide(&mut self, decision: Decision) -> Result<SignedDecision> {
        match self.ask(&Request::Decide(decision))? {
            Reply::Decided(signed) => Ok(signed),
            _ => Err(confused()),
        }
    }

    /// Asks the owner to agree to what this process is about to do, and changes nothing in the home.
    ///
    /// # Errors
    /// `owner_required` without a terminal, `wrong_passphrase`.
    pub fn agree(&mut self, says: &str) -> Result<Agreed> {
        match self.ask(&Request::Agree(says.to_owned()))? {
            Reply::Agreed => Ok(Agreed(())),
            _ => Err(confused()),
        }
    }

    /// Signs an act on stored values.
    ///
    /// # Errors
    /// `owner_required` without a terminal, `wrong_passphrase`.
    pub fn sign(&mut self, act: Act) -> Result<SignedAct> {
        match self.ask(&Request::Sign(act))? {
            Reply::Signed(act) => Ok(act),
            _ => Err(confused()),
        }
    }

    /// Signs a copy between environments.
    ///
    /// # Errors
    /// `owner_required` without a terminal, `wrong_passphrase`.
    pub fn sign_copy(&mut self, act: CopyAct) -> Result<SignedAct> {
        match self.ask(&Request::Copy(act))? {
            Reply::Signed(act) => Ok(act),
            _ => Err(confused()),
        }
    }

    /// Verifies the audit log, every MAC included.
    ///
    /// # Errors
    /// `owner_required` without a terminal, `wrong_passphrase`, `audit_unavailable` where the log cannot be read.
    pub fn verify_logs(&mut self, anchors: Vec<Anchor>) -> Result<Verdict> {
        match self.ask(&Request::Verify(anchors))? {
            Reply::Verified(verdict) => Ok(*verdict),
            _ => Err(confused()),
        }
    }

    pub(super) fn ask(&mut self, request: &Request) -> Result<Reply> {
        self.child.as_mut().ok_or_else(confused)?.ask(request)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            child.finish();
        }
    }
}

/// The child's side.
pub(super) struct Session {
    pub(super) home: Home,
    pub(super) config: HomeConfig,
    source: PassphraseSource,
    owner: Option<OwnerKey>,
    use_key: OnceCell<UseKey>,
    /// What is between two messages of a registration or login.
    pub(super) pending: account::Pending,
    /// The code that was read, until its workspace is joined.
    pub(super) invitation: Option<InviteCode>,
}

impl Session {
    fn new(home: Home, config: HomeConfig, source: PassphraseSource) -> Self {
        let pending = account::Pending::default();
        Self { home, config, source, owner: None, use_key: OnceCell::new(), pending, invitation: None }
    }

    fn serve(mut self, parent: &mut Parent) {
        while let Ok(Some(request)) = parent.next::<Request>() {
            let reply = match request {
                Request::Change(workspace, acts) => self.change(workspace, &acts).map(Reply::Changed),
                Request::Sign(act) => self.sign(&act).map(Reply::Signed),
                Request::Copy(act) => self.copy(&act).map(Reply::Signed),
                Request::Issue(new) => self.issue(&new).map(Reply::Issued),
                Request::Decide(decision) => self.decide(&decision).map(Reply::Decided),
                Request::Agree(says) => self.open(&[says]).map(|()| Reply::Agreed),
                Request::Account(question) => self.account(question).map(Reply::Account),
                Request::Verify(anchors) => self.verify(&anchors).map(|verdict| Reply::Verified(Box::new(verdict))),
            };
            if parent.say(reply).is_err() {
                return;
            }
        }
    }

    fn change(&mut self, workspace: Option<Uuid>, acts: &[PolicyAct]) -> Result<Vec<String>> {
        if workspace.is_some() && self.config.unlock == Unlock::Passphrase {
            // What the names mean is sealed under the key that the passphrase opens.
            self.open(&acts.iter().map(PolicyAct::announced).collect::<Vec<_>>())?;
        }
        // Tried on a copy first, so that nobody types a passphrase for what cannot be done.
        let (_, planned, changed) = self.applied(workspace, acts)?;
        if !changed {
            return Ok(planned);
        }
        self.open(&planned)?;
        // Read again under the lock: another owner act may have been signed while the passphrase was typed.
        let _lock = HomeLock::acquire(self.home.root())?;
        let (mut document, said, _) = self.applied(workspace, acts)?;
        document.advance(Timestamp::now());
        policy_file::save(&self.home, self.opened()?, &document)?;
        Ok(said)
    }

    fn applied(
        &self,
        workspace: Option<Uuid>,
        acts: &[PolicyAct],
    ) -> Result<(crate::policy::Document, Vec<String>, bool)> {
        let mut document = policy_file::load(&self.home, &self.config)?;
        if workspace.is_some() {
            document = document.beside(super::load_shared(&self.home, &self.config, self.use_key()?)?);
            document.acting_in = workspace;
        }
        let (mut said, mut changed) = (Vec::new(), false);
        for act in acts {
            for change in act.apply(&mut document, Timestamp::now())? {
                changed |= change.changed;
                said.push(change.says);
            }
        }
        let document = document.own();
        document.check()?;
        Ok((document, said, changed))
    }

    fn issue(&mut self, new: &NewToken) -> Result<String> {
        let (token, id, act) = super::token::make(new, Timestamp::now())?;
        let place = new.sink.open()?;
        if let Err(error) = self.change(new.workspace, &[act]) {
            new.sink.give_up();
            return Err(error);
        }
        new.sink.deliver(place, &token)?;
        Ok(id)
    }

    fn decide(&mut self, decision: &Decision) -> Result<SignedDecision> {
        self.open(&super::approval::sentences(decision))?;
        super::approval::sign(self.opened()?, decision)
    }

    fn sign(&mut self, act: &Act) -> Result<SignedAct> {
        self.open(&[super::stored_act::sentence(act)])?;
        super::stored_act::sign(self.opened()?, act)
    }

    fn copy(&mut self, act: &CopyAct) -> Result<SignedAct> {
        self.open(&super::copy::sentences(act))?;
        super::copy::sign(self.opened()?, act)
    }

    fn verify(&mut self, anchors: &[Anchor]) -> Result<Verdict> {
        self.open(&["The audit log is verified with the key of its first record".to_owned()])?;
        let first = super::first_key::open(&self.home, &self.config, self.opened()?)?;
        crate::audit::verify(&self.home.audit(), Some(&first), anchors)
    }

    /// Says what becomes possible and who asks, then reads the passphrase, once in the life of the command.
    pub(super) fn open(&mut self, sentences: &[String]) -> Result<()> {
        if self.owner.is_some() {
            return Ok(());
        }
        if self.source == PassphraseSource::Terminal {
            let list: String = sentences.iter().map(|sentence| format!("  {sentence}\n")).collect();
            say(&format!("{list}  asked by: {}\n", asking_tree()))?;
        }
        let mut attempts = self.source.attempts();
        loop {
            attempts -= 1;
            let passphrase = self.source.read("Owner's passphrase: ")?;
            match keys::open_owner(&self.home, &self.config, &passphrase) {
                Err(error) if error.code() == ErrorCode::WrongPassphrase && attempts > 0 => {
                    say("That does not open the owner key.\n")?;
                }
                opened => {
                    self.owner = Some(opened?);
                    if self.config.unlock == Unlock::Passphrase {
                        let key = keys::open_with_passphrase(&self.home, &self.config, &passphrase)?;
                        let _ = self.use_key.set(key);
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Says something to the human at the terminal, where one is asked there.
    pub(super) fn tell(&self, text: &str) -> Result<()> {
        if self.source == PassphraseSource::Terminal { say(text) } else { Ok(()) }
    }

    pub(super) fn opened(&self) -> Result<&OwnerKey> {
        self.owner.as_ref().ok_or_else(confused)
    }

    /// The use key, from its place where that is not under the passphrase that was given.
    pub(super) fn use_key(&self) -> Result<&UseKey> {
        if let Some(key) = self.use_key.get() {
            return Ok(key);
        }
        let key = keys::open_use_key(&self.config, None)?;
        Ok(self.use_key.get_or_init(|| key))
    }
}

pub(super) fn confused() -> Error {
    Error::new(ErrorCode::Internal, "the owner's child gave another answer than was asked for")
}
