//! `status`: where things stand.

use agentsecrets::broker::SharedSocket;
use agentsecrets::{Label, SyncStatus};
use clap::Args;

use super::session::Session;
use super::{OK, moment};
use crate::args::Place;
use crate::render::{Outcome, Output};

/// Show where things stand: home, store, use key, project, broker
#[derive(Args)]
#[command(after_help = "Example:\n  agentsecrets status --json")]
pub(crate) struct Status {
    #[command(flatten)]
    place: Place,
}

impl Status {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let session = Session::open(&self.place)?;
        let status = session.wait(session.client.status())?;
        let sync = session.wait(session.client.sync_status())?;
        let mut answer = serde_json::to_value(&status).unwrap_or_default();
        if let (Some(answer), Some(sync)) = (answer.as_object_mut(), &sync) {
            answer.insert("sync".to_owned(), serde_json::json!(sync));
        }
        output.show(&answer, |output| {
            let mut pairs = pairs(&status);
            pairs.extend(sync.as_ref().map(of_server).unwrap_or_default());
            output.pairs(&pairs)
        })?;
        if let (Some(sync), false) = (&sync, output.is_json()) {
            warn_of(sync, output);
        }
        if !status.disclosed.is_empty() && !output.is_json() {
            let names: Vec<&str> = status.disclosed.iter().map(agentsecrets::SecretName::as_str).collect();
            let names = names.join(", ");
            output.danger(&format!("a grant DISCLOSES to every process of this user: {names} (agentsecrets grants)"));
        }
        if let (Some(problem), false) = (&status.problem, output.is_json()) {
            output.warn(&problem.message);
            if let Some(hint) = &problem.hint {
                output.note(&format!("hint: {hint}"));
            }
        }
        Ok(OK)
    }
}

/// How the home stands to its server.
fn of_server(sync: &SyncStatus) -> Vec<(&'static str, String)> {
    let mut pairs = vec![("server", sync.server.clone())];
    if let Some(email) = &sync.email {
        pairs.push(("account", email.clone()));
    }
    if let Some(asked) = sync.asked {
        pairs.push(("asked last", moment(asked)));
    }
    pairs
}

/// What of the shared workspace waits for somebody.
fn warn_of(sync: &SyncStatus, output: &Output) {
    if sync.conflicts > 0 {
        output.warn(&format!("{} changed here and by a member: agentsecrets secrets diff", count(sync.conflicts)));
    }
    if sync.stale {
        output.warn("no admin gave a sign of life for seven days: the server may be showing an old state");
        output.note("hint: compare with a teammate: agentsecrets workspace log");
    }
    if !sync.should_rotate.is_empty() {
        let names = sync.should_rotate.join(", ");
        output.warn(&format!("somebody who has left could read these, and they should be rotated: {names}"));
    }
}

fn count(names: usize) -> String {
    if names == 1 { "1 name was".to_owned() } else { format!("{names} names were") }
}

fn pairs(status: &agentsecrets::Status) -> Vec<(&'static str, String)> {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    let broker = match (status.broker_pid, status.isolation.as_str()) {
        (Some(pid), _) => format!("{} as process {pid}", status.version),
        (None, "in-process") => format!("none; {} in this process", status.version),
        (None, _) => format!("{} beyond this user's reach", status.version),
    };
    let socket = SharedSocket::from_process().ok().flatten();
    let mut pairs = vec![
        match socket {
            Some(socket) => ("socket", socket.path().display().to_string()),
            None => ("home", status.home.clone()),
        },
        ("isolation", status.isolation.clone()),
        ("broker", broker),
        ("store", format!("{}, {}", status.store, if status.locked { "locked" } else { "unlocked" })),
        ("use key", status.use_key.clone()),
        ("owner", if status.owner { "yes" } else { "none; the policy is read-only" }.to_owned()),
        ("project", or_none(status.project.as_ref().map(ToString::to_string))),
        ("environment", or_none(status.environment.as_ref().map(ToString::to_string))),
    ];
    if let Some(workspace) = &status.workspace {
        pairs.push(("workspace", workspace.to_string()));
    }
    for share in &status.shares {
        let agent = share.agent.as_ref().map_or("every registered agent", Label::as_str);
        pairs.push(("shared", format!("{} with {agent}, {}", share.socket, share.state)));
    }
    if let Some(agent) = &status.agent {
        pairs.push(("agent", agent.to_string()));
    }
    if let Some(count) = status.secrets {
        pairs.push(("secrets", count.to_string()));
    }
    if let Some(count) = status.grants {
        pairs.push(("grants", count.to_string()));
    }
    if let Some(count) = status.limits.filter(|count| *count > 0) {
        pairs.push(("limits", count.to_string()));
    }
    if let Some(egress) = &status.egress {
        pairs.push(("egress", format!("by the proxy {}, which resolves the names of public hosts", egress.proxy)));
    }
    if let Some(serial) = status.policy_serial {
        pairs.push(("policy", format!("number {serial}")));
    }
    if let Some(count) = status.audit_records {
        pairs.push(("audit", format!("{count} records")));
    }
    pairs
}
