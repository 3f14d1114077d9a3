//! `workspace members`, and who decides over them.

use agentsecrets::owner::ChainAct;
use agentsecrets::{Error, ErrorCode, MemberInfo, Result};
use clap::Args;
use serde_json::json;
use uuid::Uuid;

use super::super::session::Session;
use super::super::{OK, moment};
use super::invite::change_in;
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output};

/// List who shares the workspace in use, with fingerprints to be compared by another way
#[derive(Args)]
#[command(after_help = "Example:\n  agentsecrets workspace members --json")]
pub(crate) struct Members {}

/// Let a member decide over members and policy too (asks for the owner's passphrase)
#[derive(Args)]
#[command(after_help = "Example:\n  agentsecrets workspace promote ben@example.com")]
pub(crate) struct Promote {
    #[command(flatten)]
    who: Who,
}

/// Let an admin decide over members and policy no more (asks for the owner's passphrase)
#[derive(Args)]
#[command(after_help = "Example:\n  agentsecrets workspace demote ben@example.com")]
pub(crate) struct Demote {
    #[command(flatten)]
    who: Who,
}

/// Take a member out, and make the keys anew (asks for the owner's passphrase)
#[derive(Args)]
#[command(after_help = "Example:\n  agentsecrets workspace remove ben@example.com")]
pub(crate) struct Remove {
    #[command(flatten)]
    who: Who,
}

/// Make the workspace's keys anew (asks for the owner's passphrase)
#[derive(Args)]
#[command(after_help = "Example:\n  agentsecrets workspace rotate")]
pub(crate) struct Rotate {
    #[command(flatten)]
    passphrase: Passphrase,
}

/// A member, and the owner.
#[derive(Args)]
struct Who {
    /// The member's address, machine name or id, or the beginning of the id
    #[arg(value_name = "MEMBER")]
    member: String,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Promote {
    pub(super) fn run(&self, output: &Output) -> Outcome {
        self.who.change(output, |account, called| ChainAct::SetRole { account, called, admin: true })
    }
}

impl Demote {
    pub(super) fn run(&self, output: &Output) -> Outcome {
        self.who.change(output, |account, called| ChainAct::SetRole { account, called, admin: false })
    }
}

impl Remove {
    pub(super) fn run(&self, output: &Output) -> Outcome {
        self.who.change(output, |account, called| ChainAct::Remove { account, called })
    }
}

impl Rotate {
    pub(super) fn run(&self, output: &Output) -> Outcome {
        let mut session = Session::with_owner(&Place::default(), self.passphrase.passphrase_fd)?;
        let (workspace, said) = change_in(&mut session, ChainAct::Rotate, None)?;
        output.show(&json!({ "workspace": workspace.name, "said": said }), |output| {
            said.iter().try_for_each(|sentence| output.line(sentence))
        })?;
        Ok(OK)
    }
}

impl Who {
    fn change(&self, output: &Output, act: impl FnOnce(Uuid, String) -> ChainAct) -> Outcome {
        let mut session = Session::with_owner(&Place::default(), self.passphrase.passphrase_fd)?;
        let members = session.wait(session.client.members())?;
        let MemberInfo { account, name, .. } = self.find(&members)?;
        let (workspace, said) = change_in(&mut session, act(*account, name.clone()), None)?;
        let status = session.wait(session.client.sync_status())?;
        let rotate = status.map(|status| status.should_rotate).unwrap_or_default();
        let answer = json!({
            "workspace": workspace.name, "account": account, "member": name, "said": said, "should_rotate": rotate,
        });
        output.show(&answer, |output| said.iter().try_for_each(|sentence| output.line(sentence)))?;
        if !output.is_json() && !rotate.is_empty() {
            output.warn("these values could be read by somebody who has left, and should be rotated:");
            rotate.iter().for_each(|name| output.note(&format!("  {name}")));
        }
        Ok(OK)
    }

    fn find<'m>(&self, members: &'m [MemberInfo]) -> Result<&'m MemberInfo> {
        let named = |one: &&MemberInfo| {
            let begins = self.member.len() >= 8 && one.account.to_string().starts_with(&self.member);
            one.role != "invited" && (one.name == self.member || begins)
        };
        let found: Vec<&MemberInfo> = members.iter().filter(named).collect();
        match &found[..] {
            [one] => Ok(one),
            [] => Err(Error::new(ErrorCode::NotAMember, format!("nobody here is called {}", self.member))
                .with_hint("agentsecrets workspace members")),
            _ => Err(Error::new(ErrorCode::InvalidCall, format!("several members are called {}", self.member))
                .with_hint("name one by its id, as in: agentsecrets workspace members --json")),
        }
    }
}

pub(super) fn list(output: &Output) -> Outcome {
    let session = Session::open(&Place::default())?;
    let members = session.wait(session.client.members())?;
    let row = |one: &MemberInfo| {
        let own = if one.own { " (this home)" } else { "" };
        let more = match one.expires {
            Some(expires) => format!("until {}, {}", moment(expires), one.account),
            None if one.environments.is_empty() => one.fingerprint.clone(),
            None => one.environments.join(" "),
        };
        vec![format!("{}{own}", one.name), one.role.clone(), more]
    };
    output
        .show(&members, |output| output.table(&["MEMBER", "ROLE", "FINGERPRINT"], members.iter().map(row).collect()))?;
    Ok(OK)
}
