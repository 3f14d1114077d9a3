//! Reading the log as it was written: oldest first, one line at a time, over all segments, and on as it grows.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::vec;

use super::files::{self, LONGEST_LINE, unavailable};
use super::read::{self, LogsQuery};
use super::record::Record;
use crate::error::Result;

/// A record, and the very line it stands on, without its line feed: what its MAC is over.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Line {
    /// The line.
    pub text: String,
    /// What it says.
    pub record: Record,
}

impl Line {
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let record = Record::parse(line)?;
        let text = std::str::from_utf8(line).ok()?.trim_end_matches('\n').to_owned();
        Some(Self { text, record })
    }
}

/// The lines of the log in their order. Where it ends, `next` gives `None`, and more when there is more.
pub struct Follow {
    dir: PathBuf,
    open: Option<Open>,
}

/// The segment that is read, and how far whole lines were taken from it.
struct Open {
    number: u32,
    reader: BufReader<File>,
    at: u64,
}

impl Follow {
    /// From the first record on.
    pub(crate) fn from_start(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), open: None }
    }

    /// From the next record on.
    pub(crate) fn from_end(dir: &Path) -> Result<Self> {
        let mut follow = Self::from_start(dir);
        let segments = files::segments(dir).map_err(|why| unavailable("read", &why))?;
        if let Some(number) = segments.last() {
            follow.open = Some(Open::at_end(dir, *number).map_err(|why| unavailable("read", &why))?);
        }
        Ok(follow)
    }

    /// The next record. What is no record is passed over; `verify` names it.
    ///
    /// # Errors
    /// `audit_unavailable`.
    pub fn next_line(&mut self) -> Result<Option<Line>> {
        loop {
            match self.next_bytes().map_err(|why| unavailable("read", &why))? {
                None => return Ok(None),
                Some(bytes) => {
                    if let Some(line) = Line::parse(&bytes) {
                        return Ok(Some(line));
                    }
                }
            }
        }
    }

    fn next_bytes(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(line) = self.open.as_mut().map(Open::line).transpose()?.flatten() {
                return Ok(Some(line));
            }
            let after = self.open.as_ref().map_or(0, |open| open.number);
            let Some(next) = files::segments(&self.dir)?.into_iter().find(|number| *number > after) else {
                return Ok(None);
            };
            // Whoever began the next segment had written the last line of this one: it is asked once more.
            if let Some(line) = self.open.as_mut().map(Open::line).transpose()?.flatten() {
                return Ok(Some(line));
            }
            self.open = Some(Open::at(&self.dir, next, 0)?);
        }
    }
}

impl Open {
    fn at(dir: &Path, number: u32, at: u64) -> std::io::Result<Self> {
        let file = files::options().open(files::segment_path(dir, number))?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        reader.seek(SeekFrom::Start(at))?;
        Ok(Self { number, reader, at })
    }

    /// Behind the last whole line.
    fn at_end(dir: &Path, number: u32) -> std::io::Result<Self> {
        let mut open = Self::at(dir, number, 0)?;
        while open.line()?.is_some() {}
        Ok(open)
    }

    /// The next whole line. One that is still being written is read again from its beginning, later.
    fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if line.ends_with(b"\n") || read as u64 == LONGEST_LINE {
            self.at += read as u64;
            return Ok(Some(line));
        }
        // A tail that a failed write left may be cut off again, so the place is never behind the end.
        self.at = self.at.min(self.reader.get_ref().metadata()?.len());
        self.reader.seek(SeekFrom::Start(self.at))?;
        Ok(None)
    }
}

/// The records asked for, oldest first. Without a limit in number, one line is held at a time.
pub struct Export {
    query: LogsQuery,
    from: From,
}

enum From {
    All(Follow),
    Newest(vec::IntoIter<Line>),
}

impl Export {
    pub(crate) fn open(dir: &Path, query: LogsQuery) -> Result<Self> {
        let from = match query.last {
            None => From::All(Follow::from_start(dir)),
            Some(_) => From::Newest(read::newest(dir, &query)?.into_iter()),
        };
        Ok(Self { query, from })
    }
}

impl Iterator for Export {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.from {
            From::Newest(lines) => lines.next().map(Ok),
            From::All(follow) => loop {
                match follow.next_line().transpose()? {
                    Ok(line) if !self.query.asks_for(&line.record) => {}
                    found => return Some(found),
                }
            },
        }
    }
}
