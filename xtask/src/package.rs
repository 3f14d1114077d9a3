//! `cargo xtask package`: the wheel, the npm tarballs and the executable, installed into fresh environments and tried.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use tempfile::TempDir;

use crate::install;
use crate::run::{Run, Stop};
use crate::stage::{self, Profile};
use crate::tell;
use crate::workspace;
use crate::world::World;

/// The platform that this builds for, as npm calls it.
const PLATFORM: &str = "linux-x64-gnu";
const MIB: u64 = 1024 * 1024;

/// What lies in `dist`.
pub(crate) struct Packages {
    pub(crate) executable: PathBuf,
    pub(crate) wheel: PathBuf,
    pub(crate) npm: PathBuf,
    pub(crate) npm_platform: PathBuf,
}

impl Packages {
    /// Each with what `performance.md` allows it.
    fn limits(&self) -> [(&'static str, &Path, u64); 4] {
        [
            ("wheel", &self.wheel, 10 * MIB),
            ("npm platform package", &self.npm_platform, 10 * MIB),
            ("npm package", &self.npm, MIB),
            ("executable", &self.executable, 15 * MIB),
        ]
    }
}

pub(crate) fn command(profile: Profile) -> ExitCode {
    let limit = Duration::from_secs(40 * 60);
    let done = Run::start("package", limit).map_err(Stop::from).and_then(|run| {
        tell::heading("Making the packages");
        let packages =
            tell::step("Building (minutes for a release)", || make(&run, profile, &workspace::root().join("dist")))?;
        tell::heading("Installing them where nothing else is");
        let told = tell::step("Wheel and npm packages, each with a brokered call", || prove(&run, profile, &packages))?;
        tell::good(&told);
        tell::heading("Sizes");
        sizes(profile, &packages)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Failed(why)) => {
            tell::bad(&format!("{why} (log: {})", workspace::scratch().join("logs/package.log").display()));
            ExitCode::FAILURE
        }
        Err(Stop::NotRun(why)) => {
            tell::bad(&format!("NOT RUN: {why}"));
            ExitCode::from(3)
        }
    }
}

/// Prints the sizes; a release over its limit is an error.
fn sizes(profile: Profile, packages: &Packages) -> Result<(), Stop> {
    let mut over = Vec::new();
    for (name, path, limit) in packages.limits() {
        let size = path.metadata()?.len();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        // In hundredths, so that no digit is lost.
        let told = |bytes: u64| format!("{}.{:02} MiB", bytes / MIB, bytes % MIB * 100 / MIB);
        tell::line(&format!("  {name:<22} {:>11} of {:>11}   {file}", told(size), told(limit)));
        if size > limit {
            over.push(name);
        }
    }
    match profile {
        Profile::Release if !over.is_empty() => Err(Stop::Failed(format!("too large: {}", over.join(", ")))),
        _ => Ok(()),
    }
}

/// Builds everything and leaves it in `dist`, which holds nothing else afterwards.
pub(crate) fn make(run: &Run, profile: Profile, dist: &Path) -> Result<Packages, Stop> {
    if profile == Profile::Release {
        run.cargo().args(stage::cargo(profile)).run()?;
    }
    if dist.is_dir() {
        std::fs::remove_dir_all(dist)?;
    }
    std::fs::create_dir_all(dist)?;
    let executable = dist.join("agentsecrets");
    stage::place(&profile.executable(), &executable)?;
    wheel(run, profile, dist)?;
    npm(run, profile, dist)?;
    Ok(Packages {
        executable,
        wheel: only(dist, ".whl")?,
        npm_platform: only(dist, &format!("{PLATFORM}-{}.tgz", env!("CARGO_PKG_VERSION")))?,
        npm: dist.join(format!("agentsecrets-{}.tgz", env!("CARGO_PKG_VERSION"))),
    })
}

/// The wheel, with the real executable among its scripts.
fn wheel(run: &Run, profile: Profile, dist: &Path) -> Result<(), Stop> {
    let folder = workspace::root().join("python");
    let bin = install::venv(run, "python", &folder.join("requirements-dev.txt"))?;
    stage::place(&profile.executable(), &folder.join("agentsecrets.data/scripts/agentsecrets"))?;
    // What a debug build carries would make its wheel slow to pack.
    let arguments: &[&str] = match profile {
        Profile::Release => &["--release"],
        Profile::Debug => &["--profile", "dev", "--strip"],
    };
    run.step(bin.join("maturin"))
        .args(["build", "--locked", "--out"])
        .args([dist])
        .args(["--interpreter"])
        .args([bin.join("python")])
        .args(arguments)
        .dir(&folder)
        .run()
}

fn npm(run: &Run, profile: Profile, dist: &Path) -> Result<(), Stop> {
    let folder = stage::node(run, profile)?;
    let platform = folder.join("npm").join(PLATFORM);
    stage::place(&profile.folder().join("libagentsecrets_node.so"), &platform.join("agentsecrets.node"))?;
    stage::place(&profile.executable(), &platform.join("agentsecrets"))?;
    for package in [&folder, &platform] {
        run.step("npm").args(["pack", "--loglevel=error", "--pack-destination"]).args([dist]).dir(package).run()?;
    }
    Ok(())
}

fn only(folder: &Path, ending: &str) -> Result<PathBuf, Stop> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        found.extend(Some(entry?.path()).filter(|path| path.to_string_lossy().ends_with(ending)));
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(Stop::Failed(format!("{} files end in {ending} in {}", found.len(), folder.display()))),
    }
}

