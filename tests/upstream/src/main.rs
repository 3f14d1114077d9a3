//! `upstream --dir DIR`: the same API for tests in other languages and for the demonstration.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agentsecrets_upstream::{Api, Certificate, Options, Protocol, Upstream};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

const USAGE: &str = "usage: upstream --dir DIR [--until-stdin-closes] [--demo] [--cleartext] [--http1 | --http2] \
[--name HOST]... [--bind ADDRESS:PORT] [--certificate valid|expired|wrong-name|unknown-authority] [--no-recording]";

struct Arguments {
    dir: PathBuf,
    options: Options,
    until_stdin_closes: bool,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(arguments) => match serve(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error.to_string(), 1),
        },
        Err(message) => complain(&format!("{message}\n{USAGE}"), 2),
    }
}

fn complain(message: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "upstream: {message}");
    ExitCode::from(code)
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut dir = None;
    let mut options = Options::new();
    let mut until_stdin_closes = false;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        options = match argument.as_str() {
            "--dir" => {
                dir = Some(PathBuf::from(value()?));
                options
            }
            "--until-stdin-closes" => {
                until_stdin_closes = true;
                options
            }
            "--demo" => options.api(Api::Demo),
            "--cleartext" => options.cleartext(true),
            "--http1" => options.protocol(Protocol::Http1),
            "--http2" => options.protocol(Protocol::Http2),
            "--name" => options.name(value()?),
            "--bind" => options.bind(value()?.parse().map_err(|_| "--bind needs ADDRESS:PORT".to_owned())?),
            "--certificate" => options.certificate(certificate(&value()?)?),
            "--no-recording" => options.recording(false),
            other => return Err(format!("{other} is unknown")),
        };
    }
    let dir = dir.ok_or("--dir is missing")?;
    Ok(Arguments { dir, options, until_stdin_closes })
}

fn certificate(name: &str) -> Result<Certificate, String> {
    Ok(match name {
        "valid" => Certificate::Valid,
        "expired" => Certificate::Expired,
        "wrong-name" => Certificate::WrongName,
        "unknown-authority" => Certificate::UnknownAuthority,
        other => return Err(format!("--certificate {other} is unknown")),
    })
}

fn serve(arguments: &Arguments) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Before `ready.json`: whoever reads it may send the signal at once.
    let (mut terminate, mut interrupt) = {
        let _entered = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let upstream = Upstream::start(&arguments.options)?;
    announce(&upstream, &arguments.dir)?;
    let (stdin_closed, closed) = oneshot::channel::<()>();
    if arguments.until_stdin_closes {
        // A plain thread: a runtime's own reader of standard input would hold the process open.
        std::thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock().take(u64::MAX), &mut io::sink());
            drop(stdin_closed);
        });
    } else {
        std::thread::spawn(move || {
            let _held = stdin_closed;
            loop {
                std::thread::park();
            }
        });
    }
    runtime.block_on(async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = closed => {}
        }
    });
    Ok(())
}

fn announce(upstream: &Upstream, dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let ready = json!({
        "https_port": upstream.port(),
        "http_port": upstream.http_port(),
        "pid": std::process::id(),
        "base_url": upstream.base_url(),
        "ca": dir.join("ca.pem"),
    });
    write_atomically(&dir.join("ca.pem"), upstream.ca_pem())?;
    write_atomically(&dir.join("ready.json"), &ready.to_string())?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{ready}")?;
    stdout.flush()
}

/// A reader sees the whole file or none.
fn write_atomically(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("partial");
    std::fs::write(&beside, text)?;
    std::fs::rename(beside, path)
}
