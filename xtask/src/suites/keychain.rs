//! The keychain store against a real gnome-keyring on a bus of its own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::install;
use crate::run::{Run, Stop};
use crate::suites::{Suite, built, minutes, some_rust_tests, test_executable};

pub(super) const SUITE: Suite = Suite {
    name: "keychain",
    proves: "the keychain store keeps its promises on a real Secret Service",
    budget: minutes(1),
    run,
};

/// Unlocks a new keyring (its password is worth nothing: the folder is thrown away), proves that it answers, then
/// runs the tests in its reach while every item written to it is counted, the probe included.
const SESSION: &str = r#"
set -euo pipefail
printf %s throwaway | gnome-keyring-daemon --unlock --components=secrets >/dev/null
dbus-monitor --session --profile "interface='org.freedesktop.Secret.Collection',member='CreateItem'" >"$HOME/items" &
monitor=$!
until grep -q NameAcquired "$HOME/items"; do sleep 0.1; done
printf %s probe | secret-tool store --label=probe probe probe
[ "$(secret-tool lookup probe probe)" = probe ]
"$@"
kill "$monitor"
echo "items written: $(grep -c CreateItem "$HOME/items")"
"#;

fn run(run: &Run) -> Result<String, Stop> {
    install::debian(run, &["gnome-keyring", "dbus", "dbus-bin", "libsecret-tools"])?;
    built(run)?;
    let tests = test_executable(run, "agentsecrets")?;
    let home = tempfile::tempdir()?;
    let runtime = private_folder(home.path(), "run")?;
    run.step("dbus-run-session")
        .args(["--", "bash", "-c", SESSION, "bash"])
        .args([tests.as_os_str(), "store::".as_ref()])
        .env("HOME", home.path())
        .env("XDG_RUNTIME_DIR", runtime)
        .env("AGENTSECRETS_TEST_KEYCHAIN", "1")
        .without_env("DBUS_SESSION_BUS_ADDRESS")
        .without_env("XDG_DATA_HOME")
        .without_env("XDG_CONFIG_HOME")
        .run()?;
    let written = items_written(&run.logged());
    if written < 2 {
        return Err(Stop::Failed("no test wrote to the keychain".to_owned()));
    }
    Ok(format!("{}, {} items written to the keyring", some_rust_tests(run)?, written - 1))
}

fn items_written(log: &str) -> u64 {
    log.lines().find_map(|line| line.strip_prefix("items written: ")?.parse().ok()).unwrap_or(0)
}

fn private_folder(home: &Path, name: &str) -> Result<PathBuf, Stop> {
    let folder = home.join(name);
    fs::create_dir(&folder)?;
    fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
    Ok(folder)
}
