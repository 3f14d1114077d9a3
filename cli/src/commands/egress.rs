//! `egress`: the way out, straight or by a proxy.

use agentsecrets::owner::{self, EgressChange, PolicyAct, SetProxy};
use agentsecrets::{EgressInfo, Error, ErrorCode, Result, SecretName};
use clap::{Args, Subcommand};
use serde_json::json;

use super::OK;
use super::session::Session;
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output};

/// Show the way out, or name the proxy that calls to public hosts leave by
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  agentsecrets egress\n  agentsecrets egress proxy set http://proxy.example.com:3128"
)]
pub(crate) struct Egress {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    #[command(subcommand)]
    Proxy(Proxy),
}

/// Name the proxy that calls to public hosts leave by, or take it away
#[derive(Subcommand)]
enum Proxy {
    /// Leave by this proxy, which resolves the names of public hosts (asks for the owner's passphrase)
    #[command(after_help = "Examples:\n  agentsecrets egress proxy set http://proxy.example.com:3128\n  \
agentsecrets egress proxy set https://proxy.example.com --bypass '*.example.net' --auth PROXY_LOGIN")]
    Set {
        /// http://host:port or https://host:port, without user name and password
        #[arg(value_name = "URL")]
        url: String,
        /// Hosts that are called straight: api.example.com, *.example.net, an address; may be repeated or hold several
        #[arg(long, value_name = "HOST", value_delimiter = ',')]
        bypass: Vec<String>,
        /// The stored secret, of the form user:password, that opens the proxy
        #[arg(long, value_name = "SECRET")]
        auth: Option<String>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Go straight to every host again (asks for the owner's passphrase)
    #[command(after_help = "Example:\n  agentsecrets egress proxy remove")]
    Remove {
        #[command(flatten)]
        passphrase: Passphrase,
    },
}

impl Egress {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self.what {
            None => show(output),
            Some(What::Proxy(Proxy::Set { url, bypass, auth, place, passphrase })) => {
                // Read first: a password in the URL goes no further than here.
                SetProxy::new(&url, &bypass, None)?;
                let session = Session::with_owner(&place, passphrase.passphrase_fd)?;
                let login = auth.map(|name| login(&session, &name)).transpose()?;
                let set = SetProxy::new(&url, &bypass, login)?;
                change(session, EgressChange::SetProxy(set), output)
            }
            Some(What::Proxy(Proxy::Remove { passphrase })) => {
                let session = Session::with_owner(&Place::default(), passphrase.passphrase_fd)?;
                change(session, EgressChange::RemoveProxy, output)
            }
        }
    }
}

fn change(mut session: Session, change: EgressChange, output: &Output) -> Outcome {
    let said = session.change(vec![PolicyAct::Egress(change)])?;
    output.show(&json!({ "changed": said }), |output| said.iter().try_for_each(|sentence| output.line(sentence)))?;
    Ok(OK)
}

/// The secret that opens the proxy: it is there before the proxy is named, or no call would go anywhere.
fn login(session: &Session, name: &str) -> Result<(agentsecrets::Label, agentsecrets::Label, SecretName)> {
    let name = SecretName::parse(name)?;
    let (project, environment) = session.in_use()?;
    let found = session.wait(session.client.check(vec![name.clone()]))?;
    if found.iter().any(|one| one.present) {
        return Ok((project, environment, name));
    }
    Err(Error::new(ErrorCode::SecretNotFound, format!("{project}/{environment} has no {name}"))
        .with_hint(format!("agentsecrets secrets set {name}  # user:password of the proxy")))
}

fn show(output: &Output) -> Outcome {
    let egress = owner::egress(&super::located()?)?;
    output.show(&json!({ "proxy": egress }), |output| match &egress {
        None => output.line("Calls go straight to their hosts. Proxy variables of the environment are not read."),
        Some(egress) => output.pairs(&pairs(egress)),
    })?;
    Ok(OK)
}

fn pairs(egress: &EgressInfo) -> Vec<(&'static str, String)> {
    let login = |login: &agentsecrets::LoginInfo| format!("{} of {}/{}", login.name, login.project, login.environment);
    let straight = "localhost, private and local names, --private grants";
    vec![
        ("proxy", egress.proxy.clone()),
        ("opened by", egress.auth.as_ref().map_or_else(|| "nothing".to_owned(), login)),
        ("goes by it", "calls to public hosts, whose names the proxy resolves".to_owned()),
        ("goes straight", [&[straight.to_owned()], &egress.bypass[..]].concat().join(", ")),
    ]
}
