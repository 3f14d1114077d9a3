//! `cargo xtask demo`: the promise of this project, shown from the shell, Python and Node, and checked while it is shown.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::install;
use crate::run::{Run, Stop};
use crate::stage::{self, Profile};
use crate::tell::{self, Paint};
use crate::workspace;
use crate::world::{Said, World};

const NAME: &str = "DEMO_KEY";
/// A place that nobody has granted anything. It is refused before anything is looked up or sent.
const ELSEWHERE: &str = "https://collector.example";
/// Denied calls of each of the three faces: a destination and a slot.
const CODES: [&str; 2] = ["destination_not_allowed", "slot_not_allowed"];

pub(crate) fn command() -> ExitCode {
    let began = Instant::now();
    tell::line(&tell::painted(Paint::Bold, "A secret's name goes in, an authenticated response comes out."));
    match Run::start("demo", Duration::from_secs(30 * 60)).map_err(Stop::from).and_then(|run| show(&run)) {
        Ok(proofs) => {
            tell::heading(&format!("{proofs} things shown and checked in {:.0} s", began.elapsed().as_secs_f64()));
            tell::line("  What it is and how to use it: README.md. Everything else that is proven: cargo xtask test");
            ExitCode::SUCCESS
        }
        Err(Stop::Failed(why) | Stop::NotRun(why)) => {
            tell::bad(&format!("The demonstration did not go as it has to: {why}"));
            tell::line(&format!("  Log: {}", workspace::scratch().join("logs/demo.log").display()));
            ExitCode::FAILURE
        }
    }
}

/// What was shown and held.
struct Show {
    world: World,
    proofs: usize,
    calls: u64,
}

fn show(run: &Run) -> Result<usize, Stop> {
    let built = build(run)?;
    tell::heading("A world to throw away");
    let mut show = Show { world: make_world()?, proofs: 0, calls: 0 };
    tell::heading("From the shell");
    show.shell()?;
    tell::heading("From Python");
    show.agent(false, &built.python.0, &[Path::new("-I"), &built.python.1])?;
    tell::heading("From Node");
    show.agent(true, Path::new("node"), &[&built.node])?;
    tell::heading("What is left on record");
    show.record()?;
    tell::heading("The end");
    let id = show.world.broker().map_or_else(|| "?".to_owned(), |id| id.to_string());
    let gone = show.world.stop();
    let folder = show.world.home();
    let proofs = show.proofs;
    drop(show);
    prove(gone && !folder.exists(), &format!("The broker (process {id}) and the API have ended, the folder is gone"))?;
    Ok(proofs + 1)
}

/// Interpreter and script for Python, the script for Node.
struct Built {
    python: (PathBuf, PathBuf),
    node: PathBuf,
}

fn build(run: &Run) -> Result<Built, Stop> {
    tell::heading("Building (minutes the first time, seconds later)");
    tell::step("Executable, native modules for Python and Node, and the bundled API", || {
        // Cargo tells by itself how far it is.
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo).args(stage::cargo(Profile::Debug)).current_dir(workspace::root()).status()?;
        if status.success() { Ok(()) } else { Err(Stop::Failed("cargo could not build it".to_owned())) }
    })?;
    let environment = tell::step("Python package, in an environment of its own", || {
        let environment = install::bare_environment(run, "demo")?;
        stage::link_python(&environment, &stage::python(Profile::Debug)?)?;
        Ok(environment)
    })?;
    tell::step("Node package, its TypeScript compiled", || stage::node(run, Profile::Debug))?;
    let scripts = workspace::root().join("xtask/src/demo");
    Ok(Built { python: (environment.join("bin/python"), scripts.join("agent.py")), node: scripts.join("agent.mjs") })
}

fn make_world() -> Result<World, Stop> {
    let mut world = World::start(&Profile::Debug.executable(), &Profile::Debug.upstream(), &["--demo"])?;
    let origin = world.origin();
    tell::good(&format!("An API with real TLS and an authority of its own at {origin}"));
    tell::command("agentsecrets init --store file --unlock file:use.key");
    world.init()?;
    tell::good("A home in a temporary folder, its owner's passphrase random, the API's authority trusted");
    tell::command(&format!("agentsecrets secrets set {NAME}    # the value, random, on standard input"));
    world.store(NAME)?;
    tell::command(&format!("agentsecrets allow {NAME} {origin}"));
    let said = world.owner(&["allow", NAME, &origin])?;
    tell::quoted(said.out.trim_end());
    Ok(world)
}

impl Show {
    fn proven(&mut self, holds: bool, what: &str) -> Result<(), Stop> {
        prove(holds, what)?;
        self.proofs += 1;
        Ok(())
    }

    /// A call from the shell, as it would be typed and as it answers.
    fn call(&mut self, arguments: &[&str]) -> Result<Said, Stop> {
        tell::command(&format!("agentsecrets call {}", arguments.join(" ")));
        let said = self.world.run(self.world.cli(&[&["call"], arguments].concat()), b"")?;
        tell::quoted(said.out.trim_end());
        tell::quoted(said.err.trim_end());
        self.calls += 1;
        Ok(said)
    }

