//! The owner's account at a server, and what its signing key signs: in the owner's child, like everything of the owner's.
//!
//! The child has the keys and no network; whoever forked it carries messages between it and the server, and learns from them what
//! the server learns.

mod act;
mod chain;
mod join;
mod login;

use agentsecrets_wire::chain::Entry;
use agentsecrets_wire::{
    LoggedIn, Login, LoginStarted, Open, Opened, Recovery, RecoveryOpen, Register, RegisterStarted, Signed,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use act::{ChainAct, MachinePlace, SharedAct};
pub(crate) use join::Invitation;
pub(super) use login::Pending;

use super::signer::{Owner, Reply, Request, Session, confused};
use super::token::TokenSink;
use crate::error::Result;

/// What is asked of the child about the account.
#[derive(Serialize, Deserialize)]
pub(super) enum Question {
    RegisterStart { email: String, password: Option<i32> },
    RegisterFinish(RegisterStarted),
    LoginStart { email: String, password: Option<i32> },
    LoginFinish(LoginStarted),
    RecoverStart { email: String, code: Option<i32>, password: Option<i32> },
    RecoverFinish { started: RegisterStarted, account: Box<agentsecrets_wire::Account> },
    Keep { server: String, email: String, given: Box<LoggedIn>, sink: TokenSink },
    Sign { workspace: Uuid, act: Box<ChainAct>, sink: TokenSink },
    ReadInvitation { fd: Option<i32> },
    Join { opened: Box<Opened> },
}

/// What the child answers.
#[derive(Serialize, Deserialize)]
pub(super) enum Answer {
    Message(agentsecrets_wire::Blob),
    Register(Box<Register>),
    Login(Box<Login>),
    Recover(Box<RecoveryOpen>, agentsecrets_wire::Blob),
    Recovered(Box<Recovery>),
    Kept(Uuid),
    Entries(Vec<Signed<Entry>>, Vec<String>),
    Invitation(Invitation),
}

macro_rules! asks {
    ($self:ident, $question:expr, $pattern:pat => $answer:expr) => {
        match $self.ask(&Request::Account($question))? {
            Reply::Account($pattern) => Ok($answer),
            _ => Err(confused()),
        }
    };
}

/// What the owner's child does for an account. Each needs the owner's passphrase.
impl Owner {
    /// Begins a registration: asks for a new password, of which only the first message of OPAQUE (RFC 9807) comes out.
    ///
    /// # Errors
    /// `owner_required` without a terminal, `wrong_passphrase`.
    pub(crate) fn register_start(&mut self, email: &str, password: Option<i32>) -> Result<agentsecrets_wire::Blob> {
        asks!(self, Question::RegisterStart { email: email.to_owned(), password }, Answer::Message(blob) => blob)
    }

    /// Makes the account's keys, sealed for the server.
    ///
    /// # Errors
    /// `sync_refused` where the server's answer is none.
    pub(crate) fn register_finish(&mut self, started: RegisterStarted) -> Result<Register> {
        asks!(self, Question::RegisterFinish(started), Answer::Register(register) => *register)
    }

    /// Begins a login with the password, asked for unless it was typed just now.
    ///
    /// # Errors
    /// Those of [`register_start`](Self::register_start).
    pub(crate) fn login_start(&mut self, email: &str, password: Option<i32>) -> Result<agentsecrets_wire::Blob> {
        asks!(self, Question::LoginStart { email: email.to_owned(), password }, Answer::Message(blob) => blob)
    }

    /// Proves the password, for a new device of this home.
    ///
    /// # Errors
    /// `wrong_credentials`.
    pub(crate) fn login_finish(&mut self, started: LoginStarted) -> Result<Login> {
        asks!(self, Question::LoginFinish(started), Answer::Login(login) => *login)
    }

    /// Begins another password: asks for the recovery code, and gives the proof that it is known, with OPAQUE's first message.
    ///
    /// # Errors
    /// `wrong_credentials` for what is no recovery code.
    pub(crate) fn recover_start(
        &mut self,
        email: &str,
        code: Option<i32>,
        password: Option<i32>,
    ) -> Result<(RecoveryOpen, agentsecrets_wire::Blob)> {
        let question = Question::RecoverStart { email: email.to_owned(), code, password };
        asks!(self, question, Answer::Recover(open, blob) => (*open, blob))
    }

    /// Seals the account's keys under the new password.
    ///
    /// # Errors
    /// `sync_refused` where the server gives keys that the code does not open.
    pub(crate) fn recover_finish(
        &mut self,
        started: RegisterStarted,
        account: agentsecrets_wire::Account,
    ) -> Result<Recovery> {
        let account = Box::new(account);
        asks!(self, Question::RecoverFinish { started, account }, Answer::Recovered(recovery) => *recovery)
    }

    /// Opens the account's keys and keeps them in the home; a new account's recovery code is shown once.
    ///
    /// # Errors
    /// `sync_refused` where the server gives another account's keys; those of the store.
    pub(crate) fn keep_account(&mut self, server: &str, email: &str, given: LoggedIn, sink: TokenSink) -> Result<Uuid> {
        let (server, email, given) = (server.to_owned(), email.to_owned(), Box::new(given));
        asks!(self, Question::Keep { server, email, given, sink }, Answer::Kept(account) => account)
    }

    /// Signs the next entries of a workspace's chain; says what becomes possible.
    ///
    /// # Errors
    /// `not_an_admin`, `not_a_member`, and those of the act.
    pub(crate) fn sign_chain(
        &mut self,
        workspace: Uuid,
        act: ChainAct,
        sink: TokenSink,
    ) -> Result<(Vec<Signed<Entry>>, Vec<String>)> {
        let act = Box::new(act);
        asks!(self, Question::Sign { workspace, act, sink }, Answer::Entries(entries, said) => (entries, said))
    }

    /// Reads an invitation's code, hidden, and gives what the server is asked with.
    ///
    /// # Errors
    /// `invite_invalid` for what is none.
    pub(crate) fn read_invitation(&mut self, fd: Option<i32>) -> Result<Invitation> {
        asks!(self, Question::ReadInvitation { fd }, Answer::Invitation(invitation) => invitation)
    }

    /// Joins the workspace that the invitation leads to, after its chain was verified against the code.
    ///
    /// # Errors
    /// `invite_invalid` where the server shows another workspace than the code names.
    pub(crate) fn join(&mut self, opened: Opened) -> Result<(Vec<Signed<Entry>>, Vec<String>)> {
        let opened = Box::new(opened);
        asks!(self, Question::Join { opened }, Answer::Entries(entries, said) => (entries, said))
    }
}

impl Session {
    pub(super) fn account(&mut self, question: Question) -> Result<Answer> {
        match question {
            Question::RegisterStart { email, password } => self.register_start(&email, password).map(Answer::Message),
            Question::RegisterFinish(started) => {
                self.register_finish(&started).map(|one| Answer::Register(Box::new(one)))
            }
            Question::LoginStart { email, password } => self.login_start(&email, password).map(Answer::Message),
            Question::LoginFinish(started) => self.login_finish(&started).map(|login| Answer::Login(Box::new(login))),
            Question::RecoverStart { email, code, password } => {
                self.recover_start(&email, code, password).map(|(open, blob)| Answer::Recover(Box::new(open), blob))
            }
            Question::RecoverFinish { started, account } => {
                self.recover_finish(&started, *account).map(|one| Answer::Recovered(Box::new(one)))
            }
            Question::Keep { server, email, given, sink } => self.keep(server, email, *given, &sink).map(Answer::Kept),
            Question::Sign { workspace, act, sink } => {
                self.sign_chain(workspace, &act, &sink).map(|(entries, said)| Answer::Entries(entries, said))
            }
            Question::ReadInvitation { fd } => self.read_invitation(fd).map(Answer::Invitation),
            Question::Join { opened } => self.join(&opened).map(|(entries, said)| Answer::Entries(entries, said)),
        }
    }
}

/// An expiry, as typed, or the default.
fn expiry(text: Option<&str>, default: &str, now: Timestamp) -> Result<Timestamp> {
    crate::policy::parse_expiry(text.unwrap_or(default), now)
}

/// Used by the network's side to prove that an invitation's code is known.
pub(crate) fn open_request(invitation: &Invitation) -> Open {
    Open { time: invitation.time, signature: invitation.signature }
}
