//! `grants`: which secret may go where.

use agentsecrets::{GrantInfo, SecretName};
use clap::Args;

use super::session::Session;
use super::{OK, moment};
use crate::args::Place;
use crate::render::{Outcome, Output};

/// List where secrets may go
#[derive(Args)]
#[command(after_help = "Examples:\n  agentsecrets grants\n  agentsecrets grants STRIPE_KEY --json")]
pub(crate) struct Grants {
    /// Only this secret's
    name: Option<String>,
    #[command(flatten)]
    place: Place,
}

impl Grants {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let name = self.name.as_deref().map(SecretName::parse).transpose()?;
        let session = Session::open(&self.place)?;
        let grants = session.wait(session.client.grants(name))?;
        output.show(&grants, |output| tell(output, &grants))?;
        warn(output, &grants);
        if grants.is_empty() && !output.is_json() {
            output
                .note("No secret may go anywhere. The owner permits it with: agentsecrets allow NAME api.example.com");
        }
        Ok(OK)
    }
}

/// Writes grants as a table.
pub(crate) fn tell(output: &Output, grants: &[GrantInfo]) -> std::io::Result<()> {
    if grants.is_empty() {
        return Ok(());
    }
    output.table(&["SECRET", "MAY GO TO", "AS", "METHODS", "LIMITS", "STATE"], grants.iter().map(row).collect())
}

/// Says in red which values leave by a door.
fn warn(output: &Output, grants: &[GrantInfo]) {
    for grant in grants.iter().filter(|grant| grant.discloses && grant.state == "active" && !output.is_json()) {
        output
            .danger(&format!("{} for {} DISCLOSES the value to every process of this user", grant.secret, grant.rule));
    }
}

fn row(grant: &GrantInfo) -> Vec<String> {
    let methods = if grant.methods.is_empty() { "any".to_owned() } else { grant.methods.join(" ") };
    let mut limits = Vec::new();
    if let Some(agent) = &grant.agent {
        limits.push(format!("for {agent} only"));
    }
    if grant.approve {
        limits.push("each call approved".to_owned());
    }
    limits.extend(grant.limits.iter().cloned());
    if let Some(environment) = &grant.environment {
        limits.push(format!("in {environment}"));
    }
    if let Some(end) = grant.expires {
        limits.push(format!("until {}", moment(end)));
    }
    if let Some(source) = &grant.source {
        limits.push(format!("value from {source}"));
    }
    if grant.discloses {
        limits.push("DISCLOSES the value".to_owned());
    }
    if grant.private {
        limits.push("private addresses too".to_owned());
    }
    if !grant.permit_headers.is_empty() {
        limits.push(format!("caller's own {}", grant.permit_headers.join(", ")));
    }
    vec![
        grant.secret.to_string(),
        grant.rule.clone(),
        grant.slots.join(" "),
        methods,
        limits.join(", "),
        grant.state.clone(),
    ]
}
