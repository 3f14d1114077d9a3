//! How a broker comes to be: the SDK starts an executable it can vouch for, and waits until the socket answers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::link::Link;
use super::protocol::Finish;
use crate::error::{Error, ErrorCode, Result};
use crate::home::{Executable, Home};

/// How long a broker may take to answer after it was started.
const START_LIMIT: Duration = Duration::from_secs(10);

/// What a broker needs of its starter's environment: where the home and the keychain are, and nothing that bends TLS,
/// names, loading or allocation.
const PASSED_ON: [&str; 9] = [
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "AGENTSECRETS_HOME",
    "AGENTSECRETS_LOG",
    "TMPDIR",
];

/// The broker's socket in a home.
#[must_use]
pub fn socket_path(home: &Home) -> PathBuf {
    home.run().join("broker.sock")
}

/// Starts a broker where none answers.
///
/// # Errors
/// `broker_unavailable` where it cannot be started.
pub async fn connect_or_start(home: &Home, executable: Option<&Path>) -> Result<()> {
    let socket = socket_path(home);
    if super::connection::dial_own(&socket).await.is_ok() {
        return Ok(());
    }
    Launch::new(home, executable).start().await
}

/// Ends a running broker; `false` where none runs.
///
/// # Errors
/// `broker_unavailable` where it does not obey.
pub async fn stop_running(home: &Home, how: Finish) -> Result<bool> {
    let ended = match Link::new(home, None)?.finish(how).await {
        // A broker that ends at once may be gone before its answer is; whether it is, the socket tells below.
        Err(error) if error.code() == ErrorCode::BrokerUnavailable && error.retryable() => true,
        answered => answered?,
    };
    let socket = socket_path(home);
    let started = Instant::now();
    while ended && started.elapsed() < START_LIMIT {
        if super::connection::dial_own(&socket).await.is_err() {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(ended)
}

/// Locks a home: its broker ends, and none opens the use key again until a human unlocks. Says whether one ran.
///
/// # Errors
/// `not_initialized`; `store_unavailable` where the mark cannot be set; `broker_unavailable` where the broker does not end.
pub async fn lock(home: &Home) -> Result<bool> {
    home.config()?;
    // Marked first: a client that calls in between starts a broker that stays locked.
    crate::store::marker::set(&home.run())?;
    stop_running(home, Finish::Lock).await
}

/// How to start the broker of one home.
pub(crate) struct Launch {
    home: Home,
    own: Option<PathBuf>,
}

impl Launch {
    pub(crate) fn new(home: &Home, own: Option<&Path>) -> Self {
        Self { home: home.clone(), own: own.map(Path::to_owned) }
    }

    /// Starts the executable and waits until it says that a broker listens; of many started at once, one stays.
    pub(crate) async fn start(&self) -> Result<()> {
        let launch = Self { home: self.home.clone(), own: self.own.clone() };
        tokio::task::spawn_blocking(move || launch.run())
            .await
            .map_err(|_| Error::new(ErrorCode::Internal, "starting the broker was interrupted"))?
    }

    fn run(&self) -> Result<()> {
        let executable = self.executable()?;
        let mut command = Command::new(&executable);
        command
            .args(["broker", "run", "--background"])
            .env_clear()
            .envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env("AGENTSECRETS_HOME", self.home.root())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let output =
            command.output().map_err(|why| unavailable(format!("{} does not start: {why}", executable.display())))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it gave no reason");
        let error = unavailable(format!("the broker did not start: {}", last.trim()));
        // What mends it is what the broker itself says.
        Err(match said.lines().find_map(|line| line.strip_prefix("hint: ")) {
            Some(hint) => error.with_hint(hint.to_owned()),
            None => error,
        })
    }

    /// The executable of the caller's own package, else the one that made the home, if it still is that one.
    fn executable(&self) -> Result<PathBuf> {
        if let Some(own) = &self.own {
            return Ok(own.clone());
        }
        let Some(recorded) = self.home.config()?.executable else {
            return Err(unavailable("this home does not know an executable to start".into()));
        };
        verify(&recorded)?;
        Ok(recorded.path)
    }
}

/// Refuses an executable that is no longer the one recorded: whoever replaced it would be handed the store.
fn verify(recorded: &Executable) -> Result<()> {
    let bytes = std::fs::read(&recorded.path).map_err(|why| {
        unavailable(format!("the recorded executable {} cannot be read: {why}", recorded.path.display()))
            .with_hint("agentsecrets doctor --fix  # with the new executable: records it")
    })?;
    if crate::hex::lower(&Sha256::digest(&bytes)) == recorded.sha256 {
        return Ok(());
    }
    Err(unavailable(format!("{} has changed since the home was made", recorded.path.display()))
        .with_hint("agentsecrets doctor --fix  # with the new executable: records it"))
}

fn unavailable(why: String) -> Error {
    Error::new(ErrorCode::BrokerUnavailable, why).with_retryable(false)
}
