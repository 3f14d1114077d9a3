//! The files of the audit folder: names, modes, and the errors the system gives.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorCode};

/// The longest line believed to be one: far more than a record of a thousand names.
pub(super) const LONGEST_LINE: u64 = 1 << 20;

/// How a file is opened: never through a symlink, and never readable to another user.
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    }
    options.read(true);
    options
}

/// Makes a folder for this user alone; an existing one is taken unless it is a symlink.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    match builder.create(path) {
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => check_folder(path),
        made => made,
    }
}

pub(super) fn check_folder(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

pub(super) fn segment_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:06}.jsonl"))
}

/// The numbers of the segments there are, in order.
pub(super) fn segments(dir: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jsonl")).and_then(|stem| stem.parse().ok());
        numbers.extend(number.filter(|number| segment_path(dir, *number).file_name() == Some(&name)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(unix)]
pub(super) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(unix)]
pub(super) fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(windows)]
pub(super) fn write_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        (bytes, at) = (&bytes[written..], at + written as u64);
    }
    Ok(())
}

#[cfg(windows)]
pub(super) fn read_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (bytes, at) = (&mut bytes[read..], at + read as u64);
    }
    Ok(())
}

/// The lines of a segment between two places, oldest first. The last may lack its line feed.
pub(super) struct Lines {
    reader: io::Take<BufReader<File>>,
    buffer: Vec<u8>,
}

impl Lines {
    pub(super) fn between(mut file: File, from: u64, to: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(from))?;
        let reader = BufReader::with_capacity(1 << 16, file).take(to.saturating_sub(from));
        Ok(Self { reader, buffer: Vec::new() })
    }

    /// The next line with its line feed, or `None` at the end.
    pub(super) fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        self.buffer.clear();
        let read = (&mut self.reader).take(LONGEST_LINE).read_until(b'\n', &mut self.buffer)?;
        Ok((read > 0).then_some(&*self.buffer))
    }
}

/// The line that ends at `end`, with its line feed.
pub(super) fn line_before(file: &File, end: u64) -> io::Result<Vec<u8>> {
    let mut span = 4096;
    loop {
        let from = end.saturating_sub(span);
        let mut bytes = vec![0; usize::try_from(end - from).map_err(|_| io::ErrorKind::InvalidData)?];
        read_at(file, &mut bytes, from)?;
        let before_last = &bytes[..bytes.len().saturating_sub(1)];
        match before_last.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => return Ok(bytes.split_off(at + 1)),
            None if from == 0 => return Ok(bytes),
            None if span > LONGEST_LINE => return Err(io::ErrorKind::InvalidData.into()),
            None => span *= 8,
        }
    }
}

/// `audit_unavailable` with what was tried and what mends it.
pub(super) fn unavailable(tried: &str, why: &io::Error) -> Error {
    let error = Error::new(ErrorCode::AuditUnavailable, format!("the audit log cannot be {tried}: {}", why.kind()));
    match why.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            error.with_hint("make room on the disk of AGENTSECRETS_HOME, then try again")
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            error.with_hint("chmod -R u+rwX \"$AGENTSECRETS_HOME/audit\"  # it must be writable by this user")
        }
        io::ErrorKind::NotFound => error.with_hint("agentsecrets init"),
        _ => error,
    }
}
