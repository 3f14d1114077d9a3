//! `workspace allowlist`: the only destinations of all calls, and those that are called without a secret.

use agentsecrets::owner::{self, AllowlistChange, ChainAct, PolicyAct, SharedAct};
use clap::Subcommand;
use serde_json::json;

use crate::args::{Passphrase, Place};
use crate::commands::OK;
use crate::commands::session::Session;
use crate::commands::workspace::change_in;
use crate::render::{Outcome, Output};

/// Name the only places that calls may go to, whatever is granted; they are called without a secret too
#[derive(Subcommand)]
pub(crate) enum Allowlist {
    /// Add places; the first makes the list, and from then on it binds every call (asks for the owner's passphrase)
    #[command(after_help = "Examples:\n  agentsecrets workspace allowlist add api.stripe.com '*.example.com'\n  \
agentsecrets workspace allowlist add http://localhost:9000")]
    Add {
        /// Where calls may go: api.example.com, *.example.com, https://host/v1/*, http://localhost:9000
        #[arg(required = true, value_name = "RULE")]
        rules: Vec<String>,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// List the places
    #[command(after_help = "Example:\n  agentsecrets workspace allowlist list --json")]
    List,
    /// Remove places; a list without any still binds, until --all takes it away (asks for the owner's passphrase)
    #[command(after_help = "Examples:\n  agentsecrets workspace allowlist remove api.stripe.com\n  \
agentsecrets workspace allowlist remove --all   # grants alone decide again")]
    Remove {
        /// The places, as they were added
        #[arg(required_unless_present = "all", value_name = "RULE")]
        rules: Vec<String>,
        /// Take the whole list away
        #[arg(long, conflicts_with = "rules")]
        all: bool,
        #[command(flatten)]
        passphrase: Passphrase,
    },
}

impl Allowlist {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self {
            Self::Add { rules, passphrase } => change(AllowlistChange::Add(rules), &passphrase, output),
            Self::Remove { all: true, passphrase, .. } => change(AllowlistChange::Drop, &passphrase, output),
            Self::Remove { rules, passphrase, .. } => change(AllowlistChange::Remove(rules), &passphrase, output),
            Self::List => list(output),
        }
    }
}

fn change(change: AllowlistChange, passphrase: &Passphrase, output: &Output) -> Outcome {
    let mut session = Session::with_owner(&Place::default(), passphrase.passphrase_fd)?;
    let said = match session.shared()? {
        Some(_) => change_in(&mut session, ChainAct::Policy(SharedAct::Allowlist(change)), None)?.1,
        None => session.owner()?.change(vec![PolicyAct::Allowlist(change)])?,
    };
    output.show(&json!({ "changed": said }), |output| said.iter().try_for_each(|sentence| output.line(sentence)))?;
    Ok(OK)
}

fn list(output: &Output) -> Outcome {
    let home = crate::commands::located()?;
    // Without a shared workspace it is read while the store is locked, too.
    let own = owner::allowlist(&home)?;
    let session = if owner::shares_workspaces(&home) { Some(Session::open(&Place::default())?) } else { None };
    let shared = session.as_ref().map(|session| session.shared()).transpose()?.flatten();
    let list = match (&session, &shared) {
        (Some(session), Some(_)) => session.wait(session.client.allowlist())?,
        _ => own.clone(),
    };
    if let (Some(own), Some(_), false) = (&own, &shared, output.is_json()) {
        output.note(&format!("This home's own list binds too: {}", own.join(" ")));
    }
    let rules = list.as_deref().unwrap_or_default();
    output.show(&json!({ "binds": list.is_some(), "rules": rules }), |output| {
        rules.iter().try_for_each(|rule| output.line(rule))
    })?;
    if rules.is_empty() && !output.is_json() {
        output.note(match list {
            None => "The workspace has no allowlist: a secret may go wherever it is granted, and no call goes without one.",
            Some(_) => "The allowlist is empty: no call goes anywhere. Take it away: agentsecrets workspace allowlist remove --all",
        });
    }
    Ok(OK)
}
