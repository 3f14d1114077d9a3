//! A door: a value that a named command or provider is given, by the owner. Whoever may read that process has it then.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::change::{Change, shown};
use super::deny::DenyOverlay;
use super::document::Document;
use super::refusal::quoted;
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::{Label, SecretName};

/// What every list and prompt says of a door.
pub(crate) const DISCLOSES: &str = "DISCLOSES the value to every process of this user";

/// One secret of one project, and who is given its value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Door {
    /// What the owner names to take it back.
    pub(crate) id: Uuid,
    /// The project the secret belongs to.
    pub(crate) project: Uuid,
    /// The secret.
    pub(crate) secret: SecretName,
    /// Who is given the value.
    pub(crate) opening: Opening,
    /// The only environment, or `None` for every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<Label>,
    /// The moment it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
    /// Whether a human approves each use.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) approve: bool,
    /// When the owner made it.
    pub(crate) created: Timestamp,
    /// The serial of the document it was signed in.
    #[serde(default)]
    pub(crate) serial: u64,
}

/// Who is given a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Opening {
    /// A command, to the last argument.
    Command(Command),
    /// An exec provider, by its name.
    Provider(Label),
}

/// A command as it was when the owner saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    /// The words as typed.
    pub(crate) argv: Vec<String>,
    /// What is executed.
    pub(crate) program: Pin,
    /// The words before the typed ones, where the command is itself a script: its interpreter and that one's options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) leading: Vec<String>,
    /// The files among the words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<FilePin>,
    /// Where programs are looked for: the owner's `PATH`, as an agent's would choose what a script runs.
    pub(crate) search: String,
}

/// A file by its place and its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pin {
    /// Absolute, without links.
    pub(crate) path: String,
    /// SHA-256, in hex.
    pub(crate) sha256: String,
}

/// A file that a word names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilePin {
    /// Which word, counted with the leading ones.
    pub(crate) at: usize,
    /// What stands before the file's name in the word, as in `--config=`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) before: String,
    /// The file.
    pub(crate) pin: Pin,
}

/// Who asks to have a value, and where.
pub(crate) struct DoorAsked<'a> {
    pub(crate) project: Uuid,
    pub(crate) environment: &'a Label,
    /// The names wanted; none means every one that is granted.
    pub(crate) secrets: &'a [SecretName],
    pub(crate) now: Timestamp,
}

/// Names whose values may leave, and by which door: made by the checks below and by nothing else.
pub(crate) struct Passage {
    project: Uuid,
    environment: Label,
    secrets: Vec<SecretName>,
    commands: Vec<Command>,
    approval: bool,
}

impl Passage {
    pub(crate) fn project(&self) -> Uuid {
        self.project
    }

    pub(crate) fn environment(&self) -> &Label {
        &self.environment
    }

    pub(crate) fn secrets(&self) -> &[SecretName] {
        &self.secrets
    }

    /// The command as each grant has it, in the order of the secrets; none for a provider.
    pub(crate) fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Whether a secret leaves only by doors at which a human approves each use.
    pub(crate) fn wants_approval(&self) -> bool {
        self.approval
    }

    /// The same without a name that is refused for another reason.
    pub(crate) fn keep(&mut self, kept: impl Fn(&SecretName) -> bool) {
        self.secrets.retain(kept);
    }
}

impl Door {
    /// Whether the door has been closed by its end.
    pub(crate) fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }

    /// `active`, `expired` or `denied`.
    pub(crate) fn state(&self, overlay: &DenyOverlay, now: Timestamp) -> &'static str {
        match (overlay.closes(self), self.expired(now)) {
            (true, _) => "denied",
            (false, true) => "expired",
            (false, false) => "active",
        }
    }

    /// What the owner reads before signing.
    pub(crate) fn sentence(&self) -> String {
        let mut text = format!("{} is given to {}", self.secret, self.opening.in_words());
        if let Some(environment) = &self.environment {
            text.push_str(&format!(", in {environment} only"));
        }
        if let Some(end) = self.expires {
            text.push_str(&format!(", until {end:.0}"));
        }
        if self.approve {
            text.push_str(", each time approved by a human");
        }
        format!("{text}: this {DISCLOSES}")
    }

    fn is_open(&self, asked: &DoorAsked<'_>, overlay: &DenyOverlay) -> bool {
        let here = self.environment.as_ref().is_none_or(|environment| environment == asked.environment);
        self.project == asked.project && here && self.state(overlay, asked.now) == "active"
    }
}

