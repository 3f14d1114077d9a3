//! Which package may depend on which: the picture in ARCHITECTURE.md as a table.

use std::collections::BTreeMap;
use std::process::Command;

use agentsecrets_architecture::{nothing_found, root};
use serde_json::Value;

/// A package of the workspace, and the packages of the workspace it may depend on.
const EDGES: &[(&str, &[&str])] = &[
    ("agentsecrets", &["agentsecrets-wire"]),
    ("agentsecrets-wire", &[]),
    ("agentsecrets-bridge", &["agentsecrets"]),
    ("agentsecrets-python", &["agentsecrets", "agentsecrets-bridge"]),
    ("agentsecrets-node", &["agentsecrets", "agentsecrets-bridge"]),
    ("agentsecrets-cli", &["agentsecrets"]),
    ("agentsecrets-examples", &["agentsecrets"]),
    ("agentsecrets-server", &["agentsecrets-wire"]),
    ("agentsecrets-upstream", &[]),
    ("agentsecrets-architecture", &[]),
    ("agentsecrets-bench", &["agentsecrets"]),
    // Reads the core's table of errors in place.
    ("xtask", &[]),
];

/// Crates of hosts and faces, which the core knows nothing of.
const NOT_IN_CORE: &[&str] = &["axum", "clap", "napi", "napi-derive", "pyo3", "uniffi"];

fn packages() -> Vec<Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// What a package depends on when it is built; `kind` is null for that, else `build` or `dev`.
fn built_with(package: &Value) -> Vec<&str> {
    let dependencies = package["dependencies"].as_array().expect("dependencies");
    dependencies.iter().filter(|it| text(it, "kind") != "dev").map(|it| text(it, "name")).collect()
}

#[test]
fn packages_depend_on_what_the_table_allows() {
    let edges: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let packages = packages();
    let ours: Vec<&str> = packages.iter().map(|package| text(package, "name")).collect();
    let mut findings = Vec::new();
    for package in &packages {
        let name = text(package, "name");
        let Some(allowed) = edges.get(name) else {
            findings.push(format!("{name} has no row in EDGES"));
            continue;
        };
        for dependency in built_with(package) {
            if ours.contains(&dependency) && !allowed.contains(&dependency) {
                findings.push(format!("{name} depends on {dependency}"));
            }
        }
    }
    nothing_found("Edges that the table does not allow", &findings);
}

#[test]
fn the_core_knows_no_host_and_no_face() {
    let packages = packages();
    let core = packages.iter().find(|package| text(package, "name") == "agentsecrets").expect("the core");
    let findings: Vec<String> =
        built_with(core).into_iter().filter(|name| NOT_IN_CORE.contains(name)).map(str::to_owned).collect();
    nothing_found("Crates that the core may not depend on", &findings);
    assert!(built_with(core).contains(&"serde"), "the list of dependencies was read");
}

#[test]
fn the_server_links_nothing_that_decrypts() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = |package: &str| {
        let arguments =
            ["tree", "--offline", "--package", "agentsecrets-server", "--edges", "normal,build", "--invert", package];
        Command::new(&cargo).args(arguments).current_dir(root()).output().expect("cargo runs")
    };
    let core = tree("agentsecrets");
    assert!(!core.status.success(), "{}", String::from_utf8_lossy(&core.stdout));
    assert!(tree("agentsecrets-wire").status.success(), "the search finds what is there");
}

#[test]
fn proofs_are_never_published() {
    let private = |package: &&Value| package["publish"].as_array().is_some_and(Vec::is_empty);
    let packages = packages();
    let private: Vec<&str> = packages.iter().filter(private).map(|package| text(package, "name")).collect();
    for name in ["agentsecrets-upstream", "agentsecrets-architecture", "agentsecrets-bench", "xtask"] {
        assert!(private.contains(&name), "{name} could be published");
    }
}
