//! Registration and login: the password enters this process alone, and no server sees it (OPAQUE, RFC 9807).

use agentsecrets_wire::chain::Device;
use agentsecrets_wire::{
    Blob, LoggedIn, Login, LoginStarted, Recovery, RecoveryOpen, Register, RegisterStarted, Signature, open_proof,
};
use jiff::Timestamp;
use uuid::Uuid;

use super::super::prompt::{PassphraseSource, say};
use super::super::signer::{Session, confused};
use super::super::token::TokenSink;
use crate::crypto::{AccountKeys, DeviceKey, OpaqueLogin, OpaqueRegistration, RecoveryCode};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::SecretValue;
use crate::sync::{Account, Folder, KeptSession, parse_server};

/// What is between two messages of a registration or login.
#[derive(Default)]
pub(in crate::owner) struct Pending {
    email: String,
    password: Option<SecretValue>,
    registration: Option<OpaqueRegistration>,
    login: Option<OpaqueLogin>,
    export: Option<SecretValue>,
    device: Option<(Uuid, DeviceKey)>,
    /// A new account's recovery code, until it was shown.
    recovery: Option<RecoveryCode>,
    /// The recovery code that was typed.
    recovering: Option<RecoveryCode>,
}

impl Session {
    pub(super) fn register_start(&mut self, email: &str, password: Option<i32>) -> Result<Blob> {
        self.open(&[format!(
            "{email} gets an account at a server, which keeps its keys sealed under a password of its own"
        )])?;
        let source = PassphraseSource::from_fd(password);
        let password = source.read_new("A password for the account, not the owner's passphrase")?;
        let (registration, message) = OpaqueRegistration::start(&password)?;
        self.pending = Pending {
            email: email.to_owned(),
            password: Some(password),
            registration: Some(registration),
            ..Pending::default()
        };
        Ok(message)
    }

    pub(super) fn register_finish(&mut self, started: &RegisterStarted) -> Result<Register> {
        let registration = self.pending.registration.take().ok_or_else(confused)?;
        let password = self.pending.password.as_ref().ok_or_else(confused)?;
        let (record, export) = registration.finish(password, &self.pending.email, &started.response)?;
        let keys = AccountKeys::make()?;
        let (id, recovery) = (Uuid::now_v7(), RecoveryCode::make()?);
        let account = agentsecrets_wire::Account {
            account: id,
            signing: keys.signing_public(),
            receiving: keys.receiving_public(),
            sealed: keys.seal_under_export(&export, id)?,
            recovery: keys.seal_under_recovery(&recovery, id)?,
            recovery_key: recovery.public()?,
        };
        self.pending.recovery = Some(recovery);
        Ok(Register { email: self.pending.email.clone(), record, account })
    }

    pub(super) fn login_start(&mut self, email: &str, password: Option<i32>) -> Result<Blob> {
        self.open(&[format!("This home becomes a device of {email}: it opens what that account shares")])?;
        let password = match self.pending.password.take() {
            Some(password) => password,
            None => PassphraseSource::from_fd(password).read(&format!("Password of {email}: "))?,
        };
        let (login, message) = OpaqueLogin::start(&password)?;
        email.clone_into(&mut self.pending.email);
        self.pending.password = Some(password);
        self.pending.login = Some(login);
        Ok(message)
    }

    pub(super) fn login_finish(&mut self, started: &LoginStarted) -> Result<Login> {
        let login = self.pending.login.take().ok_or_else(confused)?;
        let password = self.pending.password.take().ok_or_else(confused)?;
        let (finalization, export) = login.finish(&password, &self.pending.email, &started.response)?;
        let (id, key) = (Uuid::now_v7(), DeviceKey::make()?);
        let device = Device { device: id, key: key.public() };
        self.pending.export = Some(export);
        self.pending.device = Some((id, key));
        Ok(Login { login: started.login, finalization, device })
    }

