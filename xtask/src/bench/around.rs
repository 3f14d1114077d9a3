//! What surrounds the calls: versions, imports, first calls, sizes.

use std::path::Path;

use super::asked::{Asked, Bound};
use super::{Built, quantile};
use crate::run::{Stop, output};
use crate::stage::Profile;
use crate::tell;
use crate::workspace;
use crate::world::World;

/// Milliseconds of an import in an interpreter that has done nothing else.
const PYTHON_IMPORT: &str = "import sys, time
began = time.perf_counter()
__import__(sys.argv[1])
print((time.perf_counter() - began) * 1e3)";

const NODE_IMPORT: &str = "const began = process.hrtime.bigint(); require(process.argv[1]); \
console.log(Number(process.hrtime.bigint() - began) / 1e6)";

/// Milliseconds from the import's end to the first answer.
const PYTHON_CALL: &str = "import sys, time
from agentsecrets import AgentSecrets
began = time.perf_counter()
AgentSecrets().call(sys.argv[1], bearer='KEY_0')
print((time.perf_counter() - began) * 1e3)";

const NODE_CALL: &str = "const { AgentSecrets } = require(process.argv[1]); const began = process.hrtime.bigint(); \
new AgentSecrets().call(process.argv[2], { bearer: 'KEY_0' }).then(() => \
console.log(Number(process.hrtime.bigint() - began) / 1e6))";

/// For peers, of whom nothing is asked.
const UNASKED: f64 = f64::INFINITY;

pub(super) fn versions(built: &Built) {
    let python = "import sys, httpx, requests, aiohttp; print('CPython', sys.version.split()[0], '· httpx', httpx.__version__, \
                  '· requests', requests.__version__, '· aiohttp', aiohttp.__version__)";
    let told = [
        output("rustc", &["--version"]),
        output(&built.python.to_string_lossy(), &["-c", python]),
        output("node", &["-p", "`Node ${process.version}, its fetch by undici ${process.versions.undici}`"]),
        output(
            "node",
            &["-p", "`undici ${require(process.argv[1] + '/package.json').version}`", &built.undici.to_string_lossy()],
        ),
        reqwest().map(|version| format!("reqwest {version}")),
        output("nproc", &[]).map(|count| format!("{} cores", count.trim())),
    ];
    for line in told.into_iter().flatten() {
        tell::line(&format!("  {}", line.trim()));
    }
}

/// The version in the lock file.
fn reqwest() -> Option<String> {
    let lock = std::fs::read_to_string(workspace::root().join("Cargo.lock")).ok()?;
    let version = lock.split("name = \"reqwest\"\nversion = \"").nth(1)?.split('"').next()?;
    Some(version.to_owned())
}

pub(super) fn imports(built: &Built, world: &World, url: &str, times: usize) -> Result<Vec<Asked>, Stop> {
    let package = built.node_package.to_string_lossy().into_owned();
    let undici = built.undici.to_string_lossy().into_owned();
    let node = Path::new("node");
    let python = built.python.as_path();
    let rows: [(&str, &Path, Vec<&str>, bool, f64); 10] = [
        ("Python import agentsecrets", python, vec!["-c", PYTHON_IMPORT, "agentsecrets"], false, 10.0),
        ("Python import httpx", python, vec!["-c", PYTHON_IMPORT, "httpx"], false, UNASKED),
        ("Python import requests", python, vec!["-c", PYTHON_IMPORT, "requests"], false, UNASKED),
        ("Python import aiohttp", python, vec!["-c", PYTHON_IMPORT, "aiohttp"], false, UNASKED),
        ("Node require agentsecrets", node, vec!["-e", NODE_IMPORT, &package], false, 15.0),
        ("Node require undici", node, vec!["-e", NODE_IMPORT, &undici], false, UNASKED),
        ("Python first call, broker running", python, vec!["-c", PYTHON_CALL, url], false, 20.0),
        ("Node first call, broker running", node, vec!["-e", NODE_CALL, &package, url], false, 20.0),
        ("Python first call, broker to start", python, vec!["-c", PYTHON_CALL, url], true, 80.0),
        ("Node first call, broker to start", node, vec!["-e", NODE_CALL, &package, url], true, 80.0),
    ];
    let mut took: Vec<Vec<f64>> = vec![Vec::new(); rows.len()];
    for _ in 0..times {
        for ((_, program, arguments, alone, _), took) in rows.iter().zip(&mut took) {
            if *alone {
                world.succeed(world.cli(&["broker", "stop"]), b"")?;
            }
            let mut command = world.command(program);
            command.args(arguments);
            let said = world.succeed(command, b"")?.out;
            took.extend(said.trim().parse::<f64>());
        }
    }
    let mut asked = Vec::new();
    for ((name, _, _, _, most), took) in rows.iter().zip(&took) {
        let spread = format!("{:.1} – {:.1}", quantile(took, 0.1), quantile(took, 0.9));
        tell::line(&format!("  {:>8.1}   {spread:<16} {name}", quantile(took, 0.5)));
        if *most < UNASKED {
            asked.push(Asked::new(*name, quantile(took, 0.5), Bound::AtMost(*most), "ms"));
        }
    }
    Ok(asked)
}

/// What `cargo xtask package` left, and the executable.
pub(super) fn sizes() -> Result<Vec<Asked>, Stop> {
    let dist = workspace::root().join("dist");
    let executable = Profile::Release.executable();
    let mut files = vec![(executable, 15.0)];
    if dist.is_dir() {
        for entry in std::fs::read_dir(dist)? {
            let path = entry?.path();
            if path.extension().is_some_and(|kind| kind == "whl" || kind == "tgz") {
                files.push((path, 10.0));
            }
        }
    } else {
        tell::line("  `cargo xtask package` has not been run, so that there are no packages to weigh");
    }
    let mut sizes = Vec::new();
    for (path, most) in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let size = path.metadata()?.len() as f64 / (1024.0 * 1024.0);
        sizes.push(Asked::new(format!("size of {name}"), size, Bound::AtMost(most), "MiB"));
    }
    Ok(sizes)
}
