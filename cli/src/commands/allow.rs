//! `allow`: the owner lets a secret go somewhere.

mod door;

use agentsecrets::owner::{self, ChainAct, PolicyAct, SharedAct};
use agentsecrets::{Label, Result, SecretName};
use clap::Args;
use serde_json::json;

use super::OK;
use super::session::Session;
use super::workspace::change_in;
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output, Paint};

/// Let a secret go to places (asks for the owner's passphrase)
#[derive(Args)]
#[command(after_help = "Examples:\n  agentsecrets allow STRIPE_KEY api.stripe.com\n  \
agentsecrets allow GMAP_KEY maps.googleapis.com --slot query:key --method GET\n  \
agentsecrets allow CLIENT_SECRET 'https://auth.example.com/oauth/token' --slot form:client_secret --expires 30d\n  \
agentsecrets allow DEV_KEY http://localhost:9000\n  \
agentsecrets allow STRIPE_KEY api.stripe.com --agent billing-bot\n  \
agentsecrets allow STRIPE_KEY --command -- stripe listen   # discloses it; run and placeholders do not")]
pub(crate) struct Allow {
    /// The secret
    name: String,
    /// Where it may go: api.example.com, *.example.com, https://host/v1/*, http://localhost:9000
    #[arg(required_unless_present_any = ["command", "provider"], value_name = "RULE")]
    rules: Vec<String>,
    /// Give the value itself to exactly this command, named whole after -- (DISCLOSES it to every process of this user)
    #[arg(long, conflicts_with_all = ["provider", "methods", "paths", "slots", "private", "permit_headers", "agent"])]
    command: bool,
    /// Give the value itself to this exec provider (DISCLOSES it to every process of this user)
    #[arg(long, value_name = "P", conflicts_with_all = ["rules", "methods", "paths", "slots", "private", "permit_headers", "agent"])]
    provider: Option<String>,
    /// Only this method; may be repeated (any method unless said)
    #[arg(long = "method", value_name = "M")]
    methods: Vec<String>,
    /// Only this path: * within a segment, ** across, a trailing /* everything below; may be repeated
    #[arg(long = "path", value_name = "P")]
    paths: Vec<String>,
    /// The place in the request: bearer, basic, header:N, query:p, body:p or form:p; may be repeated
    #[arg(long = "slot", value_name = "SLOT")]
    slots: Vec<String>,
    /// Only in this environment
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// For how long: 90m, 12h, 30d, 2w
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Private addresses may be reached under this name
    #[arg(long)]
    private: bool,
    /// A header of the caller's that is otherwise refused beside an injected one; may be repeated
    #[arg(long = "permit-header", value_name = "N")]
    permit_headers: Vec<String>,
    /// Only for this registered agent
    #[arg(long, value_name = "A")]
    agent: Option<String>,
    /// Each call, or each use of the command or provider, waits until a human approves it with `agentsecrets approve`
    #[arg(long)]
    approve: bool,
    /// Another project of this home than the one in use here
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Allow {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let name = SecretName::parse(&self.name)?;
        let place = Place { project: self.project.clone(), environment: None };
        let mut session = Session::with_owner(&place, self.passphrase.passphrase_fd)?;
        let (project, _) = session.in_use()?;
        let environment = self.environment.as_deref().map(Label::parse).transpose()?;
        if let Some(door) = self.door(&project, &name, environment.clone())? {
            return door::allow(&mut session, door, output);
        }
        let allow = owner::Allow {
            project,
            name,
            rules: self.rules.clone(),
            paths: self.paths.clone(),
            slots: self.slots.clone(),
            methods: self.methods.clone(),
            environment,
            expires: self.expires.clone(),
            private: self.private,
            permit_headers: self.permit_headers.clone(),
            agent: self.agent.as_deref().map(Label::parse).transpose()?,
            approve: self.approve,
        };
        let said = grant(&mut session, allow)?;
        output.show(&json!({ "allowed": said }), |output| tell(output, &said))?;
        Ok(OK)
    }

    /// What is asked for where the value itself is to leave.
    fn door(&self, project: &Label, name: &SecretName, environment: Option<Label>) -> Result<Option<owner::AllowDoor>> {
        let door = match &self.provider {
            Some(provider) => owner::AllowDoor::provider(project.clone(), name.clone(), Label::parse(provider)?),
            None if self.command => door::of_command(project, name, &self.rules)?,
            None => return Ok(None),
        };
        door.in_environment(environment).with_approval(self.approve).for_a_time(self.expires.clone()).map(Some)
    }
}

/// Has the owner sign a grant and says what became possible. A mistyped rule is told before anybody is asked.
pub(crate) fn grant(session: &mut Session, allow: owner::Allow) -> Result<Vec<String>> {
    allow.check()?;
    match session.shared()? {
        Some(_) => Ok(change_in(session, ChainAct::Policy(SharedAct::Allow(allow)), None)?.1),
        None => session.owner()?.change(vec![PolicyAct::Allow(allow)]),
    }
}

/// Writes what became possible.
pub(crate) fn tell(output: &Output, said: &[String]) -> std::io::Result<()> {
    let tick = output.painted(Paint::Good, "allowed");
    said.iter().try_for_each(|sentence| output.raw_line(&format!("{tick}: {sentence}")))
}
