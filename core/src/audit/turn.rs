//! Whose turn it is to write: the lock of the page's file, or nothing at all while there is one writer only.
//!
//! Two system calls for the lock cost as much as hashing a record, and nearly always one process writes. So the only
//! writer owns the page: it says in the page that it is busy, looks whether it still is the owner, and writes. Whoever
//! else wants to write holds the file's lock, takes the ownership away, and waits until the owner is not busy any more.
//! Of the two stores and two loads, all sequentially consistent, one side sees the other's. From then on both take the
//! file's lock for each record, until one is alone again.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::page::Number;
use super::state::StatePage;
use super::writer;

/// How long the only writer is waited for before it is asked whether it lives.
const PATIENCE: u32 = 50;

/// A writer's way to its turn.
pub(super) struct Turn {
    owner: Number,
    busy: Number,
    tag: u64,
    /// Whether this writer was the owner when it last looked.
    alone: bool,
}

impl Turn {
    /// For the writer of this tag, which is not alone until it finds that it is.
    pub(super) fn new(page: &StatePage, tag: u64) -> Self {
        let (owner, busy) = page.turn();
        Self { owner, busy, tag, alone: false }
    }

    /// Takes the turn.
    pub(super) fn take(&mut self, file: &File) -> io::Result<()> {
        if self.alone {
            self.busy.set(self.tag);
            if self.owner.get() == self.tag {
                return Ok(());
            }
            self.busy.set(0);
            self.alone = false;
        }
        file.lock()
    }

    /// Gives it back.
    pub(super) fn give(&self, file: &File) -> io::Result<()> {
        if self.alone {
            self.busy.set(0);
            return Ok(());
        }
        file.unlock()
    }

    /// Whether each turn takes the file's lock.
    pub(super) fn is_shared(&self) -> bool {
        !self.alone
    }

    /// Looks whether there is no other writer, and gives the lock back. To be called with the file's lock held.
    pub(super) fn give_and_own(&mut self, file: &File, dir: &Path) -> io::Result<()> {
        let alone = cfg!(unix) && writer::is_alone(dir, self.tag).unwrap_or(false);
        if alone {
            self.owner.set(self.tag);
        }
        file.unlock()?;
        self.alone = alone;
        Ok(())
    }
}

/// Takes the lock of the file, and the ownership from whoever has it.
pub(super) fn claim(dir: &Path, page: &StatePage) -> io::Result<()> {
    page.file().lock()?;
    let (owner, busy) = page.turn();
    owner.set(0);
    for round in 1.. {
        let tag = busy.get();
        if tag == 0 {
            break;
        }
        if round % PATIENCE == 0 && !writer::lives(dir, tag) {
            busy.set(0);
            break;
        }
        std::thread::sleep(Duration::from_micros(20));
    }
    Ok(())
}
