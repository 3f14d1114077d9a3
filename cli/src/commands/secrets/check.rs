//! `secrets check`: whether names are there and may be used.

use agentsecrets::{Checked, SecretName};
use clap::Args;

use crate::args::Place;
use crate::commands::session::Session;
use crate::commands::{NOT_FOUND, OK};
use crate::render::{Outcome, Output, Paint};

/// Check that secrets are there; exits with 4 if one is missing
#[derive(Args)]
#[command(after_help = "Example:\n  agentsecrets secrets check STRIPE_KEY SENDGRID_KEY")]
pub(crate) struct Check {
    /// The secrets
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    place: Place,
}

impl Check {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let names = self.names.iter().map(|name| SecretName::parse(name)).collect::<Result<Vec<_>, _>>()?;
        let session = Session::open(&self.place)?;
        let checked = session.wait(session.client.check(names))?;
        output.show(&checked, |output| checked.iter().try_for_each(|one| tell(output, one)))?;
        Ok(if checked.iter().all(|one| one.present) { OK } else { NOT_FOUND })
    }
}

fn tell(output: &Output, checked: &Checked) -> std::io::Result<()> {
    let (paint, word, rest) = match (checked.present, checked.granted) {
        (true, true) => (Paint::Good, "ok", ""),
        (true, false) => (Paint::Careful, "no grant", ": it may not go anywhere"),
        (false, _) => (Paint::Bad, "missing", ""),
    };
    let source = checked.source.as_ref().map_or_else(String::new, |source| format!(" (from {source})"));
    output.raw_line(&format!("{}  {}{source}{rest}", output.painted(paint, word), checked.name))
}
