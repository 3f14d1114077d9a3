//! `logs verify`: whether the log is what was written.

use std::path::Path;

use agentsecrets::logs::{self, Verdict};
use agentsecrets::{Error, ErrorCode, Home, Result};

use crate::args::{Passphrase, Place};
use crate::commands::broker::is_listening;
use crate::commands::session::Session;
use crate::commands::{FAILED, OK};
use crate::render::{Outcome, Output, Paint};

pub(super) fn run(home: &Home, full: bool, file: Option<&Path>, passphrase: &Passphrase, output: &Output) -> Outcome {
    let noted = file.map(|file| read(home, file)).transpose()?;
    let with_owner = full || passphrase.passphrase_fd.is_some();
    let verdict = if with_owner {
        let mut session = Session::with_owner(&Place::default(), passphrase.passphrase_fd)?;
        let anchors = anchor(home, &session)?.into_iter().chain(noted.iter().flatten().cloned()).collect();
        session.owner()?.verify_logs(anchors)?
    } else {
        let anchor = if is_listening(home) {
            let session = Session::open(&Place::default())?;
            anchor(home, &session)?
        } else {
            None
        };
        logs::verify(home, anchor.iter().chain(noted.iter().flatten()))?
    };
    output.show(&verdict, |output| tell(output, &verdict, noted.as_deref()))?;
    Ok(if verdict.ok { OK } else { FAILED })
}

/// What a running broker remembers of the log's end; none is started for it.
fn anchor(home: &Home, session: &Session) -> Result<Option<logs::Anchor>> {
    if !is_listening(home) {
        return Ok(None);
    }
    session.wait(session.client.audit_anchor()).map(Some)
}

/// The anchors of a text from outside the home. One without any would compare nothing and look as if it had.
fn read(home: &Home, file: &Path) -> Result<Vec<logs::Anchor>> {
    let anchors = if file == Path::new("-") {
        logs::anchors_in(home, std::io::stdin().lock())?
    } else {
        let opened = std::fs::File::open(file)
            .map_err(|why| Error::new(ErrorCode::InvalidCall, format!("the anchors cannot be read: {}", why.kind())))?;
        logs::anchors_in(home, std::io::BufReader::new(opened))?
    };
    if anchors.is_empty() {
        return Err(Error::new(ErrorCode::InvalidCall, "the text holds no anchor of this home")
            .with_hint("agentsecrets logs settings  # where the end of the log is noted"));
    }
    Ok(anchors)
}

fn tell(output: &Output, verdict: &Verdict, noted: Option<&[logs::Anchor]>) -> std::io::Result<()> {
    match &verdict.first_bad {
        None => {
            let head = output.painted(Paint::Good, "The log is whole");
            let macs =
                if verdict.macs_checked { "chain and every MAC" } else { "chain and counter; --full checks every MAC" };
            output.raw_line(&format!("{head}: {} records in {} files, {macs}.", verdict.records, verdict.segments))?;
        }
        Some(bad) => {
            let head = output.painted(Paint::Bad, "The log is not what was written");
            let id = bad.id.as_deref().unwrap_or("without id");
            output.raw_line(&format!("{head}: record {id}, {} line {}: {}", bad.file, bad.line, bad.why))?;
        }
    }
    if verdict.tail_lost_in_crash > 0 {
        output.line(&format!(
            "Lost when the machine went down, before the disk had them: {} records.",
            verdict.tail_lost_in_crash
        ))?;
    }
    match verdict.anchor_age_ms {
        Some(age) if noted.is_some() => output.line(&format!(
            "Compared with {} anchors from outside the home, the newest known taken {} s ago.",
            noted.map_or(0, <[_]>::len),
            age / 1000
        )),
        Some(age) => output.line(&format!("Compared with what the broker remembered {} s ago.", age / 1000)),
        None => output.line("No anchor: no broker runs that could remember more than the files say."),
    }
}
