//! A granted command as a child of the broker: started with values in its environment, watched, and ended with its caller.

pub(super) mod orders;
mod streams;

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::message::{Event, Order, Terminal};
use super::pin::Ready;
use super::pump::Shared;
use super::running::{GRACE, Run, Running};
use super::surroundings;
use crate::error::{Error, ErrorCode, Result, Stage};
use crate::redact::{Found, Scanner};
use crate::resolve::SecretValue;
use crate::secret_ref::SecretName;
use orders::Orders;
use streams::Streams;

/// How long the files of a command are watched: an interpreter has read its script by then.
pub(super) const WATCH: Duration = Duration::from_secs(2);
const WATCH_PAUSE: Duration = Duration::from_millis(10);
const IDLE: Duration = Duration::from_secs(60);

/// Everything a child is started from.
pub(crate) struct Launch {
    pub(crate) ready: Ready,
    pub(crate) values: Vec<(SecretName, Arc<SecretValue>)>,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) streams: [OwnedFd; 3],
    pub(crate) directory: OwnedFd,
    pub(crate) terminal: Option<Terminal>,
    pub(crate) scanner: Arc<Scanner>,
}

/// How a run ended.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) found: Found,
    /// Why it was ended before its time.
    pub(crate) ended_by: Option<ErrorCode>,
}

/// Starts the child and stays with it until it has ended and its output is passed on.
///
/// # Errors
/// `invalid_value` for a value no variable can hold, `invalid_call` where the program does not start.
pub(crate) fn run(launch: Launch, caller: &UnixStream, running: &Running) -> Result<Finished> {
    let Launch { ready, values, variables, streams, directory, terminal, scanner } = launch;
    let mut run = running.begin()?;
    let (streams, mut child) = {
        // One at a time, as a pseudo-terminal's descriptors are open to other children for a moment.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (streams, ends) = Streams::lay(streams, terminal)?;
        // The command's copies of the values go with it, and not when the child ends.
        let command = command(&ready, &values, variables)?;
        (streams, start(command, &ready, directory, ends)?)
    };
    drop(values);
    let group = i32::try_from(child.id()).unwrap_or(i32::MAX);
    run.is(group);
    let shared = Arc::new(Shared::default());
    let laid = std::io::pipe().map_err(|_| failed("the system has no pipe to give")).and_then(|(over, alive)| {
        let pumps = streams.start(&scanner, &shared, &alive, caller)?;
        Ok((over, alive, pumps))
    });
    let (over, alive, pumps) = match laid {
        Ok(laid) => laid,
        Err(why) => {
            // It runs already, with values: it ends here, and all of its group.
            shared.stopped.store(true, Ordering::Release);
            running.is_over(group, true);
            let _ = child.wait();
            return Err(why);
        }
    };
    std::thread::scope(|scope| {
        let (shared, watched) = (&shared, &pumps);
        let waiter = scope.spawn(move || {
            let status = wait(child, running, group, shared);
            shared.ended.store(true, Ordering::Release);
            drop(alive);
            status
        });
        let _ = tell(caller, &Event::Started { pid: group.unsigned_abs() });
        let ended_by = Control { caller, run: &run, ready, shared, terminal: watched, ends_at: None }.until(&over);
        let status = waiter.join().map_err(|_| failed("the child's end was not seen"))?;
        let found = shared.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ended_by = ended_by.or(running.is_closing().then_some(ErrorCode::Cancelled));
        Ok(Finished { status: status?, found, ended_by })
    })
}

/// Says something to the caller.
pub(crate) fn tell(mut caller: &UnixStream, event: &Event) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    caller.write_all(&line)
}

fn command(ready: &Ready, values: &[(SecretName, Arc<SecretValue>)], said: Vec<(String, String)>) -> Result<Command> {
    let mut words = ready.words.clone();
    for (file, opened) in &ready.files {
        words[file.at] = format!("{}/dev/fd/{}", file.before, opened.handed().as_raw_fd());
    }
    let mut command = Command::new(program(ready));
    command.arg0(&words[0]).args(&words[1..]).env_clear().envs(surroundings::of_child(said, &ready.search));
    for (name, value) in values {
        // EXPOSE: this door's whole purpose is to hand the value to a command that the owner has granted.
        let value = value.expose();
        if value.contains(&0) {
            return Err(Error::new(ErrorCode::InvalidValue, format!("{name} holds a NUL, which no variable can")));
        }
        command.env(name.as_str(), OsStr::from_bytes(value));
    }
    Ok(command)
}

/// The very file that was hashed, whatever its path leads to now.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn program(ready: &Ready) -> String {
    format!("/proc/self/fd/{}", ready.program.file.as_raw_fd())
}

/// Elsewhere there is no way to execute a descriptor; the watch over the path remains.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn program(ready: &Ready) -> std::path::PathBuf {
    ready.program.path.clone()
}

/// Starts a pinned command that is given no value, in the root folder; nobody reads its stderr.
pub(super) fn start_bare(ready: &Ready, said: Vec<(String, String)>, stdin: Stdio, stdout: Stdio) -> Result<Child> {
    let root = File::open("/").map_err(|_| failed("the root folder cannot be opened"))?;
    let ends = streams::Ends { stdin, stdout, stderr: Stdio::null(), terminal: false };
    start(command(ready, &[], said)?, ready, root.into(), ends)
}

