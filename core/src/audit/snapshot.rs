//! The log at one moment, for whoever reads it while others write.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::files;
use super::state::{Peeked, StatePage};

/// How often a moment without a write is looked for.
const MOST_LOOKS: u32 = 200;

/// State and lengths of one moment.
pub(super) struct Snapshot {
    pub(super) page: Peeked,
    /// Number and length.
    pub(super) segments: Vec<(u32, u64)>,
}

impl Snapshot {
    /// Looks until the state was the same before and after the lengths were read. The lock keeps out those that take
    /// it, which the only writer does not; where that one never pauses, the log is taken as its state says.
    pub(super) fn take(dir: &Path) -> io::Result<Self> {
        let file = match files::options().open(dir.join("state")) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => None,
            file => Some(file?),
        };
        if let Some(file) = &file {
            file.lock_shared()?; // Given back when the file is closed.
        }
        for _ in 0..MOST_LOOKS {
            let seen = Self { page: peek(file.as_ref())?, segments: lengths(dir)? };
            let after = peek(file.as_ref())?;
            if !after.busy && seen.page.seq() == after.seq() {
                return Ok(seen);
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        let page = peek(file.as_ref())?;
        let mut segments = lengths(dir)?;
        if let Some(state) = &page.state {
            segments.retain(|(number, _)| *number <= state.segment);
            segments
                .iter_mut()
                .filter(|(number, _)| *number == state.segment)
                .for_each(|it| it.1 = it.1.min(state.length));
        }
        Ok(Self { page, segments })
    }
}

fn peek(file: Option<&File>) -> io::Result<Peeked> {
    match file.map(StatePage::peek) {
        Some(Err(why)) if why.kind() != io::ErrorKind::UnexpectedEof => Err(why),
        Some(Ok(page)) => Ok(page),
        _ => Ok(Peeked::default()),
    }
}

fn lengths(dir: &Path) -> io::Result<Vec<(u32, u64)>> {
    let length = |number| Ok((number, std::fs::symlink_metadata(files::segment_path(dir, number))?.len()));
    files::segments(dir)?.into_iter().map(length).collect()
}
