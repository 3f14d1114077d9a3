//! `environment copy`: values of one environment for another. They move inside the engine; here are names only.

use agentsecrets::{CopiedSecret, CopyAct, Error, ErrorCode, Label, Result, SecretInfo, SecretName};
use clap::Args;
use serde_json::json;

use crate::args::{Passphrase, Place};
use crate::commands::session::Session;
use crate::commands::{OK, usage};
use crate::render::{Outcome, Output};

/// Values of one environment for another.
#[derive(Args)]
pub(crate) struct Copy {
    /// The environment that has the values
    from: String,
    /// The environment that gets them
    to: String,
    /// Only these secrets; all of them unless said
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Another project of this home than the one in use here
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Copy {
    /// Copies over what the other environment has.
    pub(super) fn copy(self, output: &Output) -> Outcome {
        self.run(false, output)
    }

    /// Copies what the other environment does not have, and tells what both have.
    pub(super) fn merge(self, output: &Output) -> Outcome {
        self.run(true, output)
    }

    fn run(self, new_only: bool, output: &Output) -> Outcome {
        let (from, to) = (Label::parse(&self.from)?, Label::parse(&self.to)?);
        if from == to {
            return Err(usage("a value is copied to another environment", "agentsecrets environment list").into());
        }
        let mut names = self.names.iter().map(|name| SecretName::parse(name)).collect::<Result<Vec<_>>>()?;
        names.sort_unstable();
        names.dedup();
        let at =
            |environment: &Label| Place { project: self.project.clone(), environment: Some(environment.to_string()) };
        let mut session = Session::with_owner(&at(&from), self.passphrase.passphrase_fd)?;
        let (project, _) = session.in_use()?;
        let there = session.wait(session.client_of(&at(&to))?.secrets())?;
        let here = session.wait(session.client.secrets())?;
        let mut secrets = chosen(&here, &there, &names, &from)?;
        let mut left = Vec::new();
        if new_only {
            let both = secrets.iter().filter(|one| one.replaces.is_some());
            left = both.map(|one| one.name.clone()).collect();
            secrets.retain(|one| one.replaces.is_none());
        }
        if secrets.is_empty() {
            output.show(&json!({ "from": from, "to": to, "copied": [], "left": left }), |output| {
                output.line(&format!("{to} has every name of {from}; nothing was copied."))
            })?;
            return Ok(OK);
        }
        let overwritten: Vec<_> =
            secrets.iter().filter(|one| one.replaces.is_some()).map(|one| one.name.clone()).collect();
        let home = session.home()?.config()?.id;
        let workspace = session.shared()?.map(|workspace| workspace.id);
        let act = session.owner()?.sign_copy(CopyAct {
            home,
            workspace,
            project,
            from: from.clone(),
            to: to.clone(),
            secrets,
        })?;
        let copied: Vec<_> =
            session.wait(session.client.copy_secrets(act))?.into_iter().map(|info| info.name).collect();
        let answer = if new_only {
            json!({ "from": from, "to": to, "copied": copied, "left": left })
        } else {
            json!({ "from": from, "to": to, "copied": copied, "overwritten": overwritten })
        };
        output.show(&answer, |output| {
            copied.iter().try_for_each(|name| {
                let over = if overwritten.contains(name) { " (over an older value)" } else { "" };
                output.line(&format!("{name} of {from} is in {to}{over}"))
            })?;
            left.iter().try_for_each(|name| output.line(&format!("{name} has a value in {to} already, and was left")))
        })?;
        Ok(OK)
    }
}

/// What is copied, with the records that the owner agrees to.
fn chosen(here: &[SecretInfo], there: &[SecretInfo], names: &[SecretName], from: &Label) -> Result<Vec<CopiedSecret>> {
    let missing = |what: String| {
        Error::new(ErrorCode::SecretNotFound, format!("{what} in environment {from}"))
            .with_hint(format!("agentsecrets secrets list --environment {from}"))
    };
    if let Some(name) = names.iter().find(|name| here.iter().all(|info| info.name != **name)) {
        return Err(missing(format!("{name} has no value")));
    }
    let meant = here.iter().filter(|info| names.is_empty() || names.contains(&info.name));
    let copied: Vec<_> = meant
        .map(|info| CopiedSecret {
            name: info.name.clone(),
            record: info.record.clone(),
            replaces: there.iter().find(|other| other.name == info.name).map(|other| other.record.clone()),
            moves_to: None,
        })
        .collect();
    if copied.is_empty() { Err(missing("there is no secret".to_owned())) } else { Ok(copied) }
}
