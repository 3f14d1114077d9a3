//! What a command tells while it works: headings, steps with a mark and their time, quoted output.

use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use crate::run::Stop;

/// Colours of a terminal.
#[derive(Clone, Copy)]
pub(crate) enum Paint {
    Bold,
    Dim,
    Good,
    Bad,
    Name,
}

pub(crate) fn painted(paint: Paint, text: &str) -> String {
    if !io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some() {
        return text.to_owned();
    }
    let code = match paint {
        Paint::Bold => "1",
        Paint::Dim => "2",
        Paint::Good => "32",
        Paint::Bad => "31",
        Paint::Name => "36",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

pub(crate) fn line(text: &str) {
    let mut out = io::stdout();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

pub(crate) fn heading(text: &str) {
    line(&format!("\n{}", painted(Paint::Bold, text)));
}

/// A command as it would be typed.
pub(crate) fn command(text: &str) {
    line(&format!("  {} {}", painted(Paint::Dim, "$"), painted(Paint::Name, text)));
}

/// What something said, line by line.
pub(crate) fn quoted(text: &str) {
    for said in text.lines() {
        line(&format!("    {} {said}", painted(Paint::Dim, "│")));
    }
}

pub(crate) fn good(text: &str) {
    line(&format!("  {} {text}", painted(Paint::Good, "✔")));
}

pub(crate) fn bad(text: &str) {
    line(&format!("  {} {text}", painted(Paint::Bad, "✘")));
}

/// Says what is done, does it, and says how long it took.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
    line(&format!("  {} {what} …", painted(Paint::Dim, "▸")));
    let began = Instant::now();
    let done = work()?;
    good(&format!("{what} {}", painted(Paint::Dim, &format!("({:.1} s)", began.elapsed().as_secs_f64()))));
    Ok(done)
}
