//! The child's output on its way to the caller: through the scanner, and never past it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::redact::{Found, Redactor, Scanner};

/// After how much silence a terminal shows what is held back: a prompt has no line feed.
const SILENCE: Duration = Duration::from_millis(50);
/// How long output is still waited for after the child has ended: a grandchild may hold the other end for ever.
pub(super) const AFTERMATH: Duration = Duration::from_millis(200);
/// How often a wait looks up.
const TICK: Duration = Duration::from_millis(100);
/// What a pipe takes at once without blocking (POSIX asks for 512 at least, Linux and macOS give 4096 and 512).
const PIECE: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// What the threads of one run know of each other.
#[derive(Default)]
pub(super) struct Shared {
    /// The child has ended.
    pub(super) ended: AtomicBool,
    /// The caller has gone: nobody reads any more.
    pub(super) stopped: AtomicBool,
    pub(super) found: Mutex<Found>,
}

/// One stream of the child's.
pub(super) struct Pump {
    pub(super) source: File,
    pub(super) sink: File,
    pub(super) scanner: Arc<Scanner>,
    /// Whether it is a terminal's, which shows a line before it ends.
    pub(super) terminal: bool,
    pub(super) shared: Arc<Shared>,
}

impl Pump {
    /// Moves everything until the end of the stream.
    pub(super) fn run(mut self) {
        let mut redactor = Redactor::new(Arc::clone(&self.scanner));
        let (mut block, mut out, mut held) = (vec![0; 32 << 10], Vec::new(), false);
        let mut last = Instant::now();
        loop {
            let wait = if held && self.terminal { SILENCE } else { TICK };
            if !is_ready(&self.source, libc::POLLIN, wait) {
                if self.is_over(last) {
                    break;
                }
                if held && self.terminal && !self.flush(&mut redactor, &mut out) {
                    break;
                }
                held &= !self.terminal;
                continue;
            }
            // A pseudo-terminal that nobody holds any more reads as an error.
            let Ok(count @ 1..) = self.source.read(&mut block) else { break };
            last = Instant::now();
            redactor.push(&block[..count], &mut out);
            held = true;
            if !self.write(&mut out) {
                break;
            }
        }
        block.fill(0);
        self.flush(&mut redactor, &mut out);
    }

    fn is_over(&self, last: Instant) -> bool {
        self.shared.stopped.load(Ordering::Acquire)
            || self.shared.ended.load(Ordering::Acquire) && last.elapsed() > AFTERMATH
    }

    /// Decides what is held back and writes it; what follows is another stream to the scanner.
    fn flush(&mut self, redactor: &mut Redactor, out: &mut Vec<u8>) -> bool {
        let mut done = std::mem::replace(redactor, Redactor::new(Arc::clone(&self.scanner)));
        done.finish(out);
        self.shared.found.lock().unwrap_or_else(PoisonError::into_inner).merge(done.found());
        self.write(out)
    }

    /// Writes without ever waiting for a reader that the caller's end took away; `false` where nobody reads.
    fn write(&mut self, out: &mut Vec<u8>) -> bool {
        let mut rest = &out[..];
        while !rest.is_empty() {
            if self.shared.stopped.load(Ordering::Acquire) {
                return false;
            }
            if !is_ready(&self.sink, libc::POLLOUT, TICK) {
                continue;
            }
            match self.sink.write(&rest[..rest.len().min(PIECE)]) {
                Ok(count) => rest = &rest[count..],
                Err(why) if matches!(why.kind(), std::io::ErrorKind::Interrupted | std::io::ErrorKind::WouldBlock) => {}
                Err(_) => return false,
            }
        }
        out.clear();
        true
    }
}

/// Waits until a descriptor can be read or written, or its other end is closed.
pub(super) fn is_ready(file: &impl AsRawFd, events: libc::c_short, wait: Duration) -> bool {
    let mut asked = libc::pollfd { fd: file.as_raw_fd(), events, revents: 0 };
    let millis = libc::c_int::try_from(wait.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: one live entry.
    unsafe { libc::poll(&raw mut asked, 1, millis) > 0 }
}

/// Whether nobody is at the other end of a connection any more. Nothing is read.
pub(crate) fn is_closed(connection: &impl AsRawFd) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let events = libc::POLLRDHUP;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let events = 0; // A closed connection is told unasked.
    is_ready(connection, events, Duration::ZERO)
}
