//! `logs verify`: whether the log is what was written.

use agentsecrets::logs::{self, Verdict};
use agentsecrets::{Home, Result};

use crate::args::{Passphrase, Place};
use crate::commands::broker::is_listening;
use crate::commands::session::Session;
use crate::commands::{FAILED, OK};
use crate::render::{Outcome, Output, Paint};

pub(super) fn run(home: &Home, full: bool, passphrase: &Passphrase, output: &Output) -> Outcome {
    let with_owner = full || passphrase.passphrase_fd.is_some();
    let verdict = if with_owner {
        let mut session = Session::with_owner(&Place::default(), passphrase.passphrase_fd)?;
        let anchor = anchor(home, &session)?;
        session.owner()?.verify_logs(anchor)?
    } else {
        let anchor = if is_listening(home) {
            let session = Session::open(&Place::default())?;
            anchor(home, &session)?
        } else {
            None
        };
        logs::verify(home, anchor.as_ref())?
    };
    output.show(&verdict, |output| tell(output, &verdict))?;
    Ok(if verdict.ok { OK } else { FAILED })
}

/// What a running broker remembers of the log's end; none is started for it.
fn anchor(home: &Home, session: &Session) -> Result<Option<logs::Anchor>> {
    if !is_listening(home) {
        return Ok(None);
    }
    session.wait(session.client.audit_anchor()).map(Some)
}

fn tell(output: &Output, verdict: &Verdict) -> std::io::Result<()> {
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
        Some(age) => output.line(&format!("Compared with what the broker remembered {} s ago.", age / 1000)),
        None => output.line("No anchor: no broker runs that could remember more than the files say."),
    }
}
