//! `cargo xtask bench`: ratios to plain clients, from one interleaved run. What it prints is never a test.

mod around;
mod asked;
mod memory;
mod table;
pub(crate) mod team;
mod workers;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::install;
use crate::run::{Run, Stop};
use crate::stage::{self, Profile};
use crate::tell;
use crate::workspace;
use crate::world::World;

use asked::{Asked, Bound};
use table::{Contender, Table, contender};
use workers::{Host, Server, Workers};

/// The first is what the others are measured by.
const SEQUENTIAL: &[Contender] = &[
    contender(Host::Rust, "reqwest", "Rust reqwest", 1000),
    contender(Host::Rust, "in-process", "Rust agentsecrets, in-process", 1000),
    contender(Host::Rust, "broker", "Rust agentsecrets, broker", 600),
    contender(Host::Python, "in-process", "Python agentsecrets, in-process", 1000),
    contender(Host::Python, "broker", "Python agentsecrets, broker", 600),
    contender(Host::Asyncio, "async-in-process", "Python agentsecrets async, in-process", 400),
    contender(Host::Python, "httpx", "Python httpx", 150),
    contender(Host::Python, "requests", "Python requests", 150),
    contender(Host::Node, "in-process", "Node agentsecrets, in-process", 600),
    contender(Host::Node, "broker", "Node agentsecrets, broker", 600),
    contender(Host::Node, "undici", "Node undici.request", 400),
    contender(Host::Node, "fetch", "Node fetch", 300),
];

const IN_FLIGHT: &[Contender] = &[
    contender(Host::Rust, "reqwest", "Rust reqwest", 4000),
    contender(Host::Rust, "in-process", "Rust agentsecrets, in-process", 4000),
    contender(Host::Rust, "broker", "Rust agentsecrets, broker", 3000),
    contender(Host::Asyncio, "async-in-process", "Python agentsecrets async, in-process", 3000),
    contender(Host::Asyncio, "async-broker", "Python agentsecrets async, broker", 3000),
    contender(Host::Asyncio, "aiohttp", "Python aiohttp", 1500),
    contender(Host::Asyncio, "async-httpx", "Python httpx.AsyncClient", 128),
    contender(Host::Node, "in-process", "Node agentsecrets, in-process", 3000),
    contender(Host::Node, "broker", "Node agentsecrets, broker", 3000),
    contender(Host::Node, "undici", "Node undici.request", 1500),
    contender(Host::Node, "fetch", "Node fetch", 1000),
];

const FIRST_EVENT: &[Contender] = &[
    contender(Host::Rust, "reqwest/first-event", "Rust reqwest", 60),
    contender(Host::Rust, "in-process/first-event", "Rust agentsecrets, in-process", 60),
    contender(Host::Rust, "broker/first-event", "Rust agentsecrets, broker", 60),
];

/// Where everything lies that is measured.
struct Built {
    bench: PathBuf,
    python: PathBuf,
    node_package: PathBuf,
    undici: PathBuf,
}

pub(crate) fn command(quick: bool) -> ExitCode {
    match Run::start("bench", Duration::from_secs(30 * 60)).map_err(Stop::from).and_then(|run| all(&run, quick)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Failed(why) | Stop::NotRun(why)) => {
            tell::bad(&format!("{why} (log: {})", workspace::scratch().join("logs/bench.log").display()));
            ExitCode::FAILURE
        }
    }
}

fn all(run: &Run, quick: bool) -> Result<(), Stop> {
    tell::heading("Building as it is shipped");
    let built = tell::step("Executable, native modules and the bench, released", || build(run))?;
    tell::heading("What is measured");
    around::versions(&built);
    let rounds = if quick { 3 } else { 11 };
    let server = Server::start(&built.bench)?;
    let world = world(&server.url)?;
    let mut workers = Workers::start(&built, &world, &server.url)?;
    tell::heading(&format!("One call after the other, {rounds} interleaved rounds"));
    let mut all = asked::sequential(&Table::measure(&mut workers, SEQUENTIAL, 1, rounds)?);
    tell::heading(&format!("64 in flight, {rounds} interleaved rounds"));
    all.extend(asked::in_flight(&Table::measure(&mut workers, IN_FLIGHT, 64, rounds)?));
    tell::heading("The first event of a stream, whose second comes 3 ms later");
    all.extend(first_event(&Table::measure(&mut workers, FIRST_EVENT, 1, rounds)?));
    all.extend(memory::rows(&mut workers, &world)?);
    drop(workers);
    tell::heading("Import and first call, milliseconds");
    all.extend(around::imports(&built, &world, &server.url, if quick { 3 } else { 9 })?);
    tell::heading("Parts");
    let parts = world.succeed(arguments(&built.bench, "parts"), b"")?;
    for line in parts.out.lines() {
        tell::line(&format!("  {}", line.replace('\t', "  ")));
    }
    all.extend(around::sizes()?);
    tell::heading("Asked and got");
    asked::tell(&all)
}

/// What is added to the time to the first event.
fn first_event(table: &Table) -> Vec<Asked> {
    let more = |name| table.more((Host::Rust, name), (Host::Rust, "reqwest/first-event"));
    let row = |what, name| Some(Asked::new(what, more(name)?, Bound::AtMost(100.0), "µs"));
    let rows = [
        row("first event of a stream, added in-process", "in-process/first-event"),
        row("first event of a stream, added by the broker", "broker/first-event"),
    ];
    rows.into_iter().flatten().collect()
}

fn build(run: &Run) -> Result<Built, Stop> {
    run.cargo().args(stage::cargo(Profile::Release)).args(["--package", "agentsecrets-bench"]).run()?;
    let folder = workspace::root().join("tests/bench");
    let bin = install::venv(run, "bench", &folder.join("requirements.txt"))?;
    stage::link_python(bin.parent().unwrap_or(&bin), &stage::python(Profile::Release)?)?;
    let node_package = stage::node(run, Profile::Release)?;
    let peers = workspace::scratch().join("bench-node");
    std::fs::create_dir_all(&peers)?;
    std::fs::copy(folder.join("package.json"), peers.join("package.json"))?;
    install::npm(run, &peers)?;
    Ok(Built {
        bench: Profile::Release.folder().join("bench"),
        python: bin.join("python"),
        node_package,
        undici: peers.join("node_modules/undici"),
    })
}

fn arguments(program: &std::path::Path, argument: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(argument);
    command
}

/// A home with ten secrets, each granted to the API.
fn world(url: &str) -> Result<World, Stop> {
    tell::step("A home with ten secrets, granted to the API", || {
        let mut world = World::start(&Profile::Release.executable(), &Profile::Release.upstream(), &["--demo"])?;
        world.init()?;
        for number in 0..10 {
            let name = format!("KEY_{number}");
            world.store(&name)?;
            world.owner(&["allow", &name, url.trim_end_matches('/')])?;
        }
        Ok(world)
    })
}

/// The value below which this share of them lies.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of a short list")]
    let at = (last as f64 * share).round() as usize;
    sorted[at.min(last)]
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!([0.0, 0.5, 1.0].map(|share| quantile(&values, share)), [1.0, 3.0, 5.0]);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
