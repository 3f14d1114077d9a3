//! How the daemon begins and ends: one process wins the home, and a finished one leaves nothing half done.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentsecrets::broker::{Finish, socket_path};
use agentsecrets::owner::Unlocked;
use agentsecrets::{Engine, Error, ErrorCode, Home, Result, Unlock};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::listener::{Listener, answers};
use super::notify;
use crate::surroundings;

/// How long an unlocked broker waits for a locked one to give way, and a started one for an ended one to be gone.
const HANDOVER: Duration = Duration::from_secs(8);
/// How long calls under way may take to finish after the broker was told to stop.
const DRAIN: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);
/// How often a broker looks whether its home is still there.
const LOOK: Duration = Duration::from_secs(2);

/// Serves with an open use key, in the child that opened it.
#[expect(clippy::needless_pass_by_value, reason = "the owner's room takes a function of this shape")]
pub(crate) fn serve(home: Home, unlocked: Unlocked, ready: Box<dyn FnOnce() + Send>) -> Result<()> {
    let place = Place::wait_for(&home)?;
    run_until_told(&place, &Engine::broker(&home, Some(unlocked))?, false, ready)
}

/// Serves with the use key of a place that needs no human, locked otherwise. Another broker of the home is success.
pub(crate) fn run(home: Home, background: bool) -> Result<()> {
    let config = home.config()?;
    if background {
        return in_background(home, matches!(config.unlock, Unlock::Fd(_)));
    }
    // Asked before anything is opened here that could get the number of a descriptor which did not come.
    let missing = matches!(config.unlock, Unlock::Fd(number) if !is_open(number));
    match Place::unless_answered(&home)? {
        Some(place) => run_until_told(&place, &engine(&home, missing)?, false, Box::new(|| {})),
        None => Err(is_running()),
    }
}

/// Serves the agents of the machine, with the use key of a place that needs no human, and tells the service manager when
/// their socket is open.
pub(crate) fn run_system(home: &Home, key: Option<&Unlock>) -> Result<()> {
    match Place::unless_answered(home)? {
        Some(place) => run_until_told(&place, &Engine::self_opened(home, key)?, true, Box::new(notify::ready)),
        None => Err(is_running()),
    }
}

fn is_running() -> Error {
    Error::new(ErrorCode::BrokerUnavailable, "a broker of this home is running already")
        .with_hint("agentsecrets broker stop")
}

/// An engine that opens the use key by itself, or a locked one where the key's descriptor is not at hand.
fn engine(home: &Home, locked: bool) -> Result<Arc<Engine>> {
    if locked { Engine::broker(home, None) } else { Engine::self_opened(home, None) }
}

fn is_open(descriptor: i32) -> bool {
    // SAFETY: fcntl only asks.
    unsafe { libc::fcntl(descriptor, libc::F_GETFD) >= 0 }
}

/// Starts a child that serves, and returns when a broker answers, this one or another.
fn in_background(home: Home, locked: bool) -> Result<()> {
    let start = agentsecrets::owner::spawn(move |ready| match Place::unless_answered(&home)? {
        Some(place) => run_until_told(&place, &engine(&home, locked)?, false, ready),
        None => {
            ready();
            Ok(())
        }
    });
    start?.wait()
}

/// The right to be the home's broker, held until the process ends.
struct Place {
    lock: File,
    socket: PathBuf,
}

