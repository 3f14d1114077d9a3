//! What a command is to the owner who grants it, and whether it still is that when it is run.
//!
//! What is hashed is what is run: the program is executed by the descriptor it was hashed through, and files among the
//! words are handed over as descriptors too, of sealed copies where that can be: they stay what they were for as long as
//! the child reads. A lease keeps writers out until the child has begun.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{interpreter, sealed};
use crate::error::{Error, ErrorCode, Result};
use crate::policy::{Command, FilePin, Pin, allow_command};

/// Where programs are looked for when nobody says.
const DEFAULT_SEARCH: &str = "/usr/local/bin:/usr/bin:/bin";
/// The longest first line of a script (Linux reads 256 bytes of it).
const MAX_SHEBANG: u64 = 256;
/// The longest file of which a sealed copy is made, in bytes: far above any script.
const MAX_COPY: u64 = 16 << 20;

/// Pins a command as it is now, for a grant.
///
/// # Errors
/// `invalid_call` for a program that cannot be found or read, and for an interpreter whose code is in no file.
pub(crate) fn pin_command(argv: Vec<String>, directory: &Path, search: Option<&str>) -> Result<Command> {
    let search = search.filter(|text| !text.is_empty()).unwrap_or(DEFAULT_SEARCH).to_owned();
    let first = argv.first().filter(|word| !word.is_empty()).ok_or_else(|| {
        Error::new(ErrorCode::InvalidCall, "no command is named")
            .with_hint("agentsecrets allow NAME --command -- CMD ARG…")
    })?;
    let mut program = find(first, directory, &search)?;
    let mut leading = Vec::new();
    let mut words = argv.clone();
    if let Some(line) = shebang(&program)? {
        let (interpreter, options) = interpreter_of(&line, directory, &search)?;
        words[0] = text(&program)?;
        if shebang(&interpreter)?.is_some() {
            return Err(Error::new(ErrorCode::InvalidCall, "the script's interpreter is a script itself")
                .with_hint("grant the real interpreter with the script: -- /path/to/INTERPRETER SCRIPT ARG…"));
        }
        leading = [vec![text(&interpreter)?], options].concat();
        program = interpreter;
    }
    let words = [leading.clone(), words].concat();
    let first_argument = 1;
    let mut files = Vec::new();
    for (at, word) in words.iter().enumerate().skip(first_argument) {
        files.extend(file_in(at, word, directory)?);
    }
    interpreter::check(&program, &words, &|at| files.iter().any(|file| file.at == at && file.before.is_empty()))?;
    Ok(Command { argv, program: pin(&program)?, leading, files, search })
}

/// A pinned command, opened: what runs is what was hashed.
pub(crate) struct Ready {
    pub(super) program: Opened,
    pub(super) words: Vec<String>,
    pub(super) files: Vec<(FilePin, Opened)>,
    pub(super) search: String,
}

/// A file that was found to be the one granted.
pub(super) struct Opened {
    pub(super) file: File,
    /// The bytes that were hashed, where nobody can change them any more.
    copy: Option<File>,
    stamp: (u64, u64, i64, i64),
    path: PathBuf,
}

impl Ready {
    /// Opens a command and compares it with every grant of it.
    ///
    /// # Errors
    /// `command_changed`, naming the file.
    pub(crate) fn open(commands: &[Command], names: &[&str]) -> Result<Self> {
        let missing = || Error::new(ErrorCode::CommandNotAllowed, "no command is granted");
        let command = commands.first().ok_or_else(missing)?;
        let ready = Self::of(command, &allow_command(names.first().unwrap_or(&"NAME"), &command.argv))?;
        for (other, name) in commands.iter().zip(names).skip(1) {
            if (&other.program, &other.files, &other.leading) != (&command.program, &command.files, &command.leading) {
                return Err(changed(&other.program.path, &allow_command(name, &other.argv)));
            }
        }
        Ok(ready)
    }

    /// Opens one pinned command; `hint` is what the owner does where it has changed.
    ///
    /// # Errors
    /// `command_changed`, naming the file.
    pub(super) fn of(command: &Command, hint: &str) -> Result<Self> {
        let program = Opened::of(&command.program, hint, false)?;
        // The program is executed as the file it is: what looks for its neighbours finds them.
        let copies = !interpreter::asks_for_real_path(Path::new(&command.program.path));
        let mut files = Vec::with_capacity(command.files.len());
        for file in &command.files {
            files.push((file.clone(), Opened::of(&file.pin, hint, copies)?));
        }
        let words = [command.leading.clone(), command.argv.clone()].concat();
        Ok(Self { program, words, files, search: command.search.clone() })
    }

    /// Whether every path still leads to the file that was hashed, unwritten since.
    pub(super) fn is_unchanged(&self) -> bool {
        self.files.iter().map(|(_, opened)| opened).chain([&self.program]).all(Opened::is_unchanged)
    }

    /// Lets others write to the files again.
    pub(super) fn release(&self) {
        for opened in self.files.iter().map(|(_, opened)| opened).chain([&self.program]) {
            lease(&opened.file, false);
        }
    }
}

