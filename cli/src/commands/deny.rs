//! `deny`: takes a permission away, without asking anybody.

use agentsecrets::SecretName;
use clap::Args;

use super::OK;
use super::grants;
use super::session::Session;
use crate::args::Place;
use crate::render::{Outcome, Output};

/// Take a permission away: these rules of a secret, or all of them (only the owner gives it back)
#[derive(Args)]
#[command(
    after_help = "Examples:\n  agentsecrets deny STRIPE_KEY api.stripe.com\n  agentsecrets deny STRIPE_KEY   # every rule"
)]
pub(crate) struct Deny {
    /// The secret
    name: String,
    /// The destinations; all of the secret's where none is named
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    #[command(flatten)]
    place: Place,
}

impl Deny {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let name = SecretName::parse(&self.name)?;
        let session = Session::open(&self.place)?;
        let left = session.wait(session.client.deny(name.clone(), self.rules.clone()))?;
        output.show(&left, |output| grants::tell(output, &left))?;
        if !output.is_json() {
            output.note(&format!("The owner gives it back with: agentsecrets allow {name} RULE"));
        }
        Ok(OK)
    }
}