    pub(super) fn recover_start(
        &mut self,
        email: &str,
        code: Option<i32>,
        password: Option<i32>,
    ) -> Result<(RecoveryOpen, Blob)> {
        self.open(&[format!("{email} gets another password, by its recovery code; every session of it ends")])?;
        let text = PassphraseSource::from_fd(code).read(&format!("Recovery code of {email}: "))?;
        // EXPOSE: the code is read by what it is.
        let code = RecoveryCode::parse(text.expose())?;
        let message = self.register_start(email, password)?;
        let (time, signature) = proved(&code, "/v1/recovery/open")?;
        self.pending.recovering = Some(code);
        Ok((RecoveryOpen { email: email.to_owned(), time, signature }, message))
    }

    pub(super) fn recover_finish(
        &mut self,
        started: &RegisterStarted,
        account: agentsecrets_wire::Account,
    ) -> Result<Recovery> {
        let code = self.pending.recovering.take().ok_or_else(confused)?;
        let registration = self.pending.registration.take().ok_or_else(confused)?;
        let password = self.pending.password.as_ref().ok_or_else(confused)?;
        let keys = AccountKeys::open_under_recovery(&code, account.account, account.recovery.as_bytes())?;
        let (record, export) = registration.finish(password, &self.pending.email, &started.response)?;
        let account = agentsecrets_wire::Account {
            signing: keys.signing_public(),
            receiving: keys.receiving_public(),
            sealed: keys.seal_under_export(&export, account.account)?,
            recovery_key: code.public()?,
            ..account
        };
        let (time, signature) = proved(&code, "/v1/recovery")?;
        Ok(Recovery { email: self.pending.email.clone(), record, account, time, signature })
    }

    pub(super) fn keep(&mut self, server: String, email: String, given: LoggedIn, sink: &TokenSink) -> Result<Uuid> {
        parse_server(&server)?;
        let export = self.pending.export.take().ok_or_else(confused)?;
        let (device, device_key) = self.pending.device.take().ok_or_else(confused)?;
        let other = || Error::new(ErrorCode::SyncRefused, "the server gives the keys of another account");
        let keys = AccountKeys::open_under_export(&export, given.account.account, given.account.sealed.as_bytes())?;
        if keys.signing_public() != given.account.signing || keys.receiving_public() != given.account.receiving {
            return Err(other());
        }
        let account = Account {
            server,
            account: given.account.account,
            email: Some(email),
            signing: given.account.signing,
            receiving: given.account.receiving,
            device,
            device_key: device_key.public(),
        };
        self.keep_keys(&account, &keys, &device_key)?;
        let session = KeptSession { token: given.session.token, expires: given.session.expires };
        Folder::of(&self.home, &self.config).save_session(self.use_key()?, &session)?;
        if let Some(code) = self.pending.recovery.take() {
            show(&code, sink)?;
        }
        Ok(account.account)
    }

    /// The signing key under the owner's key, the others under the use key, then who this home is: where the last is missing, the
    /// login did not happen.
    fn keep_keys(&self, account: &Account, keys: &AccountKeys, device: &DeviceKey) -> Result<()> {
        let folder = Folder::of(&self.home, &self.config);
        let before = folder.account_if_any()?;
        if before.is_some_and(|before| before.account != account.account) {
            return Err(Error::new(ErrorCode::InvalidCall, "this home is logged in to another account")
                .with_hint("agentsecrets logout"));
        }
        let sealing = self.opened()?.derive("account-key")?;
        folder.write("signing.sealed", &keys.seal_signing(&sealing, account.account)?)?;
        folder.save_keys(self.use_key()?, keys.receiving(), device)?;
        folder.save_account(account)
    }
}

/// The proof that a recovery code is known, for one path, now.
fn proved(code: &RecoveryCode, path: &str) -> Result<(i64, Signature)> {
    let time = Timestamp::now().as_second();
    Ok((time, code.sign(&open_proof(path, time))?))
}

/// Shows the code that opens the account where the password is forgotten.
fn show(code: &RecoveryCode, sink: &TokenSink) -> Result<()> {
    if *sink == TokenSink::Terminal {
        say("\nWithout the password or this recovery code nobody opens the account's keys, we included.\n\
Write it down; it is shown this once:\n\n")?;
    }
    let place = sink.open()?;
    sink.deliver_text(place, code.text().as_slice())
}
