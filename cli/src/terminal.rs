//! Questions to a human that are no passphrase and no value.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};

/// Asks on the controlling terminal; `false` unless the answer begins with `y`, and `None` where there is no terminal.
pub(crate) fn confirm(question: &str) -> Option<bool> {
    let mut terminal = open()?;
    write!(terminal, "{question} [y/N] ").ok()?;
    let mut answer = String::new();
    BufReader::new(terminal).read_line(&mut answer).ok()?;
    Some(answer.trim_start().starts_with(['y', 'Y']))
}

fn open() -> Option<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty").ok()
}