impl Opened {
    fn of(pin: &Pin, hint: &str, copies: bool) -> Result<Self> {
        let changed = || changed(&pin.path, hint);
        let file = open(Path::new(&pin.path)).map_err(|_| changed())?;
        // Before it is read: from here on nobody opens it for writing without the kernel asking this process.
        if !lease(&file, true) {
            return Err(changed());
        }
        let found = file.metadata().map_err(|_| changed())?;
        let copy = if copies && found.len() <= MAX_COPY { sealed::copy(&file) } else { None };
        // What is hashed is what is handed over: the copy, where there is one.
        if digest(copy.as_ref().unwrap_or(&file)).map_err(|_| changed())? != pin.sha256 {
            return Err(changed());
        }
        let opened = Self { file, copy, stamp: stamp(&found), path: PathBuf::from(&pin.path) };
        if opened.is_unchanged() { Ok(opened) } else { Err(changed()) }
    }

    /// What the child is given.
    pub(super) fn handed(&self) -> &File {
        self.copy.as_ref().unwrap_or(&self.file)
    }

    fn is_unchanged(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok_and(|found| stamp(&found) == self.stamp)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // The child may hold the same open file for longer than this process does.
        lease(&self.file, false);
    }
}

fn stamp(found: &std::fs::Metadata) -> (u64, u64, i64, i64) {
    (found.dev(), found.ino(), found.ctime(), found.ctime_nsec())
}

/// A read lease (fcntl(2), F_SETLEASE): whoever opens the file for writing waits. `false` where somebody has it open for
/// writing already. Another user's file gives none, nor do some file systems: there the watch over the paths remains.
fn lease(file: &File, wanted: bool) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let kind = if wanted { libc::F_RDLCK } else { libc::F_UNLCK };
        // SAFETY: fcntl on a descriptor that is open for the length of the call.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) };
        result == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::EAGAIN)
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = (file.as_raw_fd(), wanted);
        true
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let flags = libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::ErrorKind::InvalidInput.into()) }
}

fn digest(mut file: &File) -> std::io::Result<String> {
    let (mut hash, mut block) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(crate::hex::lower(&hash.finalize())),
            count => hash.update(&block[..count]),
        }
    }
}

fn pin(path: &Path) -> Result<Pin> {
    let sha256 = open(path).and_then(|file| digest(&file)).map_err(|why| unreadable(path, &why))?;
    Ok(Pin { path: text(path)?, sha256 })
}

/// The file a word names: all of it, what follows `--option=`, or what follows `@`.
fn file_in(at: usize, word: &str, directory: &Path) -> Result<Option<FilePin>> {
    let option = word.split_once('=').map_or(0, |(name, _)| name.len() + 1);
    let cuts = [0, if word.starts_with('-') { option } else { 0 }, usize::from(word.starts_with('@'))];
    for cut in cuts {
        let (before, name) = word.split_at(cut);
        let Ok(path) = directory.join(name).canonicalize() else { continue };
        if !name.is_empty() && path.is_file() {
            return Ok(Some(FilePin { at, before: before.to_owned(), pin: pin(&path)? }));
        }
    }
    Ok(None)
}

/// The program a word means: a path, or a name in the folders of `search`.
fn find(word: &str, directory: &Path, search: &str) -> Result<PathBuf> {
    let is_program =
        |path: &PathBuf| path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    let found = if word.contains('/') {
        Some(directory.join(word)).filter(is_program)
    } else {
        search.split(':').filter(|folder| folder.starts_with('/')).map(|f| Path::new(f).join(word)).find(is_program)
    };
    let missing = || {
        Error::new(ErrorCode::InvalidCall, "the command names no program that is there and executable")
            .with_hint("name it by its path: --command -- /path/to/program ARG…")
    };
    found.ok_or_else(missing)?.canonicalize().map_err(|_| missing())
}

/// What stands behind `#!` in a script's first line.
fn shebang(program: &Path) -> Result<Option<String>> {
    let mut head = Vec::new();
    let file = open(program).map_err(|why| unreadable(program, &why))?;
    file.take(MAX_SHEBANG).read_to_end(&mut head).map_err(|why| unreadable(program, &why))?;
    let line = head.strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next());
    Ok(line.map(|line| String::from_utf8_lossy(line).trim().to_owned()))
}

/// The interpreter of a script, resolved now, so that no `PATH` chooses another one later.
fn interpreter_of(line: &str, directory: &Path, search: &str) -> Result<(PathBuf, Vec<String>)> {
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut first = words.next().unwrap_or_default();
    let mut rest: Vec<String> = words.collect();
    if Path::new(&first).file_name().is_some_and(|name| name == "env") {
        rest.retain(|word| word != "-S");
        if rest.is_empty() || rest[0].starts_with('-') || rest[0].contains('=') {
            return Err(Error::new(ErrorCode::InvalidCall, "the script's first line names no interpreter plainly")
                .with_hint("grant the interpreter with the script: -- INTERPRETER SCRIPT ARG…"));
        }
        first = rest.remove(0);
    }
    Ok((find(&first, directory, search)?, rest))
}

fn text(path: &Path) -> Result<String> {
    let bad = || Error::new(ErrorCode::InvalidCall, "a granted program or file has a path of UTF-8");
    path.to_str().map(str::to_owned).ok_or_else(bad)
}

fn unreadable(path: &Path, why: &std::io::Error) -> Error {
    Error::new(ErrorCode::InvalidCall, format!("{} cannot be read: {}", path.display(), why.kind()))
        .with_hint("a program is granted by its content; name one that this user may read")
}

fn changed(path: &str, hint: &str) -> Error {
    Error::new(ErrorCode::CommandChanged, format!("{path} is not the file that the owner granted"))
        .with_hint(hint.to_owned())
}
