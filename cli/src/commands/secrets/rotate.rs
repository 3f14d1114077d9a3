//! `secrets rotate`: a new value is staged beside the old one, tried, and then put in its place.

use std::io::{IsTerminal, Read};
use std::process::{Command, Stdio};

use agentsecrets::{ActKind, CopiedSecret, CopyAct, Error, ErrorCode, Result, SecretInfo, SecretInput, SecretName};
use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use crate::args::{Passphrase, Place};
use crate::commands::session::Session;
use crate::commands::{OK, moment};
use crate::render::{Outcome, Output, Paint};

/// What the staged name ends with.
const STAGED: &str = "_NEXT";
/// What a generated value is made of: no character that a form, a URL or a shell would write in another way.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Stage a new value beside the old one, which is in use until the new one is promoted
#[derive(Args)]
#[command(after_help = "Examples:\n  agentsecrets secrets rotate WEBHOOK_KEY --generate\n  \
agentsecrets secrets rotate STRIPE_KEY -- ./roll-key.sh   # a command that asks the provider, and prints the new value\n  \
agentsecrets call --url https://api.stripe.com/v1/balance --bearer STRIPE_KEY_NEXT   # try it, where it is allowed\n  \
agentsecrets secrets rotate STRIPE_KEY --promote")]
pub(crate) struct Rotate {
    /// The secret
    name: String,
    /// Make the new value here, of so many letters and digits
    #[arg(long, value_name = "LENGTH", num_args = 0..=1, default_missing_value = "40",
        value_parser = clap::value_parser!(u16).range(16..=4096))]
    generate: Option<u16>,
    /// Put the staged value in the place of the old one, which is lost (asks for the owner's passphrase)
    #[arg(long, conflicts_with_all = ["generate", "discard", "command"])]
    promote: bool,
    /// Delete the staged value (asks for the owner's passphrase)
    #[arg(long, conflicts_with_all = ["generate", "command"])]
    discard: bool,
    /// A command that prints the new value; asked at the terminal or read from stdin where there is none
    #[arg(last = true, value_name = "CMD", conflicts_with = "generate")]
    command: Vec<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Rotate {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let name = SecretName::parse(&self.name)?;
        let staged = SecretName::parse(&format!("{name}{STAGED}"))?;
        let mut session = Session::with_owner(&self.place, self.passphrase.passphrase_fd)?;
        let listed = session.wait(session.client.secrets())?;
        let old = find(&listed, &name).ok_or_else(|| {
            Error::new(ErrorCode::SecretNotFound, format!("no value of {name} is stored here"))
                .with_hint(format!("agentsecrets secrets set {name}"))
        })?;
        let next = find(&listed, &staged);
        match (self.promote, self.discard) {
            (true, _) => promote(&mut session, old, next.ok_or_else(|| none_staged(&name))?, output),
            (_, true) => discard(&mut session, &name, next.ok_or_else(|| none_staged(&name))?, output),
            _ => self.stage(&session, &name, &staged, next, output),
        }
    }

    fn stage(
        &self,
        session: &Session,
        name: &SecretName,
        staged: &SecretName,
        before: Option<&SecretInfo>,
        output: &Output,
    ) -> Outcome {
        if let Some(before) = before {
            let message =
                format!("a new value of {name} is staged already, as {staged}, since {}", moment(before.updated));
            return Err(Error::new(ErrorCode::InvalidCall, message)
                .with_hint(format!("agentsecrets secrets rotate {name} --discard  # unless you know whose value it is"))
                .into());
        }
        let value = self.value(name)?;
        let info = session.wait(session.client.set(staged.clone(), value, false, None))?;
        output.show(&json!({ "name": name, "staged": staged, "record": info.record }), |output| {
            let head = output.painted(Paint::Good, "staged");
            output.raw_line(&format!("{head}: {staged}; {name} is as it was"))
        })?;
        if !output.is_json() {
            output.note(&format!("Try it: agentsecrets allow {staged} api.example.com, and a call by that name"));
            output.note(&format!("Then: agentsecrets secrets rotate {name} --promote"));
        }
        Ok(OK)
    }

    fn value(&self, name: &SecretName) -> Result<SecretInput> {
        if let Some(length) = self.generate {
            return generated(usize::from(length));
        }
        if !self.command.is_empty() {
            return printed_by(&self.command);
        }
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return SecretInput::from_terminal(&format!("New value of {name} (hidden): "));
        }
        SecretInput::from_pipe(stdin.lock())
    }
}

