//! One line of the log: written by hand into a reused buffer, read back into a [`Record`].

use std::io::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::chain::Digest;
use super::event::{AgentName, Ended, Event, Identity, Isolation, Outcome};
use crate::secret_ref::{Label, SecretName};

/// Which of the two records of a call this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Written before a value is resolved.
    Begun,
    /// Written when the call is over.
    Ended,
}

/// A record as it stands in the log. What a later version may add words to is text here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[allow(missing_docs)] // The names are those of the audit record, told in the module's documentation and the user guide.
pub struct Record {
    pub id: String,
    pub call: String,
    pub phase: Phase,
    pub prev: String,
    pub time: String,
    pub act: String,
    pub agent: Option<AgentName>,
    pub identity: Identity,
    pub isolation: Isolation,
    pub workspace: Option<Label>,
    pub project: Option<Label>,
    pub environment: Option<Label>,
    pub secrets: Vec<SecretName>,
    pub styles: Vec<String>,
    pub method: Option<String>,
    pub origin: Option<String>,
    pub path: Option<String>,
    pub status: Option<u16>,
    pub outcome: Option<Outcome>,
    pub reason: Option<String>,
    pub redacted: Vec<SecretName>,
    pub duration_ms: Option<u64>,
    pub mac: String,
}

impl Record {
    /// Reads a line, with or without its line feed.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// When it was written, by the clock of the machine.
    #[must_use]
    pub fn written_at(&self) -> Option<Timestamp> {
        self.time.parse().ok()
    }
}

/// The `act` of a record that stands for those that were lost when the machine went down.
pub(super) const TAIL_LOST: &str = "tail_lost";

/// What binds a line to its place.
#[derive(Deserialize)]
pub(super) struct Links<'a> {
    pub(super) id: &'a str,
    pub(super) call: &'a str,
    pub(super) phase: Phase,
    prev: &'a str,
    act: &'a str,
}

impl<'a> Links<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    pub(super) fn place(&self) -> Option<u64> {
        Uuid::try_parse(self.id).ok().map(low_bits)
    }

    /// Whether it stands for records that were lost when the machine went down.
    pub(super) fn is_loss(&self) -> bool {
        self.act == TAIL_LOST
    }

    /// Whether it records a change of the deny overlay.
    pub(super) fn is_deny(&self) -> bool {
        matches!(self.act, "deny" | "deny_lifted")
    }

    pub(super) fn prev(&self) -> Option<Digest> {
        Digest::parse(self.prev)
    }
}

/// The lowest 48 bits of an id: the place of a record, the writer of a call.
#[allow(clippy::cast_possible_truncation)] // 48 bits fit.
pub(super) fn low_bits(id: Uuid) -> u64 {
    (id.as_u128() & ((1 << 48) - 1)) as u64
}

/// A version 7 UUID: milliseconds, 26 bits that tell ids of one millisecond apart, and 48 bits with a meaning.
pub(super) fn make_id(unix_ms: u64, apart: u64, low: u64) -> Uuid {
    let (ms, apart, low) = (u128::from(unix_ms) & 0xffff_ffff_ffff, u128::from(apart), u128::from(low));
    let version = 7 << 76 | ((apart >> 14) & 0xfff) << 64;
    let variant = 0b10 << 62 | (apart & 0x3fff) << 48;
    Uuid::from_u128(ms << 80 | version | variant | (low & 0xffff_ffff_ffff))
}

/// What the two records of a call share, from `act` to `path`.
pub(super) fn write_event(act: &str, event: &Event) -> String {
    let mut out = Vec::with_capacity(384);
    text(&mut out, "act", Some(act));
    text(&mut out, "agent", event.agent.as_ref().map(AgentName::as_str));
    text(&mut out, "identity", Some(event.identity.as_str()));
    text(&mut out, "isolation", Some(event.isolation.as_str()));
    text(&mut out, "workspace", event.workspace.as_ref().map(Label::as_str));
    text(&mut out, "project", event.project.as_ref().map(Label::as_str));
    text(&mut out, "environment", event.environment.as_ref().map(Label::as_str));
    list(&mut out, "secrets", event.secrets.iter().map(SecretName::as_str));
    list(&mut out, "styles", event.styles.iter().map(|style| style.as_str()));
    text(&mut out, "method", event.method.map(|method| method.as_str()));
    text(&mut out, "origin", event.origin.as_ref().map(ToString::to_string).as_deref());
    text(&mut out, "path", event.path.as_ref().map(|path| path.as_str()));
    String::from_utf8(out).expect("made of texts")
}

/// The same part of a line already in the log, byte for byte.
pub(super) fn event_part(line: &str) -> Option<&str> {
    let from = line.find(",\"act\":")?;
    // Inside a JSON string the quotes would be escaped, so this is the field itself.
    let to = line.find(",\"status\":")?;
    line.get(from..to)
}

/// The part before the event.
pub(super) fn write_head(out: &mut Vec<u8>, id: Uuid, call: Uuid, phase: Phase, prev: &Digest, time: Time<'_>) {
    let mut buffer = Uuid::encode_buffer();
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(id.hyphenated().encode_lower(&mut buffer).as_bytes());
    out.extend_from_slice(b"\",\"call\":\"");
    out.extend_from_slice(call.hyphenated().encode_lower(&mut buffer).as_bytes());
    out.extend_from_slice(match phase {
        Phase::Begun => b"\",\"phase\":\"begun\",\"prev\":\"",
        Phase::Ended => b"\",\"phase\":\"ended\",\"prev\":\"",
    });
    out.extend_from_slice(&prev.hex());
    out.extend_from_slice(b"\",\"time\":\"");
    out.extend_from_slice(time.second.as_bytes());
    let _ = write!(out, ".{:03}Z\"", time.millisecond); // A Vec takes everything.
}

/// The part after the event, without `mac`.
pub(super) fn write_end(out: &mut Vec<u8>, ended: Option<&Ended>) {
    let Some(ended) = ended else {
        out.extend_from_slice(
            b",\"status\":null,\"outcome\":null,\"reason\":null,\"redacted\":[],\"duration_ms\":null",
        );
        return;
    };
    number(out, "status", ended.status.map(u64::from));
    text(out, "outcome", Some(ended.outcome.as_str()));
    text(out, "reason", ended.reason.map(|reason| reason.as_str()));
    list(out, "redacted", ended.redacted.iter().map(SecretName::as_str));
    number(out, "duration_ms", ended.duration_ms);
}

/// A time as RFC 3339 wants it: `2026-11-23T21:00:00` and what follows the point.
#[derive(Clone, Copy)]
pub(super) struct Time<'a> {
    pub(super) second: &'a str,
    pub(super) millisecond: u64,
}

fn text(out: &mut Vec<u8>, field: &str, value: Option<&str>) {
    key(out, field);
    match value {
        Some(value) => string(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

fn number(out: &mut Vec<u8>, field: &str, value: Option<u64>) {
    key(out, field);
    let _ = match value {
        Some(value) => write!(out, "{value}"),
        None => write!(out, "null"),
    };
}

fn list<'a>(out: &mut Vec<u8>, field: &str, values: impl Iterator<Item = &'a str>) {
    key(out, field);
    out.push(b'[');
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string(out, value);
    }
    out.push(b']');
}

fn key(out: &mut Vec<u8>, field: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(b"\":");
}

fn string(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => {
                let _ = write!(out, "\\u{byte:04x}");
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
