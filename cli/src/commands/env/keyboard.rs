//! The caller's terminal while a child has a pseudo-terminal of its own: raw, and as it was afterwards.

use std::io::{IsTerminal, Read, Write};
use std::os::fd::OwnedFd;

use agentsecrets::{Error, ErrorCode, Result};

/// The terminal, if stdout or stderr is one.
pub(super) struct Keyboard {
    /// Which stream tells the size.
    shown: Option<i32>,
    /// Stdin's settings as they were, where it is the terminal too.
    settings: Option<libc::termios>,
    raw: bool,
}

impl Keyboard {
    pub(super) fn of_terminal() -> Result<Self> {
        let shown = [(1, std::io::stdout().is_terminal()), (2, std::io::stderr().is_terminal())];
        let shown = shown.into_iter().find(|(_, terminal)| *terminal).map(|(stream, _)| stream);
        let settings = if shown.is_some() && std::io::stdin().is_terminal() { Some(settings()?) } else { None };
        Ok(Self { shown, settings, raw: false })
    }

    /// Rows and columns.
    pub(super) fn size(&self) -> Option<(u16, u16)> {
        // SAFETY: an all-zero winsize is a valid one, and a live local.
        let size = unsafe {
            let mut size: libc::winsize = std::mem::zeroed();
            (libc::ioctl(self.shown?, libc::TIOCGWINSZ, &raw mut size) == 0).then_some(size)
        };
        Some(size.map_or((24, 80), |size| (size.ws_row, size.ws_col)))
    }

    /// What is typed from here on, read by this process: job control holds for it and not for the broker.
    pub(super) fn typed(&self) -> Option<OwnedFd> {
        self.settings?;
        let (reader, mut writer) = std::io::pipe().ok()?;
        let carry = move || {
            let (mut stdin, mut block) = (std::io::stdin().lock(), [0; 4096]);
            while let Ok(count @ 1..) = stdin.read(&mut block) {
                if writer.write_all(&block[..count]).is_err() {
                    break;
                }
            }
        };
        // It ends with the process: a read from a terminal cannot be called off.
        std::thread::Builder::new().name("keyboard".to_owned()).spawn(carry).ok()?;
        Some(OwnedFd::from(reader))
    }

    /// Hands every key to the child's own terminal.
    pub(super) fn go_raw(&mut self) {
        let Some(mut raw) = self.settings else { return };
        // SAFETY: both calls take a live local.
        unsafe {
            libc::cfmakeraw(&raw mut raw);
            self.raw = libc::tcsetattr(0, libc::TCSADRAIN, &raw const raw) == 0;
        }
    }

    /// Gives the terminal back as it was.
    pub(super) fn restore(&mut self) {
        if let (true, Some(settings)) = (self.raw, &self.settings) {
            // SAFETY: the pointer leads to live settings.
            unsafe { libc::tcsetattr(0, libc::TCSADRAIN, settings) };
            self.raw = false;
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.restore();
    }
}

fn settings() -> Result<libc::termios> {
    // SAFETY: an all-zero termios is a valid one, and a live local.
    unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        if libc::tcgetattr(0, &raw mut settings) == 0 {
            return Ok(settings);
        }
    }
    Err(Error::new(ErrorCode::Internal, "the terminal does not tell its settings"))
}
