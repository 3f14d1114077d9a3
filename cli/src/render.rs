//! How answers look: data on stdout, the rest on stderr, colour for people only, JSON for programs.

use std::io::{self, IsTerminal, Write};

use agentsecrets::{Error, ErrorCode};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Attribute, Cell, ContentArrangement, Table};
use serde::Serialize;
use serde_json::json;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something to tell.
    Error(Error),
    /// Nobody reads stdout any more: there is nobody to tell.
    Unread,
}

/// What a command gives back: an exit code, or why there is none.
pub(crate) type Outcome = Result<u8, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Unread;
        }
        Self::Error(
            Error::new(ErrorCode::Internal, format!("stdout cannot be written: {}", error.kind()))
                .with_hint("make room, or send the output elsewhere"),
        )
    }
}

/// The colours there are.
#[derive(Clone, Copy)]
pub(crate) enum Paint {
    Good,
    Careful,
    Bad,
    Strong,
    Faint,
    Plain,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Careful => "33",
            Self::Bad => "1;31",
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Plain => "0",
        }
    }
}

/// Where a command writes.
pub(crate) struct Output {
    json: bool,
    table: bool,
    color: bool,
    color_of_notes: bool,
}

impl Output {
    /// The streams of this process.
    pub(crate) fn of_process(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            json,
            table: io::stdout().is_terminal(),
            color: io::stdout().is_terminal() && !plain,
            color_of_notes: io::stderr().is_terminal() && !plain,
        }
    }

    /// Whether programs read the answer.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// One value as JSON, or what `human` writes.
    pub(crate) fn show<T: Serialize + ?Sized>(
        &self,
        value: &T,
        human: impl FnOnce(&Self) -> io::Result<()>,
    ) -> Result<(), Failure> {
        if !self.json {
            return Ok(human(self)?);
        }
        let mut text = serde_json::to_vec(value)
            .map_err(|_| Error::new(ErrorCode::Internal, "the answer cannot be written as JSON"))?;
        text.push(b'\n');
        let mut stdout = io::stdout().lock();
        stdout.write_all(&text)?;
        Ok(stdout.flush()?)
    }

    /// A line of data.
    pub(crate) fn line(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", clean(text))?;
        stdout.flush()
    }

    /// A line of data with its colour.
    pub(crate) fn painted(&self, paint: Paint, text: &str) -> String {
        tint(self.color, paint, &clean(text))
    }

    /// A line that is already clean and painted.
    pub(crate) fn raw_line(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")?;
        stdout.flush()
    }

    /// Pairs of a label and what it says, aligned.
    pub(crate) fn pairs(&self, pairs: &[(&str, String)]) -> io::Result<()> {
        let width = pairs.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        for (label, text) in pairs {
            let label = self.painted(Paint::Faint, &format!("{label:width$}"));
            self.raw_line(&format!("{label}  {}", clean(text)))?;
        }
        Ok(())
    }

    /// Rows under headings: a frame on a terminal, aligned columns elsewhere.
    pub(crate) fn table(&self, headings: &[&str], rows: Vec<Vec<String>>) -> io::Result<()> {
        let rows: Vec<Vec<String>> = rows.into_iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
        if self.table {
            return self.raw_line(&framed(headings, &rows, self.color));
        }
        let widths: Vec<usize> = (0..headings.len())
            .map(|column| {
                rows.iter().map(|row| row[column].chars().count()).chain([headings[column].len()]).max().unwrap_or(0)
            })
            .collect();
        let headings: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
        for row in std::iter::once(&headings).chain(&rows) {
            self.raw_line(aligned(row, &widths).trim_end())?;
        }
        Ok(())
    }

    /// A remark on stderr. A closed stderr is no reason to stop.
    pub(crate) fn note(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", clean(text));
    }

    /// A remark on stderr that somebody should read.
    pub(crate) fn warn(&self, text: &str) {
        let head = tint(self.color_of_notes, Paint::Careful, "warning");
        let _ = writeln!(io::stderr().lock(), "{head}: {}", clean(text));
    }

    /// A remark on stderr that nobody should miss.
    pub(crate) fn danger(&self, text: &str) {
        let text = tint(self.color_of_notes, Paint::Bad, &clean(text));
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Says how a command ended and gives its exit code.
    pub(crate) fn end(&self, outcome: Outcome) -> u8 {
        match outcome {
            Ok(code) => code,
            Err(Failure::Unread) => 0,
            Err(Failure::Error(error)) => {
                self.error(&error);
                error.code().exit_code()
            }
        }
    }

    /// An error, on stderr for people and on stdout for programs.
    pub(crate) fn error(&self, error: &Error) {
        if self.json {
            let _ = writeln!(io::stdout().lock(), "{}", json!({ "error": described(error) }));
            return;
        }
        let mut stderr = io::stderr().lock();
        let head = tint(self.color_of_notes, Paint::Bad, &format!("error[{}]", error.code()));
        let _ = writeln!(stderr, "{head}: {}", clean(error.message()));
        if let Some(hint) = error.hint() {
            let head = tint(self.color_of_notes, Paint::Good, "hint");
            let _ = writeln!(stderr, "{head}: {}", clean(hint));
        }
    }
}

fn described(error: &Error) -> serde_json::Value {
    json!({
        "code": error.code().as_str(),
        "stage": error.stage().as_str(),
        "retryable": error.retryable(),
        "message": error.message(),
        "hint": error.hint(),
    })
}

fn tint(wanted: bool, paint: Paint, text: &str) -> String {
    if wanted { format!("\u{1b}[{}m{text}\u{1b}[0m", paint.code()) } else { text.to_owned() }
}

/// What a terminal obeys is shown, not obeyed: a record or a server's word may hold escape sequences.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

fn framed(headings: &[&str], rows: &[Vec<String>], color: bool) -> String {
    let heading = |text: &&str| if color { Cell::new(text).add_attribute(Attribute::Bold) } else { Cell::new(text) };
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if !color {
        table.force_no_tty();
    }
    table.set_header(headings.iter().map(heading));
    table.add_rows(rows);
    table.to_string()
}

fn aligned(row: &[String], widths: &[usize]) -> String {
    row.iter().zip(widths).map(|(cell, &width)| format!("{cell:width$}  ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_commanded_by_what_is_shown() {
        assert_eq!(clean("a\u{1b}[2Jb\u{7}\nc\td"), "a\u{fffd}[2Jb\u{fffd}\nc\td");
    }

    #[test]
    fn plain_tables_are_aligned() {
        assert_eq!(aligned(&["é".into(), "b".into()], &[3, 1]), "é    b  ");
    }

    #[test]
    fn an_error_for_programs_says_everything() {
        let error = Error::new(ErrorCode::StoreLocked, "it is locked");
        let shown = described(&error);
        assert_eq!(shown["code"], "store_locked");
        assert_eq!(shown["stage"], "resolve");
        assert_eq!(shown["retryable"], true);
        assert_eq!(shown["hint"], "agentsecrets unlock");
    }
}
