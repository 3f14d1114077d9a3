//! The child's three streams: pipes or a pseudo-terminal, and the threads that carry its output.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{failed, tell};
use crate::error::Result;
use crate::redact::Scanner;
use crate::release::message::{Event, Terminal};
use crate::release::pump::{Pump, Shared, is_ready};

/// How often the way of what is typed looks up.
const TICK: Duration = Duration::from_millis(100);

/// The child's ends.
pub(super) struct Ends {
    pub(super) stdin: Stdio,
    pub(super) stdout: Stdio,
    pub(super) stderr: Stdio,
    pub(super) terminal: bool,
}

/// The broker's ends.
pub(super) struct Streams {
    master: Master,
    /// What the caller types, where the child reads from the pseudo-terminal.
    typed: Option<File>,
    /// From the child, to the caller, and whether it is the terminal's.
    outputs: Vec<(File, File, bool)>,
}

/// The pseudo-terminal's side of the broker, if there is one.
pub(super) struct Master(Option<File>);

impl Streams {
    pub(super) fn lay(streams: [OwnedFd; 3], terminal: Option<Terminal>) -> Result<(Self, Ends)> {
        let [stdin, stdout, stderr] = streams;
        let Some(terminal) = terminal.filter(|terminal| terminal.streams[1] || terminal.streams[2]) else {
            let (from_out, out) = pipe()?;
            let (from_err, err) = pipe()?;
            let outputs = vec![(from_out, File::from(stdout), false), (from_err, File::from(stderr), false)];
            let ends = Ends { stdin: stdin.into(), stdout: out.into(), stderr: err.into(), terminal: false };
            return Ok((Self { master: Master(None), typed: None, outputs }, ends));
        };
        let (master, slave) = open_terminal(if terminal.streams[1] { &stdout } else { &stderr }, terminal)?;
        let of_slave = || slave.try_clone().map(Stdio::from).map_err(|_| failed("no descriptor for a terminal"));
        let mut outputs = Vec::new();
        let mut shown = None;
        let mut output = |is_terminal: bool, sink: OwnedFd| -> Result<Stdio> {
            if is_terminal {
                shown.get_or_insert(File::from(sink));
                return of_slave();
            }
            let (from, end) = pipe()?;
            outputs.push((from, File::from(sink), false));
            Ok(end.into())
        };
        let out = output(terminal.streams[1], stdout)?;
        let err = output(terminal.streams[2], stderr)?;
        if let Some(shown) = shown {
            outputs.push((copy(&master)?, shown, true));
        }
        let (typed, stdin) =
            if terminal.streams[0] { (Some(File::from(stdin)), of_slave()?) } else { (None, stdin.into()) };
        let ends = Ends { stdin, stdout: out, stderr: err, terminal: true };
        Ok((Self { master: Master(Some(master)), typed, outputs }, ends))
    }

    /// Starts the threads. Each output holds a copy of `alive` until it is through.
    pub(super) fn start(
        self,
        scanner: &Arc<Scanner>,
        shared: &Arc<Shared>,
        alive: &std::io::PipeWriter,
        caller: &UnixStream,
    ) -> Result<Master> {
        let thread = |work: Box<dyn FnOnce() + Send>| {
            let started = std::thread::Builder::new().name("door".to_owned()).spawn(work);
            started.map(drop).map_err(|_| failed("the system has no thread to give"))
        };
        for (source, sink, terminal) in self.outputs {
            let alive = alive.try_clone().map_err(|_| failed("the system has no pipe to give"))?;
            let pump = Pump { source, sink, scanner: Arc::clone(scanner), terminal, shared: Arc::clone(shared) };
            thread(Box::new(move || {
                pump.run();
                drop(alive);
            }))?;
        }
        if let (Some(typed), Master(Some(master))) = (self.typed, &self.master) {
            let caller = caller.try_clone().map_err(|_| failed("no descriptor for the caller"))?;
            let (master, shared) = (copy(master)?, Arc::clone(shared));
            thread(Box::new(move || type_in(typed, master, &shared, &caller)))?;
        }
        Ok(self.master)
    }
}

impl Master {
    pub(super) fn resize(&self, rows: u16, columns: u16) {
        let Some(master) = &self.0 else { return };
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the pointer leads to a live local.
        unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ as _, &raw const size) };
    }
}

/// Carries what is typed to the child, until either has ended. The suspend character stops the child here: the kernel
/// would pass over a group whose parent is in another session.
fn type_in(mut typed: File, mut master: File, shared: &Shared, caller: &UnixStream) {
    let mut block = [0; 4096];
    while !shared.ended.load(Ordering::Acquire) && !shared.stopped.load(Ordering::Acquire) {
        if !is_ready(&typed, libc::POLLIN, TICK) {
            continue;
        }
        let Ok(count @ 1..) = typed.read(&mut block) else { break };
        let mut rest = &block[..count];
        while let Some((at, group)) = suspend_in(rest, &master) {
            if master.write_all(&rest[..at]).is_err() {
                return;
            }
            // SAFETY: kill takes numbers; the kernel named the group as the terminal's own.
            unsafe { libc::kill(-group, libc::SIGSTOP) };
            let _ = tell(caller, &Event::Suspended);
            rest = &rest[at + 1..];
        }
        if master.write_all(rest).is_err() {
            break;
        }
    }
    block.fill(0);
}

/// Where the suspend character stands, if the terminal acts on it and its foreground is the child itself.
fn suspend_in(typed: &[u8], master: &File) -> Option<(usize, i32)> {
    // SAFETY: an all-zero termios is a valid one, and a live local; the other calls take numbers.
    let (settings, foreground, session) = unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        if libc::tcgetattr(master.as_raw_fd(), &raw mut settings) != 0 {
            return None;
        }
        (settings, libc::tcgetpgrp(master.as_raw_fd()), libc::tcgetsid(master.as_raw_fd()))
    };
    let acts = settings.c_lflag & libc::ISIG != 0 && settings.c_cc[libc::VSUSP] != 0;
    let at = typed.iter().position(|byte| *byte == settings.c_cc[libc::VSUSP])?;
    (acts && foreground > 1 && foreground == session).then_some((at, foreground))
}

/// A pseudo-terminal with the settings and the size of the caller's.
fn open_terminal(like: &OwnedFd, terminal: Terminal) -> Result<(File, OwnedFd)> {
    let (mut master, mut slave) = (-1, -1);
    let size = libc::winsize { ws_row: terminal.rows, ws_col: terminal.columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the pointers lead to live locals; an all-zero termios is a valid one, used only where it was filled.
    let made = unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        let known = libc::tcgetattr(like.as_raw_fd(), &raw mut settings) == 0;
        let settings = if known { &raw mut settings } else { std::ptr::null_mut() };
        libc::openpty(&raw mut master, &raw mut slave, std::ptr::null_mut(), settings, (&raw const size).cast_mut())
    };
    if made != 0 {
        return Err(failed("the system has no pseudo-terminal to give"));
    }
    for end in [master, slave] {
        // SAFETY: fcntl on a descriptor that was made just now.
        unsafe { libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    // SAFETY: both descriptors were made just now and belong to nobody else.
    Ok(unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) })
}

fn pipe() -> Result<(File, OwnedFd)> {
    let (reader, writer) = std::io::pipe().map_err(|_| failed("the system has no pipe to give"))?;
    Ok((File::from(OwnedFd::from(reader)), OwnedFd::from(writer)))
}

fn copy(file: &File) -> Result<File> {
    file.try_clone().map_err(|_| failed("the system has no descriptor to give"))
}
