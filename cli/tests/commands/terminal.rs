//! A command at a real terminal, and somebody who types.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::stage;

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Terminal {
    screen: File,
    child: Child,
    seen: String,
    /// What was there when `expect` last found something.
    read_to: usize,
}

impl Terminal {
    /// Runs the command with the terminal as its controlling one, and as its three streams.
    pub(crate) fn run(mut command: Command) -> Self {
        let (screen, theirs) = stage::pair();
        let copy = || Stdio::from(theirs.try_clone().expect("descriptor"));
        command.stdin(copy()).stdout(copy()).stderr(copy()).env("TERM", "xterm");
        // SAFETY: both calls are async-signal-safe; stdin is the terminal by then, and the session is a new one, as
        // `Stage::command` made the child leave the old one.
        unsafe {
            command.pre_exec(|| {
                if libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
            });
        }
        let child = command.spawn().expect("started");
        Self { screen, child, seen: String::new(), read_to: 0 }
    }

    /// Waits until the text appears after what was found before.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) {
        let started = Instant::now();
        loop {
            if let Some(at) = self.seen[self.read_to..].find(text) {
                self.read_to += at + text.len();
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{text:?} did not come: {:?}", self.seen);
            assert!(self.read(), "{text:?} did not come before the end: {:?}", self.seen);
        }
    }

    /// Types a line.
    pub(crate) fn type_line(&mut self, text: &str) {
        // The prompt is written before the echo is switched off; a human is slower than that.
        std::thread::sleep(Duration::from_millis(150));
        self.screen.write_all(format!("{text}\n").as_bytes()).expect("typed");
    }

    /// The command's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives the terminal another size; the kernel tells who is in its foreground.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the pointer leads to a live local.
        assert_eq!(unsafe { libc::ioctl(self.screen.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }, 0);
    }

    /// Whether the terminal edits lines and makes signals, as it does unless a program wants every key.
    pub(crate) fn is_cooked(&self) -> bool {
        // SAFETY: an all-zero termios is a valid one, and a live local.
        unsafe {
            let mut settings: libc::termios = std::mem::zeroed();
            assert_eq!(libc::tcgetattr(self.screen.as_raw_fd(), &raw mut settings), 0);
            settings.c_lflag & (libc::ICANON | libc::ISIG | libc::ECHO) == libc::ICANON | libc::ISIG | libc::ECHO
        }
    }

    /// Waits for the end; gives the exit code and everything that was shown.
    pub(crate) fn end(mut self) -> (i32, String) {
        let started = Instant::now();
        let status = loop {
            while self.read() {}
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(started.elapsed() < PATIENCE, "it did not end: {:?}", self.seen);
            std::thread::sleep(Duration::from_millis(10));
        };
        while self.read() {}
        (status.code().unwrap_or(-1), std::mem::take(&mut self.seen))
    }

    /// Reads what is there; `false` where nothing came for a while, or nothing will.
    fn read(&mut self) -> bool {
        let mut poll = libc::pollfd { fd: self.screen.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let mut bytes = [0; 4096];
        // SAFETY: the pointer leads to one live local.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 2000) };
        if ready <= 0 {
            return self.child.try_wait().expect("a child").is_none() && ready == 0;
        }
        // A terminal that nobody holds any more reads as an error.
        match self.screen.read(&mut bytes) {
            Ok(count @ 1..) => {
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
                true
            }
            _ => false,
        }
    }
}
