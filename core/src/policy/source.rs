//! A linked secret: its value is not stored here but asked of another manager, by a command that the owner pinned.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::change::{Change, shown};
use super::document::Document;
use super::door::Command;
use super::refusal::quoted;
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::{Label, SecretName};

/// How long a value is held where nobody says.
const LIFETIME: u32 = 15 * 60;
/// The longest it may be held.
const LONGEST: u32 = 86_400;
/// The longest id a manager is asked for, in bytes.
const MAX_ID: usize = 512;
/// The most variables a command is passed.
const MOST_VARIABLES: usize = 32;

/// One secret of one project and environment, and whom its value is asked of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    /// Another one with every link, so that nothing held for an earlier link counts.
    pub(crate) id: Uuid,
    /// The project the secret belongs to.
    pub(crate) project: Uuid,
    /// The environment.
    pub(crate) environment: Label,
    /// The secret.
    pub(crate) secret: SecretName,
    /// How it is asked for.
    pub(crate) terms: SourceTerms,
    /// When the owner made it.
    pub(crate) created: Timestamp,
}

/// How a value is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceTerms {
    /// What the manager calls it.
    pub(crate) id: String,
    /// Whether the command prints the value and nothing else, and is asked nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) plain: bool,
    /// The command, pinned.
    pub(crate) command: Command,
    /// The broker's variables it is passed, besides `HOME`, `PATH` and `LANG`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) variables: Vec<String>,
    /// The owner's home folder: whoever starts the broker does not choose another one.
    pub(crate) home: String,
    /// For how many seconds a value is held before it is asked for again.
    pub(crate) lifetime: u32,
}

impl SourceTerms {
    /// Refuses what could not be asked.
    ///
    /// # Errors
    /// `invalid_call`.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |why: &'static str| Err(Error::new(ErrorCode::InvalidCall, why));
        if self.id.is_empty() || self.id.len() > MAX_ID || self.id.chars().any(char::is_control) {
            return wrong("an id is one line of 1 to 512 bytes");
        }
        let is_name = |name: &String| {
            let mut bytes = name.bytes();
            bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if self.variables.len() > MOST_VARIABLES || !self.variables.iter().all(is_name) {
            return Err(Error::new(ErrorCode::InvalidCall, "--env takes the name of a variable, at most 32 times")
                .with_hint("name the variable alone, as in --env VAULT_TOKEN: its text stays where it is"));
        }
        if !self.home.starts_with('/') {
            return wrong("the home folder (HOME) has no absolute path");
        }
        if self.lifetime == 0 || self.lifetime > LONGEST {
            return Err(wrong_lifetime());
        }
        Ok(())
    }

    /// For how long a value is held.
    pub(crate) fn held_for(&self) -> Duration {
        Duration::from_secs(self.lifetime.into())
    }

    /// The program as a list names it: the last part of the first word.
    pub(crate) fn program(&self) -> &str {
        let word = self.command.argv.first().map_or("", String::as_str);
        word.rsplit('/').next().unwrap_or(word)
    }

    /// The command as it was typed, as it may stand in a shell or a prompt.
    pub(crate) fn in_words(&self) -> String {
        let word = |word: &String| quoted(word).unwrap_or_else(|| shown(word));
        self.command.argv.iter().map(word).collect::<Vec<_>>().join(" ")
    }
}

impl Source {
    fn is_of(&self, project: Uuid, environment: &Label, secret: &SecretName) -> bool {
        (self.project, &self.environment, &self.secret) == (project, environment, secret)
    }
}

impl Document {
    /// Whom a secret's value is asked of, where it is linked.
    pub(crate) fn source(&self, project: Uuid, environment: &Label, secret: &SecretName) -> Option<&Source> {
        self.sources.iter().find(|source| source.is_of(project, environment, secret))
    }

    /// Links a secret, in place of what it was linked to. `replaces` says that a stored value goes with it.
    ///
    /// # Errors
    /// `invalid_call` for terms that cannot be asked.
    pub(crate) fn add_source(&mut self, source: Source, replaces: bool) -> Result<Change> {
        source.terms.check()?;
        let place = self.project(source.project).map_or_else(String::new, |project| format!("{}/", project.name));
        let (terms, name) = (&source.terms, &source.secret);
        let mut says = format!(
            "Calls that use {name} in {place}{} run the command {} ({}) as this user, outside of the agent, and send \
             what it gives for {}; a value is held for {}",
            source.environment,
            terms.in_words(),
            shown(&terms.command.program.path),
            shown(&terms.id),
            in_words(terms.lifetime),
        );
        if !terms.variables.is_empty() {
            says.push_str(&format!("; the command is passed {}", terms.variables.join(", ")));
        }
        if replaces {
            says.push_str(&format!("; the stored value of {name} is deleted and lost"));
        }
        self.sources.retain(|other| !other.is_of(source.project, &source.environment, &source.secret));
        self.sources.push(source);
        Ok(Change::made(says))
    }

    /// Unlinks a secret.
    ///
    /// # Errors
    /// `secret_not_found` where it is not linked.
    pub(crate) fn remove_source(&mut self, project: Uuid, environment: &Label, secret: &SecretName) -> Result<Change> {
        let before = self.sources.len();
        self.sources.retain(|source| !source.is_of(project, environment, secret));
        if self.sources.len() == before {
            return Err(Error::new(ErrorCode::SecretNotFound, format!("{secret} is not linked in {environment}")));
        }
        Ok(Change::made(format!("{secret} in {environment} has no value any more; another may be set under its name")))
    }

    /// Every source belongs to a project, is the only one of its name, and can be asked.
    pub(super) fn sources_are_sound(&self) -> bool {
        self.sources.iter().enumerate().all(|(at, source)| {
            let twice = |other: &Source| other.is_of(source.project, &source.environment, &source.secret);
            source.terms.check().is_ok() && !self.sources[..at].iter().any(twice)
        })
    }
}

/// Parses `90s`, `15m`, `12h` or `1d`: the seconds a value is held; none said is 15 minutes.
///
/// # Errors
/// `invalid_call` for anything else, and for more than a day.
pub(crate) fn parse_lifetime(text: Option<&str>) -> Result<u32> {
    let Some(text) = text else { return Ok(LIFETIME) };
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        _ => return Err(wrong_lifetime()),
    };
    let number = &text[..text.len() - 1];
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = number.parse::<u32>().ok().filter(|_| digits).and_then(|number| number.checked_mul(unit));
    seconds.filter(|seconds| (1..=LONGEST).contains(seconds)).ok_or_else(wrong_lifetime)
}

fn wrong_lifetime() -> Error {
    Error::new(ErrorCode::InvalidCall, "a lifetime is a number and s, m, h or d, from one second to one day")
        .with_hint("write --lifetime 15m, 90s, 12h or 1d")
}

fn in_words(seconds: u32) -> String {
    match seconds {
        _ if seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_at_most_a_day() {
        let read = |text| parse_lifetime(Some(text)).ok();
        assert_eq!(parse_lifetime(None).expect("default"), 900);
        assert_eq!(
            [read("1s"), read("15m"), read("24h"), read("1d")],
            [Some(1), Some(900), Some(86_400), Some(86_400)]
        );
        for wrong in ["", "0s", "25h", "2d", "15", "m", "-1m", "+5m", "1.5h", "15 m", "99999999999h", "1w", "1é"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
