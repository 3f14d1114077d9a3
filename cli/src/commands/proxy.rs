//! `proxy`: the local proxy of a home, for programs that take a base URL or speak HTTP by hand.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use agentsecrets::{Error, ErrorCode, Home, Result};
use clap::{Args, Subcommand};
use serde_json::json;

use super::session::{client, runtime};
use super::{OK, moment};
use crate::args::Place;
use crate::proxy::{Choice, Running, Seat, Session, Token, read_log, serve};
use crate::render::{Outcome, Output};

/// The port unless another is named or it is taken.
const PORT: u16 = 8765;
/// How long a proxy may take to end.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);

/// Start, stop or show the local proxy, for programs that take a base URL
#[derive(Subcommand)]
pub(crate) enum Proxy {
    /// Start the proxy in the background and print its port and session token
    Start(Start),
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

/// How to start.
#[derive(Args)]
#[command(after_help = "Example:\n  agentsecrets proxy start --json\n  \
curl -H 'X-AS-Session-Token: TOKEN' -H 'Authorization: Bearer AS_SECRET_STRIPE_KEY' http://127.0.0.1:8765/to/api.stripe.com/v1/balance")]
pub(crate) struct Start {
    /// This port and no other (8765, or any free one, unless said)
    #[arg(long, value_name = "N", env = "AGENTSECRETS_PORT", hide_env_values = true)]
    port: Option<u16>,
    /// Stay in the foreground, until a signal ends it
    #[arg(long)]
    foreground: bool,
    #[command(flatten)]
    place: Place,
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

impl Start {
    fn run(&self, home: &Home, output: &Output) -> Outcome {
        let seat = match Running::find(home)? {
            Running::Nobody(seat) => seat,
            Running::One(session) => return self.running(&session, output),
        };
        let choice = self.choice(seat)?;
        let port = choice.listener.local_addr().map_err(|_| no_port())?.port();
        let token = choice.token.text().to_owned();
        if self.foreground {
            let output = Output::of_process(output.is_json());
            // Told when it answers and can be ended; that nobody reads it is no reason to end.
            serve(choice, Box::new(move || drop(tell(&output, port, &token))))?;
            return Ok(OK);
        }
        agentsecrets::owner::spawn(move |ready| serve(choice, ready))?.wait()?;
        tell(output, port, &token)?;
        Ok(OK)
    }

    /// What the proxy needs of this place, before it lets go of it.
    fn choice(&self, seat: Seat) -> Result<Choice> {
        let client = runtime()?.block_on(client(&self.place))?;
        Ok(Choice { seat, listener: bind(self.port)?, token: Token::make()?, client })
    }

    fn running(&self, session: &Session, output: &Output) -> Outcome {
        if self.foreground || self.port.is_some_and(|port| port != session.port) {
            let why = format!("a proxy of this home runs already, on port {}", session.port);
            return Err(Error::new(ErrorCode::InvalidCall, why).with_hint("agentsecrets proxy stop").into());
        }
        tell(output, session.port, &session.session_token)?;
        Ok(OK)
    }
}

fn tell(output: &Output, port: u16, token: &str) -> Result<(), crate::render::Failure> {
    output.show(&json!({ "port": port, "session_token": token }), |output| {
        output.pairs(&[("proxy", format!("http://127.0.0.1:{port}")), ("session token", token.to_owned())])
    })
}

fn bind(port: Option<u16>) -> Result<TcpListener> {
    let taken = |port| {
        Error::new(ErrorCode::InvalidCall, format!("port {port} cannot be used"))
            .with_hint("agentsecrets proxy start, without --port, takes a free one")
    };
    match port {
        Some(port) => TcpListener::bind(("127.0.0.1", port)).map_err(|_| taken(port)),
        None => TcpListener::bind(("127.0.0.1", PORT))
            .or_else(|_| TcpListener::bind(("127.0.0.1", 0)))
            .map_err(|_| no_port()),
    }
}

fn no_port() -> Error {
    Error::new(ErrorCode::Internal, "the system gives no port on 127.0.0.1 for the proxy")
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
    let told = match &session {
        None => json!({ "running": false, "port": null, "pid": null, "session_token": null }),
        Some(it) => json!({ "running": true, "port": it.port, "pid": it.pid, "session_token": it.session_token }),
    };
    output.show(&told, |output| match &session {
        None => output.line("No proxy runs."),
        Some(it) => output.line(&format!("The proxy runs on http://127.0.0.1:{} as process {}.", it.port, it.pid)),
    })?;
    Ok(OK)
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
