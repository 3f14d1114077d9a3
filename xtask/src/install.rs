//! Fetching what a suite needs: Debian packages when root, Python packages in a virtual environment, npm packages.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::run::{Run, Stop, output};
use crate::workspace;

/// Makes sure that these Debian packages are there.
pub(crate) fn debian(run: &Run, packages: &[&str]) -> Result<(), Stop> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let command = format!("apt-get install -y --no-install-recommends {}", missing.join(" "));
    // SAFETY: geteuid takes nothing and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    if !root || output("apt-get", &["--version"]).is_none() {
        return Err(Stop::NotRun(format!("as root on Debian: {command}")));
    }
    static UPDATED: OnceLock<()> = OnceLock::new();
    if UPDATED.set(()).is_ok() {
        let _ = run.step("apt-get").args(["update", "-q"]).env("DEBIAN_FRONTEND", "noninteractive").status()?;
    }
    run.step("apt-get")
        .args(command.split(' ').skip(1))
        .env("DEBIAN_FRONTEND", "noninteractive")
        .run()
        .map_err(|_| Stop::NotRun(format!("this did not work: {command}")))
}

fn is_installed(package: &str) -> bool {
    output("dpkg-query", &["-W", "-f", "${db:Status-Status}", package]).is_some_and(|status| status == "installed")
}

/// A program of a crate: the one on `PATH`, else one of our own, installed once.
pub(crate) fn cargo(run: &Run, name: &str, version: &str) -> Result<PathBuf, Stop> {
    if output(name, &["--version"]).is_some() {
        return Ok(name.into());
    }
    let folder = workspace::scratch().join("cargo");
    let program = folder.join("bin").join(name);
    if output(&program.to_string_lossy(), &["--version"]).is_none() {
        run.cargo()
            .args(["install", name, "--locked", "--version", version, "--root"])
            .args([&folder])
            .run()
            .map_err(|_| Stop::NotRun(format!("{name} {version} could not be installed")))?;
    }
    Ok(program)
}

/// The `bin` folder of a virtual environment with the packages of a requirements file.
pub(crate) fn venv(run: &Run, name: &str, requirements: &Path) -> Result<PathBuf, Stop> {
    let folder = workspace::scratch().join("venv").join(name);
    let bin = folder.join("bin");
    let stamp = Stamp::of(folder.join("stamp"), &[requirements])?;
    if stamp.is_fresh() && bin.join("python").exists() {
        return Ok(bin);
    }
    with_pip(run)?;
    run.step("python3").args(["-m", "venv", "--clear"]).args([&folder]).run()?;
    run.step(bin.join("python"))
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet", "--requirement"])
        .args([requirements])
        .run()
        .map_err(|_| {
            Stop::NotRun(format!("the Python packages of {} could not be installed", requirements.display()))
        })?;
    stamp.write()?;
    Ok(bin)
}

/// Makes sure that virtual environments with pip can be made.
pub(crate) fn with_pip(run: &Run) -> Result<(), Stop> {
    match output("python3", &["-c", "import ensurepip, venv"]) {
        Some(_) => Ok(()),
        None => debian(run, &["python3", "python3-venv"]),
    }
}

/// A virtual environment without anything in it, not even pip: it needs nothing but `python3`.
pub(crate) fn bare_environment(run: &Run, name: &str) -> Result<PathBuf, Stop> {
    let folder = workspace::scratch().join("venv").join(name);
    if output(&folder.join("bin/python").to_string_lossy(), &["-c", ""]).is_none() {
        run.step("python3").args(["-m", "venv", "--clear", "--without-pip"]).args([&folder]).run()?;
    }
    Ok(folder)
}

/// Says what is missing where Node or npm is.
pub(crate) fn node() -> Result<(), Stop> {
    let major = output("node", &["-p", "process.versions.node.split('.')[0]"]);
    let is_enough = major.and_then(|major| major.trim().parse::<u32>().ok()).is_some_and(|major| major >= 20);
    if is_enough && output("npm", &["--version"]).is_some() {
        return Ok(());
    }
    Err(Stop::NotRun("Node 20 or newer and npm are needed".to_owned()))
}

/// Installs what the `package.json` (and lock file) of a folder names.
pub(crate) fn npm(run: &Run, folder: &Path) -> Result<(), Stop> {
    let lock = folder.join("package-lock.json");
    let stamp = Stamp::of(folder.join("node_modules/.stamp"), &[&folder.join("package.json"), &lock])?;
    if stamp.is_fresh() {
        return Ok(());
    }
    // The versions of the lock file, which stays as it is. `npm ci` would give up where a registry lacks an optional
    // package for another platform, our own unpublished one among them.
    run.step("npm")
        .args(["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"])
        .dir(folder)
        .run()
        .map_err(|_| Stop::NotRun(format!("`npm install` did not work in {}", folder.display())))?;
    Ok(stamp.write()?)
}

/// Says whether something was made from these very files.
struct Stamp {
    path: PathBuf,
    hash: String,
}

impl Stamp {
    fn of(path: PathBuf, sources: &[&Path]) -> Result<Self, Stop> {
        let mut hash = Sha256::new();
        for source in sources.iter().filter(|source| source.exists()) {
            hash.update(std::fs::read(source)?);
        }
        Ok(Self { path, hash: hex::encode(hash.finalize()) })
    }

    fn is_fresh(&self) -> bool {
        std::fs::read_to_string(&self.path).is_ok_and(|written| written == self.hash)
    }

    fn write(&self) -> std::io::Result<()> {
        std::fs::write(&self.path, &self.hash)
    }
}
