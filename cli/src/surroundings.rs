//! What this process takes from the environment it was started in, and what it passes on: next to nothing.

use std::ffi::{OsStr, OsString};
use std::sync::OnceLock;

use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// What a command may need of its environment. Nothing here bends TLS, names, loading or allocation.
const KEPT: [&str; 14] = [
    "COLUMNS",
    "DBUS_SESSION_BUS_ADDRESS",
    "HOME",
    "LANG",
    "LANGUAGE",
    "LINES",
    "LOGNAME",
    "NO_COLOR",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
];

/// What the caller had, for the child of a command that starts one.
static CALLERS: OnceLock<Vec<(OsString, OsString)>> = OnceLock::new();

/// The caller's environment as it was before this process forgot it.
pub(crate) fn of_caller() -> &'static [(OsString, OsString)] {
    CALLERS.get().map_or(&[], Vec::as_slice)
}

/// A variable of the caller's, where it is text.
pub(crate) fn text_of(name: &str) -> Option<&'static str> {
    of_caller().iter().find(|(own, _)| own == name)?.1.to_str()
}

/// Forgets every variable that no command needs, so that no child and no library is led by one.
#[expect(
    clippy::disallowed_methods,
    reason = "before there is a second thread, the environment is this function's alone"
)]
pub(crate) fn scrub() {
    CALLERS.get_or_init(|| std::env::vars_os().collect());
    let unwanted: Vec<_> = std::env::vars_os().map(|(name, _)| name).filter(|name| !is_kept(name)).collect();
    for name in unwanted {
        // SAFETY: this is the first thing `main` does; there is no other thread to read the environment.
        unsafe { std::env::remove_var(name) };
    }
}

fn is_kept(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| KEPT.contains(&name) || name.starts_with("AGENTSECRETS_") || name.starts_with("LC_"))
}

/// Writes our own events to stderr, as `AGENTSECRETS_LOG` asks (`debug`, `agentsecrets::send=trace`).
///
/// Events of the libraries underneath are never written, whatever is asked: at `trace` some print headers.
pub(crate) fn trace() {
    let Ok(asked) = std::env::var("AGENTSECRETS_LOG") else { return };
    let Ok(wanted) = EnvFilter::try_new(asked) else { return };
    let ours = filter_fn(|event| event.target().split("::").next() == Some("agentsecrets"));
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    // A second subscriber cannot be there: this is called once, by `main`.
    let _ = tracing_subscriber::registry().with(lines.with_filter(wanted.and(ours))).try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_command_needs_is_kept() {
        for kept in ["HOME", "LC_ALL", "AGENTSECRETS_HOME", "NO_COLOR"] {
            assert!(is_kept(OsStr::new(kept)), "{kept}");
        }
        for dropped in
            ["LD_PRELOAD", "SSL_CERT_FILE", "SSLKEYLOGFILE", "https_proxy", "HTTPS_PROXY", "PATH", "RUST_LOG", "X"]
        {
            assert!(!is_kept(OsStr::new(dropped)), "{dropped}");
        }
    }
}