impl Place {
    fn take(home: &Home) -> Result<Option<Self>> {
        let socket = socket_path(home);
        let path = socket.with_file_name("broker.lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
        let cannot = |why: std::io::Error| {
            Error::new(ErrorCode::StoreUnavailable, format!("{} cannot be locked: {}", path.display(), why.kind()))
        };
        let lock = options.open(&path).map_err(cannot)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { lock, socket })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(why)) => Err(cannot(why)),
        }
    }

    /// Whether the lock still lies where the home's brokers look for it.
    fn is_held(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let id = |found: std::fs::Metadata| (found.dev(), found.ino());
        let there = self.socket.with_file_name("broker.lock").symlink_metadata();
        // What cannot be looked at for another reason is not taken for lost.
        match (self.lock.metadata(), there) {
            (Ok(held), Ok(there)) => id(held) == id(there),
            (_, Err(why)) => why.kind() != std::io::ErrorKind::NotFound,
            (Err(_), Ok(_)) => true,
        }
    }

    /// The place, or none where another broker has it and answers. One that ends holds it a little longer than it
    /// answers: it finishes its calls, and syncs its log.
    fn unless_answered(home: &Home) -> Result<Option<Self>> {
        let socket = socket_path(home);
        let started = Instant::now();
        while started.elapsed() < DRAIN + HANDOVER {
            if let Some(place) = Self::take(home)? {
                return Ok(Some(place));
            }
            if answers(&socket) {
                return Ok(None);
            }
            std::thread::sleep(PAUSE);
        }
        Err(Error::new(ErrorCode::BrokerUnavailable, "another broker holds this home and does not answer")
            .with_hint("agentsecrets broker status"))
    }

    fn wait_for(home: &Home) -> Result<Self> {
        let started = Instant::now();
        loop {
            if let Some(place) = Self::take(home)? {
                return Ok(place);
            }
            if started.elapsed() > HANDOVER {
                return Err(Error::new(ErrorCode::BrokerUnavailable, "another broker of this home does not give way")
                    .with_hint("agentsecrets broker stop"));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

fn run_until_told(place: &Place, engine: &Arc<Engine>, system: bool, ready: Box<dyn FnOnce() + Send>) -> Result<()> {
    engine.look_up_variables(|name| surroundings::text_of(name).map(str::to_owned));
    let runtime = runtime().map_err(|_| Error::new(ErrorCode::Internal, "the broker's runtime does not start"))?;
    let finished = runtime.block_on(async {
        let signals = Signals::take().map_err(|_| Error::new(ErrorCode::Internal, "the broker hears no signals"))?;
        let (finish, told) = mpsc::unbounded_channel();
        let mut listener = Listener::bind(&place.socket, Arc::clone(engine), finish)?;
        if let (true, Err(why)) = (system, engine.system_share_stands()) {
            listener.close().await;
            return Err(why);
        }
        ready();
        let how = until_told(&listener, signals, told, place).await;
        notify::stopping();
        listener.close().await;
        // It would live as long as both sides like: both are told, and its record is closed.
        listener.end_sockets().await;
        // A child has a value: it ends with what let it out, and its record is closed first.
        listener.end_children().await;
        if how != Finish::Lock {
            // Locking ends calls too: what it promises is that no value is in memory any more.
            listener.drain(DRAIN).await;
        }
        Ok(())
    });
    runtime.shutdown_background();
    finished
}

/// The caller and the upstream run too: on two cores a second thread here only costs hand-overs between the two (64 calls in
/// flight took 1.25 times as long with it).
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut builder = if cores > 2 {
        let mut threads = tokio::runtime::Builder::new_multi_thread();
        threads.worker_threads(2);
        threads
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    builder.enable_all().build()
}

/// The signals that end a broker. Taken before anybody hears that it is ready, so that none is lost on it.
struct Signals {
    term: Signal,
    int: Signal,
    /// A closed terminal is no reason to forget what its owner unlocked.
    _hangup: Signal,
}

impl Signals {
    fn take() -> std::io::Result<Self> {
        let (term, int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { term, int, _hangup: signal(SignalKind::hangup())? })
    }
}

/// Until the place is this broker's no more: its home was removed, moved or made anew, and nobody can reach it there.
async fn until_lost(place: &Place) {
    while place.is_held() {
        tokio::time::sleep(LOOK).await;
    }
}

async fn until_told(
    listener: &Listener,
    mut signals: Signals,
    mut told: mpsc::UnboundedReceiver<Finish>,
    place: &Place,
) -> Finish {
    tokio::select! {
        () = listener.accept() => Finish::Stop,
        _ = signals.term.recv() => Finish::Stop,
        _ = signals.int.recv() => Finish::Stop,
        how = told.recv() => how.unwrap_or(Finish::Stop),
        () = until_lost(place) => Finish::Stop,
    }
}
