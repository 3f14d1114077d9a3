//! The packages laid out from one build: the Python sources with their native module, the Node package compiled.
//!
//! Everything is built by one cargo command with one set of features, so that nothing is compiled twice.

use std::path::{Path, PathBuf};

use crate::install;
use crate::run::{Run, Stop};
use crate::workspace;

/// How cargo builds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Debug,
    Release,
}

impl Profile {
    /// Where cargo puts what it builds so.
    pub(crate) fn folder(self) -> PathBuf {
        workspace::target().join(match self {
            Self::Debug => "debug",
            Self::Release => "release",
        })
    }

    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Debug => &[],
            Self::Release => &["--release"],
        }
    }

    pub(crate) fn executable(self) -> PathBuf {
        self.folder().join("agentsecrets")
    }

    pub(crate) fn upstream(self) -> PathBuf {
        self.folder().join("upstream")
    }

    pub(crate) fn server(self) -> PathBuf {
        self.folder().join("agentsecrets-server")
    }
}

/// What is shipped, and the API it is tried against.
const PACKAGES: [&str; 4] = ["agentsecrets-cli", "agentsecrets-python", "agentsecrets-node", "agentsecrets-upstream"];

/// The cargo command that builds it all.
pub(crate) fn cargo(profile: Profile) -> Vec<&'static str> {
    let mut arguments = vec!["build"];
    arguments.extend(PACKAGES.iter().flat_map(|name| ["--package", name]));
    arguments.extend(profile.arguments());
    arguments
}

/// The native module among the Python sources; `python/src` can then be imported from.
pub(crate) fn python(profile: Profile) -> Result<PathBuf, Stop> {
    let sources = workspace::root().join("python/src");
    place(&profile.folder().join("lib_native.so"), &sources.join("agentsecrets/_native.abi3.so"))?;
    Ok(sources)
}

/// Gives a virtual environment the Python sources as they lie here.
pub(crate) fn link_python(environment: &Path, sources: &Path) -> Result<(), Stop> {
    let lib = environment.join("lib");
    for entry in std::fs::read_dir(&lib)? {
        let packages = entry?.path().join("site-packages");
        if packages.is_dir() {
            return Ok(std::fs::write(packages.join("agentsecrets.pth"), format!("{}\n", sources.display()))?);
        }
    }
    Err(Stop::Failed(format!("{} has no site-packages", environment.display())))
}

/// The Node package: its tools installed, its native module in place, its TypeScript compiled.
pub(crate) fn node(run: &Run, profile: Profile) -> Result<PathBuf, Stop> {
    let folder = workspace::root().join("node");
    install::node()?;
    install::npm(run, &folder)?;
    run.step("node").args(["scripts/native.js", "--from"]).args([profile.folder()]).dir(&folder).run()?;
    run.step("npm").args(["run", "build", "--silent"]).dir(&folder).run()?;
    Ok(folder)
}

/// Copies beside the old file and takes its place: a running program keeps the file it has.
pub(crate) fn place(from: &Path, to: &Path) -> Result<(), Stop> {
    if same(from, to) {
        return Ok(());
    }
    let beside = to.with_extension("partial");
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::copy(from, &beside).map_err(|error| Stop::Failed(format!("{}: {error}", from.display())))?;
    Ok(std::fs::rename(beside, to)?)
}

/// Whether the copy is as long as and no older than what it was made from.
fn same(from: &Path, to: &Path) -> bool {
    let (Ok(from), Ok(to)) = (from.metadata(), to.metadata()) else { return false };
    let newer = matches!((from.modified(), to.modified()), (Ok(from), Ok(to)) if to >= from);
    newer && from.len() == to.len()
}
