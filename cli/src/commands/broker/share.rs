//! `broker share`: a socket for an agent in a container or of another user.

use std::path::{Path, PathBuf};

use agentsecrets::broker::check_shared_folder;
use agentsecrets::owner::{NewShare, PolicyAct};
use agentsecrets::{Error, ErrorCode, Label, Result, ShareInfo};
use clap::Args;

use super::super::session::Session;
use super::super::{OK, moment, usage};
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output};

#[derive(Args)]
pub(crate) struct Share {
    /// The socket: a path of your own that the container, or the other user, reaches
    #[arg(long, value_name = "PATH", required_unless_present_any = ["list", "stop"])]
    socket: Option<PathBuf>,
    /// The only agent that is served there
    #[arg(long, value_name = "A", required_unless_present_any = ["list", "stop", "system"])]
    agent: Option<String>,
    /// Serve every registered agent, where the broker is a user of its own: see broker run --system
    #[arg(long, conflicts_with_all = ["agent", "list", "stop"])]
    system: bool,
    /// Another project of this home than the one in use here
    #[arg(long, value_name = "P")]
    project: Option<String>,
    /// The socket's mode (0666, or 0660 with --group)
    #[arg(long, value_name = "MODE", value_parser = mode)]
    mode: Option<u32>,
    /// The socket's group, by name or number; you must be in it
    #[arg(long, value_name = "G")]
    group: Option<String>,
    /// For how long: 90m, 12h, 30d, 2w (until it is stopped, unless said)
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// List what is shared
    #[arg(long, conflicts_with_all = ["socket", "agent", "stop"])]
    list: bool,
    /// Stop sharing the socket at this path, for good (asks nobody: it only takes away)
    #[arg(long, value_name = "PATH", conflicts_with_all = ["socket", "agent"])]
    stop: Option<PathBuf>,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Share {
    pub(super) fn run(&self, output: &Output) -> Outcome {
        if self.list {
            return list(output);
        }
        if let Some(path) = &self.stop {
            return stop(path, output);
        }
        let Some(socket) = &self.socket else {
            return Err(usage("--socket is needed", "agentsecrets broker share --help").into());
        };
        let (socket, agent) = (prepared(socket)?, self.agent.as_deref().map(Label::parse).transpose()?);
        let place = Place { project: self.project.clone(), environment: None };
        let mut session = Session::with_owner(&place, self.passphrase.passphrase_fd)?;
        let (project, _) = session.in_use()?;
        let share = NewShare::new(socket, agent.map(|agent| (project, agent)), self.expires.clone())?;
        let made = opened(&mut session, share.open_to(self.mode, self.group.clone()))?;
        let whom =
            made.agent.as_ref().map_or("every registered agent".to_owned(), |agent| format!("the agent {agent}"));
        output.show(&made, |output| output.line(&format!("shared: {} with {whom}", made.socket)))?;
        if !output.is_json() {
            let agent = made.agent.as_ref().map_or("NAME", Label::as_str);
            output.note(&format!(
                "There: AGENTSECRETS_BROKER=unix:{} and AGENTSECRETS_AGENT_TOKEN, a token of: agentsecrets agent token \
                 issue {agent}",
                made.socket
            ));
        }
        Ok(OK)
    }
}

/// The absolute path of a socket, in a folder that is there and closed to others: told before a passphrase is asked for.
pub(super) fn prepared(socket: &Path) -> Result<PathBuf> {
    let socket = std::path::absolute(socket).map_err(|_| {
        usage("the socket has no path", "agentsecrets broker share --socket /run/user/1000/as/bot.sock")
    })?;
    crate::broker::make_folder(&socket).map_err(|why| {
        Error::new(ErrorCode::InvalidCall, format!("the folder of {} cannot be made: {why}", socket.display()))
            .with_hint("choose a folder of your own, like $XDG_RUNTIME_DIR/agentsecrets")
    })?;
    check_shared_folder(&socket)?;
    Ok(socket)
}

/// Signs a share, and looks whether the broker listens.
pub(super) fn opened(session: &mut Session, share: NewShare) -> Result<ShareInfo> {
    let id = share.id().to_owned();
    session.change(vec![PolicyAct::Share(share)])?;
    let shares = session.wait(session.client.shares())?;
    let made = shares.into_iter().find(|share| share.id == id);
    let made = made.ok_or_else(|| Error::new(ErrorCode::Internal, "the share was taken away at once"))?;
    match &made.problem {
        None => Ok(made),
        Some(why) => Err(Error::new(ErrorCode::BrokerUnavailable, format!("it is signed, and not open: {why}"))
            .with_hint(format!("agentsecrets broker share --stop {}", made.socket))),
    }
}

fn stop(path: &Path, output: &Output) -> Outcome {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let session = Session::open(&Place::default())?;
    let stopped = session.wait(session.client.stop_share(path))?;
    output.show(&stopped, |output| output.line(&format!("{} is shared no more", stopped.socket)))?;
    Ok(OK)
}

fn list(output: &Output) -> Outcome {
    let session = Session::open(&Place::default())?;
    let shares = session.wait(session.client.shares())?;
    output.show(&shares, |output| tell(output, &shares))?;
    if shares.is_empty() && !output.is_json() {
        output.note("Nothing is shared. The owner shares with: agentsecrets broker share --socket PATH --agent A");
    }
    Ok(OK)
}

/// Writes shares as a table.
pub(super) fn tell(output: &Output, shares: &[ShareInfo]) -> std::io::Result<()> {
    let row = |share: &ShareInfo| {
        let agent = share.agent.as_ref().map_or("every registered one", Label::as_str).to_owned();
        let open = share.group.as_ref().map_or_else(|| share.mode.clone(), |group| format!("{} {group}", share.mode));
        let until = share.expires.map_or_else(|| "it is stopped".to_owned(), moment);
        let state = share.problem.as_ref().map_or_else(|| share.state.clone(), |why| format!("{}: {why}", share.state));
        vec![share.socket.clone(), agent, share.isolation.clone(), open, until, state]
    };
    if shares.is_empty() {
        return Ok(());
    }
    output.table(&["SOCKET", "AGENT", "ISOLATION", "MODE", "UNTIL", "STATE"], shares.iter().map(row).collect())
}

/// A mode as it is typed: `0660`.
pub(super) fn mode(text: &str) -> std::result::Result<u32, &'static str> {
    let mode = u32::from_str_radix(text, 8).map_err(|_| "a mode is octal")?;
    if mode & !0o666 == 0 && mode & 0o600 == 0o600 { Ok(mode) } else { Err("a socket's mode is 0600 to 0666") }
}
