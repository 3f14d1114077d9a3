//! The processes a passphrase may enter: children forked without exec by a parent that nobody could open before.
//!
//! A process that was just executed can be opened by another of the same user until it hardens itself, and a descriptor
//! taken in that moment keeps working. It does not reach a child that is forked after the hardening.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::control::WireError;
use crate::error::{Error, ErrorCode, Result, Stage};

/// Closes this process to others of the same user: no ptrace, no `/proc/PID/mem`, no core dump. First thing in `main`.
pub fn harden() {
    INHERITED.get_or_init(open_descriptors);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: prctl with these arguments reads no memory of ours.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer leads to a live local.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
    }
}

/// A forked child and the socket to it.
pub(crate) struct Child {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    pid: libc::pid_t,
}

/// The child's end.
pub(crate) struct Parent {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

/// Forks, runs `work` in the child, and ends the child with it. The process must have one thread only, since locks that
/// other threads hold would stay locked in the child for ever.
///
/// # Errors
/// `internal` where there are several threads or the system has no process to give.
///
/// Of what the caller's caller left open, the child keeps the three streams and the descriptors in `keep`.
pub(crate) fn fork(keep: &[i32], work: impl FnOnce(Parent)) -> Result<Child> {
    if threads() > 1 {
        return Err(failed("a passphrase is only read by a child of a process with one thread"));
    }
    let (ours, theirs) = UnixStream::pair().map_err(|_| failed("no socket to a child"))?;
    // SAFETY: there is one thread, so the child's memory is whole; it leaves by _exit below and never returns.
    match unsafe { libc::fork() } {
        -1 => Err(failed("no process for a child")),
        0 => {
            drop(ours);
            harden();
            close_inherited(&[keep, &[theirs.as_raw_fd()]].concat());
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                if let Ok(parent) = Parent::new(theirs) {
                    work(parent);
                }
            }));
            // SAFETY: _exit runs no handlers of the parent's state that was copied into this process.
            unsafe { libc::_exit(i32::from(outcome.is_err())) }
        }
        pid => {
            drop(theirs);
            let reader = BufReader::new(ours.try_clone().map_err(|_| failed("no socket to a child"))?);
            Ok(Child { reader, writer: ours, pid })
        }
    }
}

impl Child {
    /// Asks and waits for the answer.
    pub(crate) fn ask<Q: Serialize, A: DeserializeOwned>(&mut self, question: &Q) -> Result<A> {
        write_line(&mut self.writer, question)?;
        self.answer()
    }

    /// Waits for an answer.
    pub(crate) fn answer<A: DeserializeOwned>(&mut self) -> Result<A> {
        let answer: Option<Result<A, WireError>> = read_line(&mut self.reader)?;
        answer.ok_or_else(|| failed("the owner's child ended without an answer"))?.map_err(WireError::into_error)
    }

    /// The child's process id.
    pub(crate) fn pid(&self) -> u32 {
        u32::try_from(self.pid).unwrap_or_default()
    }

    /// Lets the child go on by itself.
    pub(crate) fn release(self) {}

    /// Ends the child and takes its exit status, so that none is left behind.
    pub(crate) fn finish(self) {
        let _ = self.writer.shutdown(std::net::Shutdown::Both);
        let mut status = 0;
        // SAFETY: the pointer leads to a live local; the pid is our own child's.
        unsafe {
            libc::waitpid(self.pid, &raw mut status, 0);
        }
    }
}

impl Parent {
    fn new(socket: UnixStream) -> std::io::Result<Self> {
        Ok(Self { reader: BufReader::new(socket.try_clone()?), writer: socket })
    }

    /// The next question, `None` when the parent wants nothing more.
    pub(crate) fn next<Q: DeserializeOwned>(&mut self) -> Result<Option<Q>> {
        read_line(&mut self.reader)
    }

    /// Lets go of what the caller gave this process: its session, its folder, its streams and the descriptors named, so
    /// that nobody waits for the end of a pipe that a broker holds.
    pub(crate) fn detach(&self, inherited: &[i32]) {
        // SAFETY: plain system calls on numbers; the descriptors named were the caller's and are read by now.
        unsafe {
            libc::setsid();
            libc::chdir(c"/".as_ptr());
            let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
            if null >= 0 {
                for stream in 0..3 {
                    libc::dup2(null, stream);
                }
            }
            for number in inherited.iter().filter(|number| **number > 2) {
                libc::close(*number);
            }
        }
    }

    /// Answers.
    pub(crate) fn say<A: Serialize>(&mut self, answer: Result<A>) -> Result<()> {
        write_line(&mut self.writer, &answer.map_err(|error| WireError::of(&error)))
    }
}

fn write_line<T: Serialize>(socket: &mut UnixStream, said: &T) -> Result<()> {
    let mut line = serde_json::to_vec(said).map_err(|_| failed("a message to the owner's child cannot be written"))?;
    line.push(b'\n');
    socket.write_all(&line).map_err(|_| failed("the owner's child went away"))
}

fn read_line<T: DeserializeOwned>(socket: &mut BufReader<UnixStream>) -> Result<Option<T>> {
    let mut line = String::new();
    match socket.read_line(&mut line) {
        Ok(0) => Ok(None),
        Ok(_) => serde_json::from_str(&line).map(Some).map_err(|_| failed("the owner's child is not understood")),
        Err(_) => Err(failed("the owner's child went away")),
    }
}

/// What the caller of this process left open beyond the three streams.
static INHERITED: OnceLock<Vec<i32>> = OnceLock::new();

fn open_descriptors() -> Vec<i32> {
    let names = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    let listed: Vec<i32> = names.filter_map(|name| name.ok()?.file_name().to_str()?.parse().ok()).collect();
    // The descriptor of the listing is among those listed, and closed by now.
    // SAFETY: fcntl only asks.
    let open = |number: &i32| *number > 2 && unsafe { libc::fcntl(*number, libc::F_GETFD) } >= 0;
    listed.into_iter().filter(open).collect()
}

/// Closes what the caller left open and nothing that this process opened itself.
fn close_inherited(keep: &[i32]) {
    for number in INHERITED.get().into_iter().flatten().filter(|number| !keep.contains(number)) {
        // SAFETY: the descriptor was open before `main` and belongs to nothing in this process.
        unsafe { libc::close(*number) };
    }
}

/// How many threads this process has; one where the system does not say.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

fn failed(why: &'static str) -> Error {
    Error::new(ErrorCode::Internal, why).at(Stage::Owner)
}
