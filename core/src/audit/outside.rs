//! The end of the chain, noted where the home does not reach: in the journal of the system, or in its log.
//!
//! One line, `agentsecrets-anchor HOME SEQ HASH TIME`, of records that were synced: at most one a second, and one at
//! the end. Nothing is said where nobody listens: how old the newest line is tells what it is worth.

use std::io::{self, BufRead};

use jiff::Timestamp;
use uuid::Uuid;

use super::chain::Digest;
use super::state::Anchor;

const WORD: &str = "agentsecrets-anchor";
/// Longer lines are none of ours.
const LONGEST: u64 = 1 << 16;

/// A place that takes lines, and whose they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outside {
    /// The identity of the home.
    pub(crate) home: Uuid,
    /// How a line is told.
    pub(crate) way: Way,
    /// Where it is listened for, at a path of the system.
    pub(crate) socket: &'static str,
}

/// How a line is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Fields, a line each (systemd, "Native Journal Protocol").
    Journald,
    /// Priority 14, user and informational, and a tag (RFC 3164, section 4.1).
    Syslog,
}

impl Outside {
    /// The journal of systemd.
    pub(crate) fn journald(home: Uuid) -> Self {
        Self { home, way: Way::Journald, socket: "/run/systemd/journal/socket" }
    }

    /// The system's log.
    pub(crate) fn syslog(home: Uuid) -> Self {
        Self { home, way: Way::Syslog, socket: "/dev/log" }
    }

    /// Notes where the chain stands; says whether somebody took it.
    pub(super) fn note(&self, seq: u64, last: &Digest) -> bool {
        let hash = String::from_utf8_lossy(&last.hex()).into_owned();
        let line = format!("{WORD} {} {seq} {hash} {}", self.home, Timestamp::now());
        let text = match self.way {
            Way::Journald => format!("MESSAGE={line}\nPRIORITY=6\nSYSLOG_IDENTIFIER=agentsecrets\n"),
            Way::Syslog => format!("<14>agentsecrets: {line}"),
        };
        send(self.socket, text.as_bytes()).is_ok()
    }
}

/// Never waits: a listener that does not keep up misses a line.
#[cfg(unix)]
fn send(path: &str, text: &[u8]) -> io::Result<()> {
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to(text, path).map(drop)
}

#[cfg(not(unix))]
fn send(_: &str, _: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The anchors of a home in a text, wherever in a line they stand.
pub(crate) fn anchors_in(home: Uuid, mut text: impl BufRead) -> io::Result<Vec<Anchor>> {
    use std::io::Read as _;
    let (mut anchors, mut line) = (Vec::new(), Vec::new());
    while (&mut text).take(LONGEST).read_until(b'\n', &mut line)? > 0 {
        anchors.extend(std::str::from_utf8(&line).ok().and_then(|line| parse(home, line)));
        line.clear();
    }
    Ok(anchors)
}

fn parse(home: Uuid, line: &str) -> Option<Anchor> {
    let mut words = line.split(WORD).nth(1)?.split_ascii_whitespace();
    Uuid::try_parse(words.next()?).ok().filter(|of| *of == home)?;
    let seq = words.next()?.parse().ok()?;
    let hash = words.next().filter(|hash| Digest::parse(hash).is_some())?.to_owned();
    Some(Anchor { seq, hash, time: words.next()?.parse().ok()? })
}
