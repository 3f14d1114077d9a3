//! `secrets set`: takes a value in, from a hidden prompt, a pipe or a file.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use agentsecrets::{ActKind, Error, ErrorCode, Label, Result, SecretInput, SecretName, owner};
use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use crate::args::{Passphrase, Place};
use crate::commands::session::Session;
use crate::commands::{OK, allow};
use crate::render::{Outcome, Output, Paint};

/// Store a value: asked hidden at a terminal, else read from stdin
#[derive(Args)]
#[command(after_help = "Examples:\n  agentsecrets secrets set STRIPE_KEY --allow api.stripe.com\n  \
pbpaste | agentsecrets secrets set SENDGRID_KEY\n  agentsecrets secrets set TLS_KEY --from-file key.pem")]
pub(crate) struct Set {
    /// The name: [A-Z][A-Z0-9_]*
    name: String,
    /// Read the value from a file (of a text one line feed at the end is dropped)
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// Let it go there, as `agentsecrets allow` does; may be repeated (asks for the owner's passphrase)
    #[arg(long = "allow", value_name = "RULE")]
    rules: Vec<String>,
    /// The place in the request for --allow: bearer, basic, header:N, query:p, body:p or form:p; may be repeated
    #[arg(long = "slot", value_name = "SLOT", requires = "rules")]
    slots: Vec<String>,
    /// Take a value under 8 bytes, which is redacted only in the exact form it was sent
    #[arg(long)]
    weak: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Set {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let name = name_of(&self.name)?;
        let mut session = Session::with_owner(&self.place, self.passphrase.passphrase_fd)?;
        let (project, environment) = session.in_use()?;
        let allow = self.allow_of(&name, project)?;
        let existing = session.existing(std::slice::from_ref(&name))?;
        let value = self.value(&name)?;
        let act = session.sign(ActKind::Overwrite, &existing)?;
        let info = session.wait(session.client.set(name.clone(), value, self.weak, act))?;
        let said = match allow {
            Some(allow) => allow::grant(&mut session, allow).inspect_err(|_| {
                output.note(&format!("{name} is stored, and may not go anywhere yet."));
            })?,
            None => Vec::new(),
        };
        let answer = json!({
            "name": info.name, "version": info.version, "record": info.record, "created": info.created,
            "updated": info.updated, "environment": environment, "overwritten": !existing.is_empty(), "allowed": said,
        });
        output.show(&answer, |output| {
            let head = output.painted(Paint::Good, if existing.is_empty() { "stored" } else { "replaced" });
            output.raw_line(&format!("{head}: {name} in {environment}"))?;
            allow::tell(output, &said)
        })?;
        if said.is_empty() && info.destinations.is_empty() && !output.is_json() {
            output.note(&format!("It may not go anywhere yet: agentsecrets allow {name} api.example.com"));
        }
        Ok(OK)
    }

    /// The grant asked for, read before a value is: a mistyped rule costs no second paste.
    fn allow_of(&self, name: &SecretName, project: Label) -> Result<Option<owner::Allow>> {
        if self.rules.is_empty() {
            return Ok(None);
        }
        let allow = owner::Allow {
            project,
            name: name.clone(),
            rules: self.rules.clone(),
            paths: Vec::new(),
            slots: self.slots.clone(),
            methods: Vec::new(),
            environment: self.place.environment.as_deref().map(Label::parse).transpose()?,
            expires: None,
            private: false,
            permit_headers: Vec::new(),
            agent: None,
            approve: false,
        };
        allow.check()?;
        Ok(Some(allow))
    }

    fn value(&self, name: &SecretName) -> Result<SecretInput> {
        if let Some(file) = &self.from_file {
            return from_file(file);
        }
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return SecretInput::from_terminal(&format!("Value of {name} (hidden): "));
        }
        SecretInput::from_pipe(stdin.lock()).map_err(|error| match error.message() {
            "the value is empty" => {
                error.with_hint(format!("agentsecrets secrets set {name} < FILE  # or at a terminal"))
            }
            _ => error,
        })
    }
}

/// The name, or what to do where a value was typed with it.
fn name_of(typed: &str) -> Result<SecretName> {
    let Some((before, _value)) = typed.split_once('=') else { return SecretName::parse(typed) };
    let name = SecretName::parse(before).map_or_else(|_| "NAME".to_owned(), |name| name.to_string());
    let message = "a value on the command line stays in the shell's history and is seen by other processes; \
                   rotate the one you typed";
    Err(Error::new(ErrorCode::InvalidCall, message)
        .with_hint(format!("agentsecrets secrets set {name}  # and paste the new value at the prompt")))
}

/// A text loses one line feed at its end, as from a pipe; other bytes are kept as they are.
fn from_file(file: &Path) -> Result<SecretInput> {
    const ENOUGH: u64 = (64 << 10) + 16;
    let cannot = |why: std::io::Error| {
        // The path is not repeated: a value may have been typed in its place.
        Error::new(ErrorCode::InvalidValue, format!("the file of --from-file cannot be read: {}", why.kind()))
    };
    let opened = std::fs::File::open(file).map_err(cannot)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(ENOUGH).unwrap_or_default() + 1));
    std::io::Read::read_to_end(&mut std::io::Read::take(opened, ENOUGH), &mut bytes).map_err(cannot)?;
    if std::str::from_utf8(&bytes).is_ok() {
        SecretInput::from_pipe(bytes.as_slice())
    } else {
        SecretInput::from_reader(bytes.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_value_is_refused_and_not_repeated() {
        let error = name_of("STRIPE_KEY=zq9-typed-zq9").expect_err("refused");
        assert_eq!(error.code().exit_code(), 2);
        assert!(!format!("{error:?}").contains("zq9"));
        assert!(error.message().contains("rotate"));
        assert!(error.hint().is_some_and(|hint| hint.contains("secrets set STRIPE_KEY") && hint.contains("prompt")));
        let pasted = name_of("zq9-typed-zq9=").expect_err("refused");
        assert!(!format!("{pasted:?}").contains("zq9"));
    }
}