fn start(mut command: Command, ready: &Ready, directory: OwnedFd, ends: streams::Ends) -> Result<Child> {
    let (files, terminal) =
        (ready.files.iter().map(|(_, it)| it.handed().as_raw_fd()).collect::<Vec<_>>(), ends.terminal);
    let parent = std::process::id();
    command.stdin(ends.stdin).stdout(ends.stdout).stderr(ends.stderr);
    // SAFETY: the closure makes system calls on numbers that stay valid, and allocates nothing.
    unsafe {
        command.pre_exec(move || become_child(&files, directory.as_raw_fd(), terminal, parent));
    }
    if !ready.is_unchanged() {
        return Err(Error::new(ErrorCode::CommandChanged, "a file of the command was changed while it was started"));
    }
    command.spawn().map_err(|why| {
        Error::new(ErrorCode::InvalidCall, format!("the command does not start: {}", why.kind()))
            .with_hint("run it without agentsecrets to see why")
    })
}

/// What the child does between fork and exec: system calls alone.
fn become_child(files: &[i32], directory: i32, terminal: bool, parent: u32) -> std::io::Result<()> {
    let done = |result: i32| if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: plain system calls on numbers.
    unsafe {
        done(libc::setsid())?;
        if terminal {
            // One of the three streams is the terminal; a second try does no harm.
            let controlling =
                (0..3).any(|stream| libc::isatty(stream) == 1 && libc::ioctl(stream, libc::TIOCSCTTY as _, 0) == 0);
            done(if controlling { 0 } else { -1 })?;
        }
        super::open_files::give_back()?;
        done(libc::fchdir(directory))?;
        for file in files {
            done(libc::fcntl(*file, libc::F_SETFD, 0))?;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            // A broker that is killed takes its children along.
            done(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
            if libc::getppid().unsigned_abs() != parent {
                libc::_exit(127);
            }
        }
    }
    let _ = parent;
    Ok(())
}

/// Waits for the child; its number stays its own until its group is forgotten.
fn wait(mut child: Child, running: &Running, group: i32, shared: &Shared) -> Result<ExitStatus> {
    loop {
        // SAFETY: an all-zero siginfo is a valid one, and a live local.
        let waited = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            libc::waitid(libc::P_PID, child.id(), &raw mut info, libc::WEXITED | libc::WNOWAIT)
        };
        if waited == 0 || std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
            break;
        }
    }
    running.is_over(group, shared.stopped.load(Ordering::Acquire));
    child.wait().map_err(|_| failed("the child's end was not seen"))
}

/// The broker's side of a child's life.
struct Control<'a> {
    caller: &'a UnixStream,
    run: &'a Run<'a>,
    ready: Ready,
    shared: &'a Shared,
    terminal: &'a streams::Master,
    /// When the child is killed, once it was told to end.
    ends_at: Option<Instant>,
}

impl Control<'_> {
    /// Obeys the caller until the other end of `over` is closed: child and output are done with.
    fn until(mut self, over: &impl AsRawFd) -> Option<ErrorCode> {
        let mut orders = Orders::default();
        let (started, mut watching, mut why) = (Instant::now(), true, None);
        loop {
            let wait = if watching || self.ends_at.is_some() { WATCH_PAUSE } else { IDLE };
            let (said, done) = both(self.caller, over, wait);
            if done {
                return why;
            }
            if watching && !self.ready.is_unchanged() {
                why = Some(ErrorCode::CommandChanged);
                self.run.signal(libc::SIGKILL);
                watching = false;
            }
            if watching && started.elapsed() > WATCH {
                self.ready.release();
                watching = false;
            }
            if self.ends_at.is_some_and(|end| Instant::now() > end) {
                self.run.signal(libc::SIGKILL);
            }
            if said && self.ends_at.is_none() && !self.obey(&mut orders) {
                why = why.or(Some(ErrorCode::Cancelled));
                self.end();
            }
        }
    }

    /// The caller has gone: nobody is left to read or to answer.
    fn end(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        for signal in [libc::SIGHUP, libc::SIGTERM, libc::SIGCONT] {
            self.run.signal(signal);
        }
        self.ends_at = Some(Instant::now() + GRACE);
    }

    /// Does what was said; `false` where the caller has gone or is not understood.
    fn obey(&self, orders: &mut Orders) -> bool {
        let Some(said) = orders.take(self.caller) else { return false };
        for order in said {
            match order {
                // A group whose parent is in another session does not stop on SIGTSTP (POSIX, orphaned process group).
                Order::Signal(libc::SIGTSTP) => self.run.signal(libc::SIGSTOP),
                Order::Signal(signal @ 1..=64) => self.run.signal(signal),
                Order::Size { rows, columns } => self.terminal.resize(rows, columns),
                Order::Signal(_) => return false,
            }
        }
        true
    }
}

/// Waits for one of two; whether the first can be read, and whether the second is closed.
fn both(said: &impl AsRawFd, over: &impl AsRawFd, wait: Duration) -> (bool, bool) {
    let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut asked = [entry(said.as_raw_fd()), entry(over.as_raw_fd())];
    let millis = libc::c_int::try_from(wait.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: two live entries.
    unsafe { libc::poll(asked.as_mut_ptr(), 2, millis) };
    (asked[0].revents != 0, asked[1].revents != 0)
}

impl Finished {
    /// The child's end as the caller is told.
    pub(crate) fn event(&self) -> Event {
        Event::Ended { code: self.status.code(), signal: self.status.signal() }
    }
}

pub(super) fn failed(why: &'static str) -> Error {
    Error::new(ErrorCode::Internal, why).at(Stage::Broker)
}
