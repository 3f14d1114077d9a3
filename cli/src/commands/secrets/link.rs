//! `secrets link`: a value stays in another manager and is asked of it when a call needs it, by the owner's act.

use agentsecrets::owner::{LinkSecret, LinkTerms, PolicyAct};
use agentsecrets::{ActKind, Error, ErrorCode, Result, SecretName};
use clap::Args;
use serde_json::json;

use crate::args::{Passphrase, Place};
use crate::commands::OK;
use crate::commands::session::{Existing, Session};
use crate::render::{Outcome, Output, Paint};
use crate::surroundings;

/// Have a value asked of another manager instead of storing it (asks for the owner's passphrase)
#[derive(Args)]
#[command(after_help = "Examples:\n  \
agentsecrets secrets link STRIPE_KEY --exec stripe --plain -- op read op://work/stripe/key\n  \
agentsecrets secrets link DEPLOY_KEY --exec deploy/key --lifetime 5m -- /opt/bin/openclaw-provider\n  \
agentsecrets secrets link CI_KEY --exec ci --plain --env VAULT_TOKEN -- vault kv get -field=key secret/ci\n  \
agentsecrets secrets link STRIPE_KEY --remove")]
pub(crate) struct Link {
    /// The secret
    name: String,
    /// What the manager calls the value: asked for in the exec-provider protocol
    #[arg(long, value_name = "ID", required_unless_present = "remove")]
    exec: Option<String>,
    /// The command prints the value and nothing else, and is asked nothing
    #[arg(long)]
    plain: bool,
    /// For how long a value is held in memory before it is asked for again: 90s, 15m, 12h; at most a day
    #[arg(long, value_name = "TIME")]
    lifetime: Option<String>,
    /// A variable of the broker's that the command is passed besides HOME, PATH and LANG; may be repeated
    #[arg(long = "env", value_name = "NAME")]
    variables: Vec<String>,
    /// Link it no more: it has no value then
    #[arg(long, conflicts_with_all = ["exec", "plain", "lifetime", "variables", "command"])]
    remove: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    passphrase: Passphrase,
    /// The command and its arguments, pinned as they are now
    #[arg(last = true, value_name = "CMD", required_unless_present = "remove")]
    command: Vec<String>,
}

impl Link {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let name = SecretName::parse(&self.name)?;
        let mut session = Session::with_owner(&self.place, self.passphrase.passphrase_fd)?;
        let (project, environment) = session.in_use()?;
        let said = if self.remove {
            let name = name.clone();
            session.change(vec![PolicyAct::UnlinkSecret { project, environment: environment.clone(), name }])?
        } else {
            let link = self.link((project, environment.clone()), &name)?;
            let existing = session.existing(std::slice::from_ref(&name))?;
            link_over(&mut session, link, &name, &existing)?
        };
        let answer = json!({ "name": name, "environment": environment, "linked": !self.remove, "said": said });
        output.show(&answer, |output| {
            let head = if self.remove {
                output.painted(Paint::Careful, "unlinked")
            } else {
                output.painted(Paint::Good, "linked")
            };
            said.iter().try_for_each(|sentence| output.raw_line(&format!("{head}: {sentence}")))
        })?;
        Ok(OK)
    }

    fn link(&self, place: (agentsecrets::Label, agentsecrets::Label), name: &SecretName) -> Result<LinkSecret> {
        let here = std::env::current_dir()
            .map_err(|_| Error::new(ErrorCode::InvalidCall, "the working directory cannot be read"))?;
        let terms = LinkTerms {
            id: self.exec.clone().unwrap_or_default(),
            plain: self.plain,
            argv: self.command.clone(),
            variables: self.variables.clone(),
            lifetime: self.lifetime.clone(),
        };
        let surroundings = (surroundings::text_of("PATH"), surroundings::text_of("HOME"));
        LinkSecret::new(place, name.clone(), terms, &here, surroundings)
    }
}

/// Links, and deletes the value that was stored under the name: it would be a second one that nobody sees.
fn link_over(session: &mut Session, link: LinkSecret, name: &SecretName, existing: &[Existing]) -> Result<Vec<String>> {
    let said = session.change(vec![PolicyAct::LinkSecret(link.replacing(!existing.is_empty()))])?;
    if let Some(act) = session.sign(ActKind::Delete, existing)? {
        session.wait(session.client.delete_secret(name.clone(), Some(act)))?;
    }
    Ok(said)
}
