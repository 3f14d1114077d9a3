//! The child, as if it had been started without us: its terminal, its signals, its exit code.

use std::ffi::{OsStr, OsString};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicI32, Ordering};

/// What is passed on to the child.
const PASSED_ON: [i32; 6] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];
/// The child's process id; none yet, or no more, where it is zero.
static CHILD: AtomicI32 = AtomicI32::new(0);
/// A signal that came before there was a child.
static EARLY: AtomicI32 = AtomicI32::new(0);

/// Runs the command to its end and gives its code, or 128 and the number of the signal that ended it.
pub(super) fn run(command: &[OsString], variables: Vec<(OsString, OsString)>) -> Result<u8> {
    let (program, arguments) = command.split_first().map_or((OsStr::new(""), &[][..]), |(p, a)| (p.as_os_str(), a));
    listen()?;
    // No group and no session of its own: the terminal speaks to it as to us.
    let mut child = Command::new(program).args(arguments).env_clear().envs(variables).spawn()?;
    let pid = libc::pid_t::try_from(child.id()).map_err(|_| Error::from(ErrorKind::Other))?;
    CHILD.store(pid, Ordering::SeqCst);
    let early = EARLY.swap(0, Ordering::SeqCst);
    if early != 0 {
        // SAFETY: kill reads no memory, and the child is not waited for yet, so its number is its own.
        unsafe { libc::kill(pid, early) };
    }
    until_ended(pid)?;
    // From here on the number may become another's.
    CHILD.store(0, Ordering::SeqCst);
    let status = child.wait()?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(1))
}

/// Waits for the child's end and leaves its status to be taken.
fn until_ended(pid: libc::pid_t) -> Result<()> {
    let id = libc::id_t::try_from(pid).map_err(|_| Error::from(ErrorKind::Other))?;
    loop {
        // SAFETY: zeros are a valid siginfo_t.
        let mut told: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer leads to a live local.
        if unsafe { libc::waitid(libc::P_PID, id, &raw mut told, libc::WEXITED | libc::WNOWAIT) } == 0 {
            return Ok(());
        }
        let why = Error::last_os_error();
        if why.kind() != ErrorKind::Interrupted {
            return Err(why);
        }
    }
}

/// Takes the signals that are passed on. One that the caller ignores stays ignored, for the child too (`nohup`).
fn listen() -> Result<()> {
    for signal in PASSED_ON {
        // SAFETY: zeros are a valid sigaction, the pointers lead to live locals, and the handler is async-signal-safe.
        let done = unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(signal, std::ptr::null(), &raw mut before) == 0 && before.sa_sigaction == libc::SIG_IGN {
                continue;
            }
            let mut ours: libc::sigaction = std::mem::zeroed();
            ours.sa_sigaction = pass_on as *const () as libc::sighandler_t;
            ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            libc::sigaction(signal, &raw const ours, std::ptr::null_mut())
        };
        if done != 0 {
            return Err(Error::last_os_error());
        }
    }
    Ok(())
}

/// Passes a signal on that a process sent to us. One from the terminal has reached the child already, as it is sent to
/// the whole group.
extern "C" fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gives a valid siginfo_t to a handler with SA_SIGINFO.
    if is_from_terminal(unsafe { &*info }) {
        return;
    }
    match CHILD.load(Ordering::SeqCst) {
        0 => EARLY.store(signal, Ordering::SeqCst),
        // SAFETY: kill is async-signal-safe, and the number is the child's until its status is taken.
        pid => drop(unsafe { libc::kill(pid, signal) }),
    }
}

/// Linux marks what a process sent with codes up to zero (sigaction(2)).
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_from_terminal(info: &libc::siginfo_t) -> bool {
    info.si_code > 0
}

/// Untested here.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_from_terminal(info: &libc::siginfo_t) -> bool {
    info.si_pid == 0
}

/// Why there is no child, without the words that were typed.
pub(super) fn failure(why: &Error) -> String {
    match why.kind() {
        ErrorKind::NotFound => "there is no such command".to_owned(),
        kind => format!("the command cannot be run: {kind}"),
    }
}

/// The code a shell gives for it (POSIX.1, 2.8.2).
pub(super) fn code_of(why: &Error) -> u8 {
    if why.kind() == ErrorKind::NotFound { 127 } else { 126 }
}
