//! What the owner is asked, at the terminal that the agent does not own.

use std::fs::File;
use std::io::Write;
use std::os::fd::FromRawFd;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode, Result};
use crate::resolve::SecretInput;
use crate::resolve::value::SecretValue;

/// The shortest passphrase a home is made with, in bytes.
const SHORTEST: usize = 8;
/// How often a passphrase may be mistyped at a terminal.
pub(crate) const ATTEMPTS: usize = 3;

/// Where a passphrase comes from. Never from an argument, never from the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassphraseSource {
    /// The controlling terminal, hidden.
    Terminal,
    /// A descriptor, to its end or first line feed: for provisioning.
    Fd(i32),
}

impl PassphraseSource {
    /// `Fd` where one is named, else the terminal.
    #[must_use]
    pub fn from_fd(fd: Option<i32>) -> Self {
        fd.map_or(Self::Terminal, Self::Fd)
    }

    /// The descriptors it is read from.
    pub(crate) fn descriptors(self) -> Vec<i32> {
        match self {
            Self::Terminal => Vec::new(),
            Self::Fd(number) => vec![number],
        }
    }

    /// How often it is worth asking.
    pub(crate) fn attempts(self) -> usize {
        match self {
            Self::Terminal => ATTEMPTS,
            Self::Fd(_) => 1,
        }
    }

    /// Reads the passphrase once.
    pub(crate) fn read(self, prompt: &str) -> Result<SecretValue> {
        match self {
            Self::Terminal => {
                if !terminal_present() {
                    return Err(no_terminal());
                }
                SecretInput::from_terminal(prompt)?.into_value(true)
            }
            Self::Fd(number) => SecretInput::from_pipe(first_line(open_fd(number)?))?.into_value(true),
        }
    }

    /// Reads a new passphrase: twice at a terminal, and long enough.
    pub(crate) fn read_new(self, what: &str) -> Result<SecretValue> {
        loop {
            let first = self.read(&format!("{what}: "))?;
            if first.len() < SHORTEST {
                let short =
                    Error::new(ErrorCode::InvalidValue, format!("a passphrase has at least {SHORTEST} characters"));
                if self != Self::Terminal {
                    return Err(short);
                }
                say(&format!("{}\n", short.message()))?;
                continue;
            }
            if self != Self::Terminal {
                return Ok(first);
            }
            let second = self.read("The same once more: ")?;
            // EXPOSE: both were typed just now; they are compared and nothing else.
            if first.expose() == second.expose() {
                return Ok(first);
            }
            say("The two differ.\n")?;
        }
    }
}

/// Writes on the controlling terminal, not on stdout or stderr, which the agent may hold.
pub(crate) fn say(text: &str) -> Result<()> {
    let mut terminal = std::fs::OpenOptions::new().write(true).open("/dev/tty").map_err(|_| no_terminal())?;
    terminal.write_all(text.as_bytes()).map_err(|_| no_terminal())
}

/// Whether there is a controlling terminal.
#[must_use]
pub fn terminal_present() -> bool {
    std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty").is_ok()
}

/// Who asks, innermost first: the chain of parents as the kernel names them.
pub(crate) fn asking_tree() -> String {
    process_tree(std::process::id())
}

/// A process and its parents, innermost first, by the names they give themselves.
pub(crate) fn process_tree(mut pid: u32) -> String {
    let mut names = Vec::new();
    while pid > 1 && names.len() < 8 {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { break };
        // The name stands in parentheses and may itself hold some; the parent's id is the second field after the last.
        let Some((head, tail)) = stat.rsplit_once(") ") else { break };
        let name = head.split_once('(').map_or("?", |(_, name)| name);
        names.push(name.chars().filter(|c| !c.is_control()).collect::<String>());
        pid = tail.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    }
    names.dedup();
    names.join(" < ")
}

pub(super) fn open_fd(number: i32) -> Result<File> {
    // SAFETY: fcntl only asks; a descriptor that is open is duplicated, so that closing ours leaves the caller's.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return Err(Error::new(ErrorCode::InvalidCall, format!("descriptor {number} is not open")));
    }
    // SAFETY: the descriptor was made just now and belongs to nobody else.
    Ok(unsafe { File::from_raw_fd(copy) })
}

/// Reads up to the first line feed, byte by byte, so that what follows is left for the next reader of the descriptor.
fn first_line(file: File) -> impl std::io::Read {
    struct FirstLine(File, bool);
    impl std::io::Read for FirstLine {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.1 || buffer.is_empty() {
                return Ok(0);
            }
            let count = self.0.read(&mut buffer[..1])?;
            self.1 = buffer[0] == b'\n';
            Ok(count)
        }
    }
    FirstLine(file, false)
}

pub(crate) fn no_terminal() -> Error {
    Error::new(ErrorCode::OwnerRequired, "this needs the owner's passphrase, and there is no terminal to ask at")
        .with_hint("run the command at a terminal, or give the passphrase with --passphrase-fd N")
}