    fn shell(&mut self) -> Result<(), Stop> {
        let origin = self.world.origin();
        let url = |path: &str| format!("{origin}{path}");
        let said = self.call(&["--url", &url("/v1/account"), "--bearer", NAME])?;
        let fingerprint = self.world.fingerprint(NAME);
        let arrived = said.status.success() && said.json()["fingerprint"] == *fingerprint;
        self.proven(arrived, "The API got the right value: it shows the beginning of the value's SHA-256")?;
        let echo = self.call(&["--url", &url("/v1/echo"), "--bearer", NAME])?;
        let redacted = echo.status.success() && echo.out.contains(&marker()) && echo.err.contains(NAME);
        self.proven(redacted, "The API sent the value back, and it was taken out of the answer")?;
        let denied = self.call(&["--url", &format!("{ELSEWHERE}/v1/account"), "--bearer", NAME])?;
        self.proven(
            refused(&denied, &origin),
            "Another origin is refused, before anything is sent; a hint says what would allow it",
        )?;
        let denied = self.call(&["--url", &url("/v1/account"), "--query", &format!("key={NAME}")])?;
        self.proven(refused(&denied, &origin), "The right origin in a slot that was not granted is refused too")
    }

    /// The same from a program: what it prints is all that it could find out.
    fn agent(&mut self, is_node: bool, interpreter: &Path, before: &[&Path]) -> Result<(), Stop> {
        let origin = self.world.origin();
        let mut command = self.world.command(interpreter);
        command.args(before).arg(&origin);
        if is_node {
            command.arg(workspace::root().join("node"));
        }
        for shown in snippet(is_node) {
            tell::line(&format!("    {}", tell::painted(Paint::Name, shown)));
        }
        let said = self.world.succeed(command, b"")?;
        let answer = said.json();
        self.calls += 5;
        let fingerprint = self.world.fingerprint(NAME);
        tell::quoted(&answer["account"].to_string());
        let arrived = ["account", "charge"].iter().all(|call| answer[*call]["fingerprint"] == *fingerprint);
        self.proven(
            arrived && answer["isolation"] == "broker",
            "Two calls through the same broker; the API got the right value",
        )?;
        let echo = answer["echo"].as_str().unwrap_or_default();
        let redacted = echo.contains(&marker()) && answer["redacted"] == serde_json::json!([NAME]);
        self.proven(
            redacted,
            &format!("The echoed value was taken out; the answer says so: redacted = {}", answer["redacted"]),
        )?;
        let refusals = answer["refused"].as_array().map(Vec::as_slice).unwrap_or_default();
        for refusal in refusals {
            tell::quoted(&told(refusal));
        }
        let codes: Vec<&str> = refusals.iter().filter_map(|refusal| refusal["code"].as_str()).collect();
        let hinted =
            refusals.iter().all(|refusal| refusal["hint"].as_str().is_some_and(|hint| hint.contains("agentsecrets ")));
        self.proven(
            codes == CODES && hinted,
            "The ungranted origin and the ungranted slot are refused, each with its hint",
        )
    }

    fn record(&mut self) -> Result<(), Stop> {
        tell::command("agentsecrets logs");
        let listed = self.world.succeed(self.world.cli(&["logs"]), b"")?;
        tell::quoted(listed.out.trim_end());
        tell::command("agentsecrets logs verify --full");
        let verified = self.world.owner(&["logs", "verify", "--full"])?;
        tell::quoted(verified.out.trim_end());
        let entries = self.world.succeed(self.world.cli(&["logs", "list", "--last", "100", "--json"]), b"")?.json();
        let outcome =
            |wanted: &str| entries.as_array().into_iter().flatten().filter(|it| it["outcome"] == wanted).count();
        let (ok, denied) = (outcome("ok") as u64, outcome("denied") as u64);
        self.proven(
            ok + denied == self.calls && denied == 6,
            &format!("Every call is on record ({ok} made, {denied} refused), and the chain is whole"),
        )?;
        let found = self.world.files_with_values()?;
        self.proven(found.is_empty(), "No file of the home holds the value, and no program has printed it")
    }
}

/// What redaction leaves in a value's place.
fn marker() -> String {
    format!("[REDACTED:{NAME}]")
}

fn refused(said: &Said, origin: &str) -> bool {
    said.status.code() == Some(3)
        && said.err.contains("hint")
        && (said.err.contains(origin) || said.err.contains(ELSEWHERE))
}

fn told(refusal: &Value) -> String {
    let text = |name: &str| refusal[name].as_str().and_then(|text| text.lines().next()).unwrap_or_default();
    // Python's message says the code by itself.
    let message = text("message").trim_start_matches(text("code")).trim_start_matches(": ");
    format!("{}: {message}\nhint: {}", text("code"), text("hint"))
}

fn snippet(is_node: bool) -> &'static [&'static str] {
    if is_node {
        &["const client = new AgentSecrets();", "const account = await client.call(url, { bearer: \"DEMO_KEY\" });"]
    } else {
        &["with AgentSecrets() as client:", "    account = client.call(url, bearer=\"DEMO_KEY\")"]
    }
}

fn prove(holds: bool, what: &str) -> Result<(), Stop> {
    if holds {
        tell::good(what);
        return Ok(());
    }
    Err(Stop::Failed(format!("this did not hold: {what}")))
}
