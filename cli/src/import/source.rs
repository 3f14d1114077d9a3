//! Where an import comes from: a file, or standard input.

use std::fmt;
use std::io::{IsTerminal, Read};
use std::path::Path;

use agentsecrets::{Error, ErrorCode, Result};
use zeroize::Zeroizing;

/// The longest file that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;
/// Room for what comes through a pipe, before it must be moved to a larger one.
const PIPED: u64 = 1 << 20;

/// A file, or `-`.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    File(&'a Path),
    Input,
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Input => f.write_str("what came in"),
        }
    }
}

impl<'a> Source<'a> {
    /// What was typed in the place of a file.
    pub(crate) fn of(typed: &'a Path) -> Self {
        if typed.as_os_str() == "-" { Self::Input } else { Self::File(typed) }
    }

    /// The file, where it is one.
    pub(crate) fn file(self) -> Option<&'a Path> {
        if let Self::File(path) = self { Some(path) } else { None }
    }

    /// All of it.
    ///
    /// # Errors
    /// `invalid_call` where it cannot be read, is longer than 16 MiB, or is typed at a terminal.
    pub(crate) fn read(self) -> Result<Zeroizing<Vec<u8>>> {
        let Self::File(path) = self else { return piped() };
        let opened = std::fs::File::open(path).map_err(|why| cannot(&why.kind().to_string()))?;
        let length = opened.metadata().map_err(|why| cannot(&why.kind().to_string()))?.len();
        if length > MAX_FILE {
            return Err(cannot("it is longer than 16 MiB"));
        }
        read_all(opened, length)
    }
}

fn piped() -> Result<Zeroizing<Vec<u8>>> {
    let input = std::io::stdin();
    if input.is_terminal() {
        return Err(cannot("a terminal would show the values that are typed at it")
            .with_hint("vault kv get -format=json secret/app | agentsecrets secrets import -"));
    }
    let bytes = read_all(input.lock(), PIPED)?;
    if bytes.is_empty() {
        return Err(cannot("nothing came in").with_hint("look at what the command before the | says"));
    }
    Ok(bytes)
}

fn read_all(from: impl Read, expected: u64) -> Result<Zeroizing<Vec<u8>>> {
    // Room for all of it at once: a growing buffer would leave copies behind, to be wiped by the allocator alone.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(expected).unwrap_or_default() + 1));
    from.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|why| cannot(&why.kind().to_string()))?;
    // A pipe has no length beforehand.
    if bytes.len() as u64 > MAX_FILE {
        return Err(cannot("it is longer than 16 MiB"));
    }
    Ok(bytes)
}

fn cannot(why: &str) -> Error {
    Error::new(ErrorCode::InvalidCall, format!("the file cannot be read: {why}"))
}