/// Installs them into fresh environments, from `dist` alone, and makes calls through a broker of the installed kind.
pub(crate) fn prove(run: &Run, profile: Profile, packages: &Packages) -> Result<String, Stop> {
    let fresh = tempfile::tempdir()?;
    let upstream = profile.upstream();
    let python = python(run, &fresh, packages)?;
    let agent = workspace::root().join("xtask/src/demo/agent.py");
    let script = [Path::new("-I").to_owned(), agent];
    brokered(&python.with_file_name("agentsecrets"), &upstream, &python, &script, None)?;
    let node = node(run, &fresh, packages)?;
    let script = [workspace::root().join("xtask/src/demo/agent.mjs")];
    let package = node.join("node_modules/agentsecrets");
    brokered(&node.join("node_modules/.bin/agentsecrets"), &upstream, Path::new("node"), &script, Some(&package))?;
    Ok("installed from dist alone, `agentsecrets --version`, import, brokered calls by the broker of each package"
        .to_owned())
}

/// The interpreter of a fresh virtual environment with the wheel.
fn python(run: &Run, fresh: &TempDir, packages: &Packages) -> Result<PathBuf, Stop> {
    let folder = fresh.path().join("python");
    install::with_pip(run)?;
    run.step("python3").args(["-m", "venv"]).args([&folder]).run()?;
    let python = folder.join("bin/python");
    run.step(&python)
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-index"])
        .args([&packages.wheel])
        .run()?;
    Ok(python)
}

/// A fresh folder with the npm packages.
fn node(run: &Run, fresh: &TempDir, packages: &Packages) -> Result<PathBuf, Stop> {
    let folder = fresh.path().join("node");
    std::fs::create_dir(&folder)?;
    std::fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
    run.step("npm")
        .args(["install", "--offline", "--no-audit", "--no-fund", "--loglevel=error"])
        .args([&packages.npm, &packages.npm_platform])
        .dir(&folder)
        .run()?;
    Ok(folder)
}

/// Makes a home with the installed executable, and calls from the installed package; the package has to start the broker
/// that it carries itself.
fn brokered(
    executable: &Path,
    upstream: &Path,
    interpreter: &Path,
    script: &[PathBuf],
    package: Option<&Path>,
) -> Result<(), Stop> {
    let mut world = World::start(executable, upstream, &["--demo"])?;
    let version = world.succeed(world.cli(&["--version"]), b"")?.out;
    if version.trim() != format!("agentsecrets {}", env!("CARGO_PKG_VERSION")) {
        return Err(Stop::Failed(format!("the installed executable says it is {version}")));
    }
    world.init()?;
    world.store("DEMO_KEY")?;
    let origin = world.origin();
    world.owner(&["allow", "DEMO_KEY", &origin])?;
    world.succeed(world.cli(&["broker", "stop"]), b"")?;
    let mut command = world.command(interpreter);
    command.args(script).arg(&origin).args(package);
    let said = world.succeed(command, b"")?.json();
    let broker = world.broker().ok_or_else(|| Stop::Failed("no broker runs after the calls".to_owned()))?;
    let started = std::fs::read_link(format!("/proc/{broker}/exe"))?;
    let carried = match package {
        None => executable.to_owned(),
        Some(package) => package.with_file_name("@agentsecrets").join(PLATFORM).join("agentsecrets"),
    };
    if started != carried.canonicalize()? {
        return Err(Stop::Failed(format!("the broker is {} and not the package's own", started.display())));
    }
    let fingerprint = world.fingerprint("DEMO_KEY");
    let arrived = said["account"]["fingerprint"] == *fingerprint && said["isolation"] == "broker";
    if arrived && world.stop() {
        Ok(())
    } else {
        Err(Stop::Failed("the installed package made no brokered call".to_owned()))
    }
}
