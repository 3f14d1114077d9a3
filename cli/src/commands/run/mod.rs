//! `run`: a command whose requests get their secrets on the way, and which never holds one.

mod bundle;
mod child;
mod java;
mod surroundings;

use std::ffi::OsString;
use std::sync::Arc;

use agentsecrets::{Client, Error, ErrorCode, GrantInfo, Result, SecretName};
use clap::Args;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use super::session::client;
use super::usage;
use crate::args::Place;
use crate::proxy::{Authority, Forward, Token};
use crate::render::{Outcome, Output};
use bundle::Bundle;
use surroundings::Surroundings;

/// Run a command whose requests get their secrets on the way, through a proxy of its own
#[derive(Args)]
#[command(
    after_help = "Examples:\n  agentsecrets run -- curl -H 'Authorization: Bearer AS_SECRET_STRIPE_KEY' https://api.stripe.com/v1/balance\n  \
agentsecrets run -- python agent.py\n  agentsecrets run --direct internal.example.com -- npm test\n\n\
The command finds NAME=AS_SECRET_NAME in its environment for every secret granted here. It ends with the command's own \
code, or 128 and the signal's number; 127 where there is no such command, 126 where it cannot be run."
)]
pub(crate) struct Run {
    /// Hosts that the command reaches without the proxy, and without secrets
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    direct: Vec<String>,
    /// Only these secrets as placeholders in its environment; may be repeated (every granted one unless said)
    #[arg(long = "secret", value_name = "NAME")]
    secrets: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Run {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        if self.direct.iter().any(|host| !is_host(host)) {
            return Err(usage("--direct is a host, or several with commas", "--direct internal.example.com").into());
        }
        let runtime = runtime()?;
        let client = runtime.block_on(client(&self.place))?;
        let grants = runtime.block_on(granted(&client))?;
        let names = self.names(&grants)?;
        if names.is_empty() {
            output.warn("no secret is granted here; the command will find every request refused");
        }
        let (authority, token) = (Authority::make()?, Arc::new(Token::make()?));
        let bundle = Bundle::write(authority.pem())?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).map_err(|_| no_port())?;
        let port = listener.local_addr().map_err(|_| no_port())?.port();
        let surroundings =
            Surroundings { port, token: token.text(), bundle: &bundle, names: &names, direct: &self.direct };
        let variables = surroundings.variables(&grants);
        runtime.spawn(Forward::new(client, token, authority).accept(listener));
        let ended = child::run(&self.command, variables);
        runtime.shutdown_background();
        drop(bundle);
        match ended {
            Ok(code) => Ok(code),
            Err(why) => {
                output.error(&Error::new(ErrorCode::InvalidCall, child::failure(&why)).with_hint("which COMMAND"));
                Ok(child::code_of(&why))
            }
        }
    }

    /// The names whose placeholders the command gets.
    fn names(&self, grants: &[GrantInfo]) -> Result<Vec<SecretName>> {
        let mut names = if self.secrets.is_empty() {
            grants.iter().map(|grant| grant.secret.clone()).collect()
        } else {
            self.secrets.iter().map(|name| SecretName::parse(name)).collect::<Result<Vec<_>>>()?
        };
        names.sort();
        names.dedup();
        Ok(names)
    }
}

/// The grants of the wire that hold in the project and environment in use.
async fn granted(client: &Client) -> Result<Vec<GrantInfo>> {
    let status = client.status().await?;
    let holds = |grant: &GrantInfo| {
        let here = grant.environment.is_none() || grant.environment == status.environment;
        grant.state == "active" && !grant.discloses && here && (grant.agent.is_none() || grant.agent == status.agent)
    };
    Ok(client.grants(None).await?.into_iter().filter(holds).collect())
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:*[]_/".contains(&byte))
}

fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|_| Error::new(ErrorCode::Internal, "the system has no room for an event loop"))
}

fn no_port() -> Error {
    Error::new(ErrorCode::Internal, "the system gives no port on 127.0.0.1 for the proxy")
}
