//! Asks another manager for a value: runs the command that the owner pinned, and reads what it prints into guarded memory.
//!
//! What it writes to stderr is thrown away, as nobody could search it for a value that is not known yet.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::answer::{self, Answered};
use super::pin::Ready;
use super::process::{WATCH, start_bare};
use super::pump::{AFTERMATH, is_ready};
use super::running::Running;
use crate::error::{Error, ErrorCode, Result, Stage};
use crate::policy::SourceTerms;
use crate::resolve::SecretValue;
use crate::resolve::value::SecretBuf;
use crate::secret_ref::{Label, SecretName};

/// How long a manager may take.
const DEADLINE: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(10);
/// A program whose text is not translated: its output is read by a program.
const LANG: &str = "C.UTF-8";

/// What is asked for, and of whom.
pub(crate) struct Question {
    pub(crate) name: SecretName,
    pub(crate) environment: Label,
    pub(crate) terms: SourceTerms,
    /// The variables that the terms name, as the broker has them.
    pub(crate) variables: Vec<(String, String)>,
}

/// Why there is no value.
#[derive(Clone)]
pub(crate) struct NoAnswer {
    pub(crate) error: Error,
    /// What the manager said of it, without control characters; not yet searched for values.
    pub(crate) said: Option<String>,
}

impl From<Error> for NoAnswer {
    fn from(error: Error) -> Self {
        Self { error, said: None }
    }
}

impl Question {
    /// Asks, within ten seconds.
    ///
    /// # Errors
    /// `source_unavailable`, `command_changed`, `invalid_value` for a value under 8 bytes.
    pub(crate) fn ask(&self, running: &Running) -> Result<SecretValue, NoAnswer> {
        let (status, output) = self.run(running)?;
        let answered = if self.terms.plain { answer::plain(output) } else { answer::read(&output, &self.terms.id) };
        match answered {
            _ if !status.success() && self.terms.plain => Err(self.failed(&ended(status)).into()),
            Answered::Value(value) if status.success() => self.long_enough(value.into_value()).map_err(NoAnswer::from),
            Answered::Refused(said) => {
                let how = if status.success() { "gives no value".to_owned() } else { ended(status) };
                Err(NoAnswer { error: self.failed(&how), said: said.filter(|text| !self.holds_variable(text)) })
            }
            _ if !status.success() => Err(self.failed(&ended(status)).into()),
            Answered::Empty => Err(self.failed("gave an empty value").into()),
            Answered::TooLong => Err(self.failed("gave a value of more than 64 KiB").into()),
            _ => Err(self.failed("did not answer in the exec-provider protocol").into()),
        }
    }

    fn run(&self, running: &Running) -> Result<(ExitStatus, SecretBuf)> {
        let mut run = running.begin()?;
        let ready = &Ready::of(&self.terms.command, &self.relink()).map_err(|why| why.at(Stage::Resolve))?;
        let pipe = || std::io::pipe().map_err(|_| self.failed("could not be started: the system has no pipe to give"));
        let ((asked, question), (output, answer)) = (pipe()?, pipe()?);
        let asked = if self.terms.plain { Stdio::null() } else { Stdio::from(asked) };
        let child = start_bare(ready, self.variables(), asked, answer.into()).map_err(|why| match why.code() {
            ErrorCode::CommandChanged => why.at(Stage::Resolve).with_hint(self.relink()),
            _ => self.failed("does not start"),
        })?;
        let group = i32::try_from(child.id()).unwrap_or(i32::MAX);
        run.is(group);
        if !self.terms.plain {
            // A pipe holds more than the longest question; one that is never read is no failure by itself.
            let _ =
                File::from(OwnedFd::from(question)).write_all(&answer::question(self.terms.program(), &self.terms.id));
        }
        let heard = self.listen(File::from(OwnedFd::from(output)), ready, &child);
        if heard.is_err() {
            run.signal(libc::SIGKILL);
        }
        running.is_over(group, heard.is_err());
        let mut child = child;
        let status = child.wait().map_err(|_| self.failed("ended unseen"))?;
        Ok((status, heard?))
    }

