//! `proxy`: the local proxy of a home, for programs that take a base URL or speak HTTP by hand.

mod start;

use std::time::{Duration, Instant};

use agentsecrets::{Error, ErrorCode, Home, Result};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{OK, moment};
use crate::proxy::{Running, Session, read_log};
use crate::render::{Outcome, Output};

/// How long a proxy may take to end.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);

/// Start, stop or show the local proxy, for programs that take a base URL
#[derive(Subcommand)]
pub(crate) enum Proxy {
    /// Start the proxy in the background and print its port and session token
    Start(start::Start),
    /// Stop the proxy
    #[command(after_help = "Example:\n  agentsecrets proxy stop")]
    Stop,
    /// Say whether the proxy runs; with --json its session token too
    #[command(after_help = "Example:\n  agentsecrets proxy status --json")]
    Status,
    /// Show what went through the proxy: origins and statuses
    #[command(after_help = "Example:\n  agentsecrets proxy logs --last 50")]
    Logs {
        /// How many requests
        #[arg(long, value_name = "N", default_value_t = 20)]
        last: usize,
    },
}

impl Proxy {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let home = super::home()?;
        match self {
            Self::Start(start) => start.run(&home, output),
            Self::Stop => stop(&home, output),
            Self::Status => status(&home, output),
            Self::Logs { last } => logs(&home, *last, output),
        }
    }
}

fn stop(home: &Home, output: &Output) -> Outcome {
    let stopped = match Running::find(home)? {
        Running::Nobody(_) => false,
        Running::One(session) => {
            end(home, session.pid)?;
            true
        }
    };
    output.show(&json!({ "stopped": stopped }), |output| {
        output.line(if stopped { "Stopped." } else { "No proxy runs." })
    })?;
    Ok(OK)
}

/// Ends the process that holds the seat, and waits until it has left it.
fn end(home: &Home, pid: i32) -> Result<()> {
    let still = || Error::new(ErrorCode::Internal, "the proxy does not end").with_hint("agentsecrets proxy status");
    if pid <= 1 {
        return Err(still());
    }
    // SAFETY: kill reads no memory. The seat is held, so the number is that of the proxy that wrote it down.
    unsafe { libc::kill(pid, libc::SIGTERM) };
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        // Another start may have been quicker: then it is another process.
        match Running::find(home)? {
            Running::One(session) if session.pid == pid => std::thread::sleep(PAUSE),
            _ => return Ok(()),
        }
    }
    Err(still())
}

fn status(home: &Home, output: &Output) -> Outcome {
    let session = match Running::find(home)? {
        Running::Nobody(_) => None,
        Running::One(session) => Some(session),
    };
    let mut told = session.as_ref().map_or_else(|| json!({ "port": null, "session_token": null }), told);
    told["running"] = session.is_some().into();
    told["pid"] = session.as_ref().map(|it| it.pid).into();
    output.show(&told, |output| match &session {
        None => output.line("No proxy runs."),
        Some(it) => output.line(&format!("The proxy runs on http://127.0.0.1:{} as process {}.", it.port, it.pid)),
    })?;
    Ok(OK)
}

/// Where a proxy is, and what lets a program in.
fn told(session: &Session) -> Value {
    let mut told = json!({ "port": session.port, "session_token": session.session_token });
    if let Some(published) = &session.published {
        told["proxy"] = session.url().into();
        told["ca"] = published.ca.display().to_string().into();
        told["bundle"] = published.bundle.display().to_string().into();
    }
    told
}

fn logs(home: &Home, last: usize, output: &Output) -> Outcome {
    let entries = read_log(home, last)?;
    output.show(&entries, |output| {
        let rows = entries.iter().map(|it| {
            let of = |text: &Option<String>| text.clone().unwrap_or_default();
            let status = it.status.to_string();
            vec![moment(it.time), it.way.clone(), it.method.clone(), of(&it.origin), status, of(&it.error)]
        });
        output.table(&["time", "way", "method", "origin", "status", "error"], rows.collect())
    })?;
    Ok(OK)
}
