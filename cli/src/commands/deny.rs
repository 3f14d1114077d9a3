//! `deny`: takes a permission away, without asking anybody.

use agentsecrets::SecretName;
use agentsecrets::owner::{ChainAct, PolicyAct, SharedAct};
use clap::Args;
use serde_json::json;

use super::OK;
use super::grants;
use super::session::Session;
use super::workspace::change_in;
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output};

/// Take a permission away: these rules of a secret, or all of them (only the owner gives it back)
#[derive(Args)]
#[command(
    after_help = "Examples:\n  agentsecrets deny STRIPE_KEY api.stripe.com\n  agentsecrets deny STRIPE_KEY   # every rule\n  agentsecrets deny STRIPE_KEY --for-all   # for every member of the workspace"
)]
pub(crate) struct Deny {
    /// The secret
    name: String,
    /// The destinations; all of the secret's where none is named
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    /// Lift what was denied here of a shared workspace's secret (asks for the owner's passphrase)
    #[arg(long, conflicts_with_all = ["rules", "for_all"])]
    lift: bool,
    /// For every member of the shared workspace in use, not for this home alone (asks for the owner's passphrase)
    #[arg(long)]
    for_all: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Deny {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let name = SecretName::parse(&self.name)?;
        if self.lift {
            return self.lift(name, output);
        }
        if self.for_all {
            return self.for_all(name, output);
        }
        let session = Session::open(&self.place)?;
        let left = session.wait(session.client.deny(name.clone(), self.rules.clone()))?;
        output.show(&left, |output| grants::tell(output, &left))?;
        if !output.is_json() {
            let back = match session.shared()? {
                Some(_) => format!("agentsecrets deny {name} --lift"),
                None => format!("agentsecrets allow {name} RULE"),
            };
            output.note(&format!("The owner gives it back with: {back}"));
        }
        Ok(OK)
    }

    fn lift(&self, name: SecretName, output: &Output) -> Outcome {
        let mut session = Session::with_owner(&self.place, self.passphrase.passphrase_fd)?;
        let (project, _) = session.in_use()?;
        let said = session.change(vec![PolicyAct::Lift { project, name }])?;
        output.show(&json!({ "lifted": said }), |output| said.iter().try_for_each(|sentence| output.line(sentence)))?;
        Ok(OK)
    }

    fn for_all(&self, name: SecretName, output: &Output) -> Outcome {
        let mut session = Session::with_owner(&self.place, self.passphrase.passphrase_fd)?;
        let (project, _) = session.in_use()?;
        let act = SharedAct::Revoke { project, name, rules: self.rules.clone() };
        let (_, said) = change_in(&mut session, ChainAct::Policy(act), None)?;
        output.show(&json!({ "denied": said }), |output| said.iter().try_for_each(|sentence| output.line(sentence)))?;
        Ok(OK)
    }
}