    /// Reads until the child has ended and closed its output.
    fn listen(&self, mut output: File, ready: &Ready, child: &Child) -> Result<SecretBuf> {
        let (started, mut last, mut watching, mut open) = (Instant::now(), Instant::now(), true, true);
        let limit = answer::limit(self.terms.plain);
        let mut heard = SecretBuf::with_capacity(4096);
        let mut block = SecretBuf::zeroed(4096);
        loop {
            if watching && !ready.is_unchanged() {
                return Err(self.changed());
            }
            if watching && started.elapsed() > WATCH {
                ready.release();
                watching = false;
            }
            if started.elapsed() > DEADLINE {
                return Err(self.failed("gave no answer within 10 seconds"));
            }
            if open && is_ready(&output, libc::POLLIN, TICK) {
                let count = output.read(block.as_mut_slice()).unwrap_or(0);
                heard.extend(&block.as_slice()[..count]);
                (open, last) = (count > 0, Instant::now());
                if heard.len() > limit {
                    return Err(self.failed("answered with more than a value of 64 KiB takes"));
                }
            } else if has_ended(child) && (!open || last.elapsed() > AFTERMATH) {
                return if watching && !ready.is_unchanged() { Err(self.changed()) } else { Ok(heard) };
            } else if !open {
                std::thread::sleep(TICK);
            }
        }
    }

    fn variables(&self) -> Vec<(String, String)> {
        let own = [("HOME", self.terms.home.as_str()), ("LANG", LANG)];
        let own = own.map(|(name, text)| (name.to_owned(), text.to_owned()));
        self.variables.iter().cloned().chain(own).collect()
    }

    fn holds_variable(&self, text: &str) -> bool {
        self.variables.iter().any(|(_, own)| own.len() >= crate::resolve::MIN_VALUE && text.contains(own.as_str()))
    }

    fn long_enough(&self, value: SecretValue) -> Result<SecretValue> {
        if value.len() >= crate::resolve::MIN_VALUE {
            return Ok(value);
        }
        let why = "gave a value under 8 bytes, which could not be hidden in answers";
        Err(Error::new(ErrorCode::InvalidValue, format!("{} {why}", self.who())).at(Stage::Resolve))
    }

    fn who(&self) -> String {
        format!("the manager of {} ({})", self.name, self.terms.program())
    }

    fn failed(&self, how: &str) -> Error {
        Error::new(ErrorCode::SourceUnavailable, format!("{} {how}", self.who())).with_hint(self.hint())
    }

    /// The command that opens the manager, as far as it is known, and what there is to check otherwise.
    fn hint(&self) -> String {
        let unset = self.terms.variables.iter().find(|name| !self.variables.iter().any(|(own, _)| own == *name));
        if let Some(name) = unset {
            return format!(
                "the broker was started without {name}: in a shell that has it, agentsecrets broker stop, then \
                 agentsecrets unlock (or broker run --background)"
            );
        }
        match self.terms.program() {
            "op" => "op signin".to_owned(),
            "vault" | "bao" => "vault login".to_owned(),
            "infisical" => "infisical login".to_owned(),
            "bw" => "bw unlock".to_owned(),
            _ => format!("run it at a terminal, where it may ask you: {}", self.terms.in_words()),
        }
    }

    fn changed(&self) -> Error {
        let message = format!("a file of the manager of {} was changed while it ran", self.name);
        Error::new(ErrorCode::CommandChanged, message).at(Stage::Resolve).with_hint(self.relink())
    }

    /// What the owner does after an update of the manager.
    fn relink(&self) -> String {
        let plain = if self.terms.plain { " --plain" } else { "" };
        format!(
            "after an update of the manager, link it again: agentsecrets secrets link {} --environment {} --exec ID{plain} -- {}",
            self.name,
            self.environment,
            self.terms.in_words()
        )
    }
}

fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
    }
}

/// Whether the child has ended; it is not reaped by this.
fn has_ended(child: &Child) -> bool {
    // SAFETY: an all-zero siginfo is a valid one, and a live local; with WNOHANG its process number stays zero where
    // nothing has ended.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let asked = libc::waitid(libc::P_PID, child.id(), &raw mut info, libc::WEXITED | libc::WNOWAIT | libc::WNOHANG);
        asked == 0 && info.si_pid() != 0
    }
}
