//! The files that other managers of secrets write, and which of them a file is.
//!
//! A file is taken for what its structure says, and for nothing where that is not plain: values under wrong names would be
//! worse than none.

mod doppler;
mod infisical;
mod json;
mod one_password;
mod source;
mod text;
mod vault;

use agentsecrets::{Error, ErrorCode, Result, SecretInput};
use clap::ValueEnum;

use crate::dotenv::{self, Entry, Parsed};
use json::{Kind, Node};
pub(crate) use source::Source;
use text::Text;

/// The kinds of file there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    /// Assignments, one a line
    Dotenv,
    /// `op item get --format json`, or the export.data of a 1PUX file
    #[value(name = "1password")]
    OnePassword,
    /// `doppler secrets download --no-file --format json`, or `doppler secrets --json`
    Doppler,
    /// `infisical export --format json`, or the secrets of its API
    Infisical,
    /// `vault kv get -format=json`, of either version
    Vault,
}

/// The formats that are JSON.
const MANAGERS: [Format; 4] = [Format::OnePassword, Format::Doppler, Format::Infisical, Format::Vault];

/// What a file has, still where it stands there.
#[derive(Default)]
struct Export<'a> {
    found: Vec<Found<'a>>,
    /// Remarks, without any value.
    warnings: Vec<String>,
    /// Whether values were left out that no entry stands for.
    partial: bool,
}

/// One value of an export.
struct Found<'a> {
    key: String,
    /// Where it stands, in bytes.
    at: usize,
    what: What<'a>,
}

/// What is done with a value.
enum What<'a> {
    Stored(Text<'a>),
    /// Left out for a reason, and how many bytes of it.
    Skipped(&'static str, usize),
}

impl<'a> Export<'a> {
    /// A value under a name, where it is a text.
    fn value(&mut self, key: String, node: &Node<'a>) {
        let what = match &node.kind {
            Kind::Text(text) => What::Stored(*text),
            Kind::Null => What::Skipped("it has no value", 0),
            Kind::Number => What::Skipped("it is a number, and no text", node.written),
            Kind::Boolean(_) => What::Skipped("it is true or false, and no text", node.written),
            Kind::List(_) | Kind::Map(_) => What::Skipped("it has values within it, and is no text", node.written),
        };
        self.found.push(Found { key, at: node.at, what });
    }

    /// A value that is left out.
    fn skip(&mut self, key: String, node: &Node<'a>, why: &'static str) {
        let empty = node.is_null() || node.text().is_some_and(|text| text.is(""));
        let length = if empty { 0 } else { node.written };
        self.found.push(Found { key, at: node.at, what: What::Skipped(why, length) });
    }

    /// Something that the manager says of itself: nothing is lost with it.
    fn aside(&mut self, key: String, node: &Node<'a>, why: &'static str) {
        self.found.push(Found { key, at: node.at, what: What::Skipped(why, 0) });
    }
}

impl Format {
    /// Whether documents are plainly of this format.
    fn recognises(self, documents: &[Node<'_>]) -> bool {
        match self {
            Self::Dotenv => false,
            Self::OnePassword => one_password::recognises(documents),
            Self::Doppler => only(documents).is_some_and(doppler::recognises),
            Self::Infisical => only(documents).is_some_and(infisical::recognises),
            Self::Vault => only(documents).is_some_and(vault::recognises),
        }
    }

    /// What documents of this format have; nothing where they are not of it.
    fn export<'a>(self, documents: &[Node<'a>]) -> Option<Export<'a>> {
        let mut export = Export::default();
        match self {
            Self::Dotenv => None,
            Self::OnePassword => one_password::read(documents, &mut export),
            Self::Doppler => doppler::read(only(documents)?, &mut export),
            Self::Infisical => infisical::read(only(documents)?, &mut export),
            Self::Vault => vault::read(only(documents)?, &mut export),
        }
        .map(|()| export)
    }

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Reads a file as what it is said to be, or as what its content says.
///
/// # Errors
/// `invalid_call` where it is not of the format, or of none that is plain.
pub(crate) fn parse(bytes: &[u8], format: Option<Format>) -> Result<Parsed> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let begins = text.trim_ascii_start().first().copied();
    if bytes.starts_with(b"PK\x03\x04") {
        return Err(
            unreadable("it is an archive").with_hint("unzip -p FILE.1pux export.data | agentsecrets secrets import -")
        );
    }
    match format {
        Some(Format::Dotenv) => return Ok(dotenv::parse(bytes)),
        None if !matches!(begins, Some(b'{' | b'[')) => return Ok(dotenv::parse(bytes)),
        _ => {}
    }
    let wrong = |at: usize, why: &str| {
        unreadable(&format!("it is no JSON from line {} on: {why}", line_of(text, at)))
            .with_hint("agentsecrets secrets import FILE --format dotenv  # where it is one")
    };
    let text = std::str::from_utf8(text).map_err(|error| wrong(error.valid_up_to(), "it is no UTF-8"))?;
    let documents = json::parse(text).map_err(|broken| wrong(broken.at, broken.why))?;
    let format = format.map_or_else(|| recognised(&documents), Ok)?;
    let export = format
        .export(&documents)
        .ok_or_else(|| unreadable(&format!("it has no values as {} exports them", format.name())).with_hint(HINT))?;
    Ok(entries(text.as_bytes(), export))
}