impl Opening {
    /// The command as it was typed, or the provider's name.
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Command(command) => {
                let words: Vec<String> =
                    command.argv.iter().map(|word| quoted(word).unwrap_or_else(|| shown(word))).collect();
                format!("the command {}", words.join(" "))
            }
            Self::Provider(name) => format!("the provider {name}"),
        }
    }

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Command(one), Self::Command(other)) => one.argv == other.argv,
            _ => self == other,
        }
    }
}

impl Document {
    /// Adds a door. One of the same command or provider is replaced, with its hashes and its end.
    ///
    /// # Errors
    /// `project_not_found` where its project is none of this document.
    pub(crate) fn add_door(&mut self, door: Door) -> Result<Change> {
        if self.project(door.project).is_none() {
            return Err(Error::new(ErrorCode::ProjectNotFound, "the policy has no such project"));
        }
        let door = Door { serial: self.serial + 1, ..door };
        let says = door.sentence();
        self.doors.retain(|other| {
            (other.project, &other.secret, &other.environment) != (door.project, &door.secret, &door.environment)
                || !other.opening.same(&door.opening)
        });
        self.doors.push(door);
        Ok(Change::made(says))
    }

    /// The names that this very command may be given.
    ///
    /// # Errors
    /// `command_not_allowed`, with the command by which the owner would permit it.
    pub(crate) fn pass_command(
        &self,
        overlay: &DenyOverlay,
        asked: &DoorAsked<'_>,
        argv: &[String],
    ) -> Result<Passage> {
        let of = |door: &Door| match &door.opening {
            Opening::Command(command) if command.argv == argv => Some(command.clone()),
            _ => None,
        };
        let open = self.doors.iter().filter(|door| door.is_open(asked, overlay));
        let found: Vec<(&Door, Command)> = open.filter_map(|door| Some((door, of(door)?))).collect();
        let mut names: Vec<SecretName> = asked.secrets.to_vec();
        if names.is_empty() {
            names = found.iter().map(|(door, _)| door.secret.clone()).collect();
        }
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Err(not_allowed(None, argv, asked));
        }
        let mut commands = Vec::with_capacity(names.len());
        let mut approval = false;
        for name in &names {
            let mut own = found.iter().filter(|(door, _)| door.secret == *name).peekable();
            commands.push(own.peek().ok_or_else(|| not_allowed(Some(name), argv, asked))?.1.clone());
            approval |= own.all(|(door, _)| door.approve);
        }
        let environment = asked.environment.clone();
        Ok(Passage { project: asked.project, environment, secrets: names, commands, approval })
    }

    /// Those of the names wanted that a provider may be given.
    pub(crate) fn pass_provider(&self, overlay: &DenyOverlay, asked: &DoorAsked<'_>, provider: &Label) -> Passage {
        let of = |name: &SecretName, approve: Option<bool>| {
            self.doors.iter().any(|door| {
                door.secret == *name
                    && door.is_open(asked, overlay)
                    && approve.is_none_or(|approve| door.approve == approve)
                    && matches!(&door.opening, Opening::Provider(own) if own == provider)
            })
        };
        let secrets: Vec<SecretName> = asked.secrets.iter().filter(|name| of(name, None)).cloned().collect();
        let approval = !secrets.iter().all(|name| of(name, Some(false)));
        let environment = asked.environment.clone();
        Passage { project: asked.project, environment, secrets, commands: Vec::new(), approval }
    }
}

impl DenyOverlay {
    /// Whether a deny of everything came after the door was made.
    pub(crate) fn closes(&self, door: &Door) -> bool {
        self.entries.iter().any(|entry| {
            entry.project == door.project
                && entry.secret == door.secret
                && entry.rule.is_none()
                && door.serial <= entry.serial
        })
    }
}

/// The command line by which the owner gives a secret to a command.
pub(crate) fn allow_command(name: &str, argv: &[String]) -> String {
    let words: Option<Vec<String>> = argv.iter().map(|word| quoted(word)).collect();
    format!("agentsecrets allow {name} --command -- {}", words.map_or_else(|| "CMD ARG…".to_owned(), |w| w.join(" ")))
}

fn not_allowed(name: Option<&SecretName>, argv: &[String], asked: &DoorAsked<'_>) -> Error {
    let who = name.map_or_else(|| "no secret is".to_owned(), |name| format!("{name} is not"));
    Error::new(ErrorCode::CommandNotAllowed, format!("{who} granted to exactly this command in {}", asked.environment))
        .with_hint(allow_command(name.map_or("NAME", SecretName::as_str), argv))
}
