//! One file a command. What several need is here: the way to the engine, and to the owner's child.

pub(crate) mod agent;
pub(crate) mod allow;
pub(crate) mod approve;
pub(crate) mod backup;
pub(crate) mod broker;
pub(crate) mod bundle;
pub(crate) mod call;
pub(crate) mod completions;
pub(crate) mod deny;
pub(crate) mod doctor;
pub(crate) mod egress;
pub(crate) mod env;
pub(crate) mod environment;
pub(crate) mod exec;
pub(crate) mod grants;
pub(crate) mod init;
pub(crate) mod limit;
pub(crate) mod lock;
pub(crate) mod login;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod project;
pub(crate) mod proxy;
pub(crate) mod restore;
pub(crate) mod run;
pub(crate) mod secrets;
pub(crate) mod session;
pub(crate) mod status;
pub(crate) mod trust;
pub(crate) mod unlock;
pub(crate) mod workspace;

use agentsecrets::broker::SharedSocket;
use agentsecrets::{Error, ErrorCode, Home, Result};

use crate::args::Command;
use crate::render::{Outcome, Output};

/// Everything went well.
pub(crate) const OK: u8 = 0;
/// It was done, and the answer is no.
pub(crate) const FAILED: u8 = 1;
/// Something that was asked for is not there.
pub(crate) const NOT_FOUND: u8 = 4;

/// Runs a command.
pub(crate) fn run(command: Command, output: &Output) -> Outcome {
    match command {
        Command::Init(init) => init.run(output),
        Command::Secrets(secrets) => secrets.run(output),
        Command::Allow(allow) => allow.run(output),
        Command::Approve(approve) => approve.run(output),
        Command::Deny(deny) => deny.run(output),
        Command::Grants(grants) => grants.run(output),
        Command::Agent(agent) => agent.run(output),
        Command::Limit(limit) => limit.run(output),
        Command::Trust(trust) => trust.run(output),
        Command::Egress(egress) => egress.run(output),
        Command::Call(call) => call.run(output),
        Command::Env(env) => env.run(output),
        Command::Exec(exec) => exec.run(output),
        Command::Run(run) => run.run(output),
        Command::Proxy(proxy) => proxy.run(output),
        Command::Logs(logs) => logs.run(output),
        Command::Status(status) => status.run(output),
        Command::Doctor(doctor) => doctor.run(output),
        Command::Bundle(bundle) => bundle.run(output),
        Command::Login(login) => login.run(output),
        Command::Logout(logout) => logout.run(output),
        Command::Lock(lock) => lock.run(output),
        Command::Unlock(unlock) => unlock.run(output),
        Command::Project(project) => project.run(output),
        Command::Environment(environment) => environment.run(output),
        Command::Broker(broker) => broker.run(output),
        Command::Backup(backup) => backup.run(output),
        Command::Restore(restore) => restore.run(output),
        Command::Workspace(workspace) => workspace.run(output),
        Command::Completions(completions) => completions.run(output),
        Command::Man(man) => man.run(output),
    }
}

/// The home of this process, made already.
///
/// # Errors
/// `not_shared` where a shared broker is used in place of one, `not_initialized`.
pub(crate) fn home() -> Result<Home> {
    let home = located()?;
    home.config()?;
    Ok(home)
}

/// Where the home of this process is, made or not.
///
/// # Errors
/// `not_shared` where a shared broker is used in place of one.
pub(crate) fn located() -> Result<Home> {
    if SharedSocket::from_process()?.is_some() {
        return Err(no_home());
    }
    Home::locate(None)
}

/// Why a command does not go on without a home.
pub(crate) fn no_home() -> Error {
    Error::new(ErrorCode::NotShared, "this needs the home, and AGENTSECRETS_BROKER names a broker that is only shared")
        .with_hint("run it where the broker runs, as the user whose home it is; or: unset AGENTSECRETS_BROKER")
}

/// A mistake in what was typed.
pub(crate) fn usage(message: impl Into<String>, hint: &'static str) -> Error {
    Error::new(ErrorCode::InvalidCall, message.into()).with_hint(hint)
}

/// A point in time, without what nobody reads.
pub(crate) fn moment(time: jiff::Timestamp) -> String {
    format!("{time:.0}")
}