/// Where to read which commands' output is understood.
const HINT: &str = "agentsecrets secrets import --help  # which exports are read; --format says which one it is";

/// The one format that documents are plainly of.
fn recognised(documents: &[Node<'_>]) -> Result<Format> {
    let mut candidates = MANAGERS.into_iter().filter(|format| format.recognises(documents));
    match (candidates.next(), candidates.next()) {
        (Some(format), None) => Ok(format),
        _ => {
            let message = "it is JSON, and not plainly the export of a manager that is known";
            Err(unreadable(message)
                .with_hint("agentsecrets secrets import FILE --format doppler  # or 1password, infisical, vault"))
        }
    }
}

/// The entries of an export; here values leave the file.
fn entries(text: &[u8], export: Export<'_>) -> Parsed {
    let mut places: Vec<usize> = export.found.iter().map(|found| found.at).collect();
    let lines = lines_of(text, &mut places);
    let entry = |found: Found<'_>| {
        let line = places.binary_search(&found.at).ok().and_then(|place| lines.get(place)).copied().unwrap_or(1);
        match found.what {
            What::Skipped(why, length) => Entry { key: found.key, line, length, value: None, unfit: Some(why) },
            What::Stored(text) => {
                let bytes = text.bytes();
                let length = bytes.len();
                Entry { key: found.key, line, length, value: SecretInput::from_bytes(bytes).ok(), unfit: None }
            }
        }
    };
    Parsed {
        entries: export.found.into_iter().map(entry).collect(),
        warnings: export.warnings,
        complete: !export.partial,
    }
}

/// The line of each place, which are put in order.
fn lines_of(text: &[u8], places: &mut [usize]) -> Vec<usize> {
    places.sort_unstable();
    let (mut line, mut from) = (1, 0);
    let mut lines = Vec::with_capacity(places.len());
    for place in places {
        line += text[from..*place].iter().filter(|byte| **byte == b'\n').count();
        from = *place;
        lines.push(line);
    }
    lines
}

fn line_of(text: &[u8], at: usize) -> usize {
    1 + text[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

fn only<'n, 'a>(documents: &'n [Node<'a>]) -> Option<&'n Node<'a>> {
    if let [document] = documents { Some(document) } else { None }
}

fn unreadable(why: &str) -> Error {
    Error::new(ErrorCode::InvalidCall, format!("the file cannot be imported: {why}"))
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