fn promote(session: &mut Session, old: &SecretInfo, next: &SecretInfo, output: &Output) -> Outcome {
    let (project, environment) = session.in_use()?;
    let home = session.home()?.config()?.id;
    let moved = CopiedSecret {
        name: next.name.clone(),
        record: next.record.clone(),
        replaces: Some(old.record.clone()),
        moves_to: Some(old.name.clone()),
    };
    let (from, to) = (environment.clone(), environment);
    let workspace = session.shared()?.map(|workspace| workspace.id);
    let act = session.owner()?.sign_copy(CopyAct { home, workspace, project, from, to, secrets: vec![moved] })?;
    session.wait(session.client.copy_secrets(act))?;
    // What the staged name was allowed for its trial ends with it: whoever sets that name next sends it nowhere.
    session.wait(session.client.deny(next.name.clone(), Vec::new()))?;
    output.show(&json!({ "name": old.name, "promoted": true }), |output| {
        let head = output.painted(Paint::Good, "promoted");
        output.raw_line(&format!("{head}: {} has the new value, and the old one is gone from here", old.name))
    })?;
    if !output.is_json() {
        if session.shared()?.is_some() {
            output.note("The members get it by: agentsecrets secrets push");
        }
        output.note("Revoke the old value at its provider.");
    }
    Ok(OK)
}

fn discard(session: &mut Session, name: &SecretName, next: &SecretInfo, output: &Output) -> Outcome {
    let act = session.sign(ActKind::Delete, &[(next.name.clone(), next.record.clone())])?;
    session.wait(session.client.delete_secret(next.name.clone(), act))?;
    output.show(&json!({ "name": name, "discarded": true }), |output| {
        output.line(&format!("{} is deleted; {name} is as it was", next.name))
    })?;
    Ok(OK)
}

fn find<'l>(listed: &'l [SecretInfo], name: &SecretName) -> Option<&'l SecretInfo> {
    listed.iter().find(|info| info.name == *name && info.source.is_none())
}

fn none_staged(name: &SecretName) -> Error {
    Error::new(ErrorCode::SecretNotFound, format!("no new value of {name} is staged"))
        .with_hint(format!("agentsecrets secrets rotate {name} --generate"))
}

/// A value of the system's random numbers. Of 256 that a byte has, 248 give each letter equally often.
fn generated(length: usize) -> Result<SecretInput> {
    let mut text = Zeroizing::new(Vec::with_capacity(length));
    let mut bytes = Zeroizing::new([0; 64]);
    while text.len() < length {
        getrandom::fill(&mut *bytes)
            .map_err(|_| Error::new(ErrorCode::Internal, "the system gives no random numbers"))?;
        let fair = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < 4 * ALPHABET.len());
        let missing = length - text.len();
        text.extend(fair.take(missing).map(|byte| ALPHABET[byte % ALPHABET.len()]));
    }
    SecretInput::from_reader(text.as_slice())
}

/// What a command prints. Its messages go where this one's go, and a failure stores nothing.
fn printed_by(command: &[String]) -> Result<SecretInput> {
    let [program, arguments @ ..] = command else {
        return Err(Error::new(ErrorCode::InvalidCall, "no command is named"));
    };
    let failed = |why: String| {
        Error::new(ErrorCode::SourceUnavailable, format!("{program} {why}; nothing was staged")).with_retryable(false)
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|why| failed(format!("does not start: {}", why.kind())))?;
    let mut printed = child.stdout.take().ok_or_else(|| failed("prints nothing".to_owned()))?;
    let value = SecretInput::from_pipe(printed.by_ref());
    // What it prints beyond a value's greatest length is read by nobody, and ends it.
    drop(printed);
    let status = child.wait().map_err(|why| failed(format!("is gone: {}", why.kind())))?;
    if !status.success() {
        return Err(failed(format!(
            "ended with {}",
            status.code().map_or("a signal".to_owned(), |code| code.to_string())
        )));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_stages_nothing_and_one_that_prints_does() {
        let words = |text: &str| vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()];
        assert!(printed_by(&words("printf long-enough-value")).is_ok());
        assert_eq!(
            printed_by(&words("echo half; exit 3")).err().map(|error| error.code()),
            Some(ErrorCode::SourceUnavailable)
        );
        assert_eq!(printed_by(&words("true")).err().map(|error| error.code()), Some(ErrorCode::InvalidValue));
        assert!(printed_by(&["/nowhere/at/all".to_owned()]).is_err());
    }

    #[test]
    fn a_generated_value_is_as_long_as_asked() {
        for length in [16, 40, 4096] {
            assert!(generated(length).is_ok());
        }
    }
}
