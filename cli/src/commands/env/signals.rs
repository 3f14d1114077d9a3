//! Signals to this process, for the child.

use agentsecrets::{Error, ErrorCode, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

const PASSED_ON: [i32; 7] =
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2, libc::SIGCONT];

/// What was heard.
pub(super) enum Heard {
    /// The terminal has another size.
    Resized,
    /// This process is to stop, and the child with it.
    Suspend,
    /// Anything else.
    Signal(i32),
}

pub(super) struct Signals {
    passed_on: Vec<(i32, Signal)>,
    resized: Signal,
    suspend: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self> {
        let listen = |number: i32| {
            signal(SignalKind::from_raw(number))
                .map_err(|_| Error::new(ErrorCode::Internal, "signals cannot be listened to"))
        };
        let passed_on = PASSED_ON.iter().map(|number| Ok((*number, listen(*number)?))).collect::<Result<_>>()?;
        Ok(Self { passed_on, resized: listen(libc::SIGWINCH)?, suspend: listen(libc::SIGTSTP)? })
    }

    /// The next signal that ends a program which does not care; others are passed over.
    pub(super) async fn ending(&mut self) -> i32 {
        loop {
            match self.next().await {
                Heard::Signal(number @ (libc::SIGINT | libc::SIGTERM | libc::SIGHUP | libc::SIGQUIT)) => return number,
                Heard::Suspend => {
                    // SAFETY: raise takes a number. This process stops here, and goes on when it is continued.
                    unsafe { libc::raise(libc::SIGSTOP) };
                }
                _ => {}
            }
        }
    }

    pub(super) async fn next(&mut self) -> Heard {
        std::future::poll_fn(|cx| {
            use std::task::Poll::{Pending, Ready};
            for (number, signal) in &mut self.passed_on {
                if signal.poll_recv(cx).is_ready() {
                    return Ready(Heard::Signal(*number));
                }
            }
            if self.resized.poll_recv(cx).is_ready() {
                return Ready(Heard::Resized);
            }
            if self.suspend.poll_recv(cx).is_ready() { Ready(Heard::Suspend) } else { Pending }
        })
        .await
    }
}
