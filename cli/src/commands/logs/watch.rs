//! `logs watch`: records as they are written.

use std::time::Duration;

use agentsecrets::logs::{self, Follow, Record};
use agentsecrets::{Home, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{names, request};
use crate::commands::OK;
use crate::commands::session::runtime;
use crate::render::{Failure, Outcome, Output};

/// How often the log is looked at: a record is seen soon, and an idle log costs nothing worth saying.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) fn run(home: &Home, output: &Output) -> Outcome {
    let mut follow = logs::follow(home)?;
    runtime()?.block_on(async {
        // Heard from here on, so that an interrupt while records are written ends as one between them.
        let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        if !output.is_json() {
            output.note("Records as they are written; Ctrl-C ends.");
        }
        loop {
            show_new(&mut follow, output)?;
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = interrupt.recv() => return Ok(OK),
                _ = terminate.recv() => return Ok(OK),
            }
        }
    })
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind)
        .map_err(|_| agentsecrets::Error::new(agentsecrets::ErrorCode::Internal, "signals cannot be listened to"))
}

fn show_new(follow: &mut Follow, output: &Output) -> Result<(), Failure> {
    while let Some(line) = follow.next_line()? {
        // The line of the log is JSON as it stands.
        if output.is_json() { output.raw_line(&line.text) } else { output.line(&sentence(&line.record)) }?;
    }
    Ok(())
}

fn sentence(record: &Record) -> String {
    let mut words = vec![record.time.get(..19).unwrap_or(&record.time).replace('T', " ")];
    words.push(record.outcome.map_or("begun", |outcome| outcome.as_str()).to_owned());
    words.extend(record.reason.as_ref().map(|reason| format!("({reason})")));
    words.push(names(&record.secrets));
    words.push(request(record));
    words.extend(record.status.map(|status| status.to_string()));
    words.extend(record.duration_ms.map(|ms| format!("{ms} ms")));
    words.retain(|word| !word.is_empty());
    words.join("  ")
}
