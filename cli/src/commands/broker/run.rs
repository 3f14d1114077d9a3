//! `broker run`: by hand, or as a user of its own for every registered agent of the machine.

use std::path::{Path, PathBuf};

use agentsecrets::owner::{NewShare, Owner, PassphraseSource, PolicyAct, SystemSocket, system_socket};
use agentsecrets::{Error, ErrorCode, Home, Result, Unlock};
use clap::Args;

use super::super::{OK, home};
use super::{share, units};
use crate::args::Passphrase;
use crate::render::{Outcome, Output};

/// Where the socket is, unless it is said.
const SOCKET: &str = "/run/agentsecrets/broker.sock";

#[derive(Args)]
pub(crate) struct Run {
    /// Return as soon as it listens
    #[arg(long, conflicts_with = "system")]
    background: bool,
    /// Serve every registered agent of this home at a socket for other users; the first time asks for the passphrase
    #[arg(long)]
    system: bool,
    /// The socket for the agents (/run/agentsecrets/broker.sock, or the one that was signed)
    #[arg(long, value_name = "PATH", requires = "system")]
    socket: Option<PathBuf>,
    /// The socket's mode (0666, or 0660 with --group)
    #[arg(long, value_name = "MODE", value_parser = share::mode, requires = "system")]
    mode: Option<u32>,
    /// The socket's group, by name or number; the broker's user must be in it
    #[arg(long, value_name = "G", requires = "system")]
    group: Option<String>,
    /// Where the use key is this time: file:PATH or fd:N, holding the same key as the home's own place
    #[arg(long, value_name = "PLACE", requires = "system")]
    unlock: Option<String>,
    /// Print the unit that runs it, and do nothing else
    #[arg(long, value_name = "INIT", value_parser = ["systemd", "launchd"], requires = "system")]
    print_unit: Option<String>,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Run {
    pub(super) fn run(&self, output: &Output) -> Outcome {
        if let Some(init) = &self.print_unit {
            return print(init, output);
        }
        let home = home()?;
        if !self.system {
            crate::broker::run(home, self.background)?;
            return Ok(OK);
        }
        self.check(&home)?;
        if let Some(share) = self.share(&home)? {
            // The child that asks is forked, and gone, before the engine starts a thread.
            let source = PassphraseSource::from_fd(self.passphrase.passphrase_fd);
            Owner::fork(&home, source)?.change(vec![PolicyAct::Share(share)])?;
        }
        let place = self.unlock.as_deref().map(str::parse::<Unlock>).transpose()?;
        crate::broker::run_system(&home, place.as_ref())?;
        Ok(OK)
    }

    /// What makes no system's broker: root, against whom nothing holds, and a key that only a human opens.
    fn check(&self, home: &Home) -> Result<()> {
        // SAFETY: geteuid has no preconditions.
        if unsafe { libc::geteuid() } == 0 {
            return Err(Error::new(
                ErrorCode::InvalidCall,
                "the system's broker runs as a user of its own, not as root",
            )
            .with_hint("agentsecrets broker run --system --print-unit systemd"));
        }
        if self.unlock.is_none() && home.config()?.unlock == Unlock::Passphrase {
            return Err(Error::new(
                ErrorCode::StoreLocked,
                "the use key is under a passphrase, and a service has nobody to ask",
            )
            .with_hint("agentsecrets unlock  # the broker that it starts serves the same sockets"));
        }
        Ok(())
    }

    /// What the owner has to sign first: nothing where the terms that are typed were signed before.
    fn share(&self, home: &Home) -> Result<Option<NewShare>> {
        let signed = system_socket(home)?;
        let path = self.socket.clone().or_else(|| signed.as_ref().map(|signed| signed.path.clone()));
        let path = share::prepared(&path.unwrap_or_else(|| PathBuf::from(SOCKET)))?;
        let same = |signed: &SystemSocket| {
            let mode = self.mode.is_none_or(|mode| mode == signed.mode);
            path == signed.path && mode && self.group.as_ref().is_none_or(|group| signed.group.as_ref() == Some(group))
        };
        if self.passphrase.passphrase_fd.is_none() && signed.as_ref().is_some_and(same) {
            return Ok(None);
        }
        Ok(Some(NewShare::new(path, None, None)?.open_to(self.mode, self.group.clone())))
    }
}

fn print(init: &str, output: &Output) -> Outcome {
    let own = std::env::current_exe().and_then(|path| path.canonicalize());
    let own = own.unwrap_or_else(|_| Path::new("/usr/bin/agentsecrets").to_owned());
    let text = if init == "systemd" { units::systemd(&own) } else { units::launchd(&own) };
    output.show(&serde_json::json!({ "init": init, "unit": text }), |output| output.raw_line(text.trim_end()))?;
    Ok(OK)
}
