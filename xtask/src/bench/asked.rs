//! What is asked, beside what was measured in this run.

use super::Host;
use super::table::Table;
use crate::run::Stop;
use crate::tell::{self, Paint};
use crate::workspace;

/// One thing that is asked, and what it is.
pub(super) struct Asked {
    what: String,
    got: f64,
    bound: Bound,
    unit: &'static str,
}

/// What keeps to a bound.
#[derive(Clone, Copy)]
pub(super) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Asked {
    pub(super) fn new(what: impl Into<String>, got: f64, bound: Bound, unit: &'static str) -> Self {
        Self { what: what.into(), got, bound, unit }
    }

    fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtMost(most) => self.got <= most,
            Bound::AtLeast(least) => self.got >= least,
        }
    }

    fn asked(&self) -> String {
        match self.bound {
            Bound::AtMost(most) => format!("≤ {most} {}", self.unit),
            Bound::AtLeast(least) => format!("≥ {least} {}", self.unit),
        }
    }

    fn got(&self) -> String {
        let digits = if self.got < 10.0 { 2 } else { 1 };
        format!("{:.digits$} {}", self.got, self.unit)
    }
}

/// A ratio that is asked: its name, whose time, divided by whose.
type Ratio = (&'static str, (Host, &'static str), (Host, &'static str), Bound);

const SEQUENTIAL: &[Ratio] = &[
    ("Python in-process, one by one, of reqwest", PYTHON, REQWEST, Bound::AtMost(1.3)),
    ("httpx of Python in-process", (Host::Python, "httpx"), PYTHON, Bound::AtLeast(8.0)),
    ("requests of Python in-process", (Host::Python, "requests"), PYTHON, Bound::AtLeast(15.0)),
    ("Node in-process, one by one, of reqwest", NODE, REQWEST, Bound::AtMost(2.5)),
    ("Rust through the broker, one by one, of in-process", (Host::Rust, "broker"), RUST, Bound::AtMost(2.0)),
    ("Python through the broker, one by one, of in-process", (Host::Python, "broker"), PYTHON, Bound::AtMost(2.0)),
    ("Node through the broker, one by one, of in-process", (Host::Node, "broker"), NODE, Bound::AtMost(2.0)),
    ("httpx of Python through the broker", (Host::Python, "httpx"), (Host::Python, "broker"), Bound::AtLeast(3.0)),
];

const IN_FLIGHT: &[Ratio] = &[
    ("Python async in-process, 64 in flight, of reqwest", ASYNC, REQWEST, Bound::AtMost(2.0)),
    ("aiohttp of Python async in-process", (Host::Asyncio, "aiohttp"), ASYNC, Bound::AtLeast(2.5)),
    ("Node in-process, 64 in flight, of reqwest", NODE, REQWEST, Bound::AtMost(1.5)),
    ("undici of Node in-process, 64 in flight", (Host::Node, "undici"), NODE, Bound::AtLeast(3.0)),
    ("Rust through the broker, 64 in flight, of in-process", (Host::Rust, "broker"), RUST, Bound::AtMost(2.0)),
    ("Python through the broker, 64 in flight, of in-process", ASYNC_BROKER, ASYNC, Bound::AtMost(2.0)),
    ("Node through the broker, 64 in flight, of in-process", (Host::Node, "broker"), NODE, Bound::AtMost(2.0)),
    (
        "httpx.AsyncClient of Python async through the broker",
        (Host::Asyncio, "async-httpx"),
        ASYNC_BROKER,
        Bound::AtLeast(3.0),
    ),
    (
        "undici of Node through the broker, 64 in flight",
        (Host::Node, "undici"),
        (Host::Node, "broker"),
        Bound::AtLeast(1.5),
    ),
];

const REQWEST: (Host, &str) = (Host::Rust, "reqwest");
const RUST: (Host, &str) = (Host::Rust, "in-process");
const PYTHON: (Host, &str) = (Host::Python, "in-process");
const ASYNC: (Host, &str) = (Host::Asyncio, "async-in-process");
const ASYNC_BROKER: (Host, &str) = (Host::Asyncio, "async-broker");
const NODE: (Host, &str) = (Host::Node, "in-process");

pub(super) fn sequential(table: &Table) -> Vec<Asked> {
    ratios(SEQUENTIAL, table)
}

pub(super) fn in_flight(table: &Table) -> Vec<Asked> {
    ratios(IN_FLIGHT, table)
}

fn ratios(asked: &[Ratio], table: &Table) -> Vec<Asked> {
    let one = |(what, of, by, bound): &Ratio| Some(Asked::new(*what, table.ratio(*of, *by)?, *bound, "×"));
    asked.iter().filter_map(one).collect()
}

/// Tells all of it, and writes it down as a table of Markdown.
pub(super) fn tell(all: &[Asked]) -> Result<(), Stop> {
    let mut written = String::from("| | asked | got | |\n| --- | --- | --- | --- |\n");
    for one in all {
        let (mark, paint) = if one.is_met() { ("met", Paint::Good) } else { ("missed", Paint::Bad) };
        let (asked, got) = (one.asked(), one.got());
        tell::line(&format!("  {} {:<56} {asked:<12} {got}", tell::painted(paint, &format!("{mark:<6}")), one.what));
        written.push_str(&format!("| {} | {asked} | {got} | {mark} |\n", one.what));
    }
    let path = workspace::scratch().join("bench.md");
    std::fs::write(&path, written)?;
    tell::line(&format!("  also in {}", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_kept_at_its_very_number() {
        assert!(Asked::new("a", 2.0, Bound::AtMost(2.0), "×").is_met());
        assert!(!Asked::new("a", 2.01, Bound::AtMost(2.0), "×").is_met());
        assert!(Asked::new("a", 3.0, Bound::AtLeast(3.0), "×").is_met());
        assert!(!Asked::new("a", f64::NAN, Bound::AtLeast(3.0), "×").is_met());
        assert_eq!(Asked::new("a", 12.34, Bound::AtMost(15.0), "MiB").got(), "12.3 MiB");
    }
}
