//! `proxy start`: a proxy in the background, or in the foreground, and with `--ca` for programs that take a proxy.

use std::net::TcpListener;
use std::path::PathBuf;

use agentsecrets::owner::Agreed;
use agentsecrets::{Error, ErrorCode, Home, Result};
use clap::Args;

use super::told;
use crate::args::{Passphrase, Place};
use crate::commands::OK;
use crate::commands::session::{self, client, runtime};
use crate::proxy::{Choice, Folder, Running, Seat, Session, Token, serve};
use crate::render::{Failure, Outcome, Output};

/// The port unless another is named or it is taken.
const PORT: u16 = 8765;

/// How to start.
#[derive(Args)]
#[command(after_help = "Examples:\n  agentsecrets proxy start --json\n  \
curl -H 'X-AS-Session-Token: TOKEN' -H 'Authorization: Bearer AS_SECRET_STRIPE_KEY' http://127.0.0.1:8765/to/api.stripe.com/v1/balance\n  \
agentsecrets proxy start --ca ~/.config/agentsecrets-ca   # for programs that take a proxy and a CA; asks for the owner")]
pub(crate) struct Start {
    /// This port and no other (8765, or any free one, unless said)
    #[arg(long, value_name = "N", env = "AGENTSECRETS_PORT", hide_env_values = true)]
    port: Option<u16>,
    /// Be a forward proxy too, for programs that `run` does not start: put its certificate into this folder (asks for the
    /// owner's passphrase)
    #[arg(long, value_name = "DIR")]
    ca: Option<PathBuf>,
    /// Stay in the foreground, until a signal ends it
    #[arg(long)]
    foreground: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Start {
    pub(super) fn run(&self, home: &Home, output: &Output) -> Outcome {
        // Looked at before anybody is asked.
        let folder = self.ca.as_deref().map(Folder::open).transpose()?;
        let seat = match Running::find(home)? {
            Running::Nobody(seat) => seat,
            Running::One(session) => return self.running(&session, folder.as_ref(), output),
        };
        let ca = folder.map(|folder| self.agreed(&folder).map(|agreed| (folder, agreed))).transpose()?;
        let choice = self.choice(seat, ca)?;
        let session = Session {
            port: choice.listener.local_addr().map_err(|_| no_port())?.port(),
            session_token: choice.token.text().to_owned(),
            pid: 0,
            published: choice.ca.as_ref().map(|(folder, _)| folder.files()),
        };
        if self.foreground {
            let output = Output::of_process(output.is_json());
            // Told when it answers and can be ended; that nobody reads it is no reason to end.
            serve(choice, Box::new(move || drop(tell(&output, &session))))?;
            return Ok(OK);
        }
        agentsecrets::owner::spawn(move |ready| serve(choice, ready))?.wait()?;
        tell(output, &session)?;
        Ok(OK)
    }

    /// The owner's word for a proxy that may pass for any host.
    fn agreed(&self, folder: &Folder) -> Result<Agreed> {
        let mut session = session::Session::with_owner(&self.place, self.passphrase.passphrase_fd)?;
        session.owner()?.agree(&format!(
            "For a day programs that trust {} and know the session token make calls through this home's proxy, which \
             passes for any host before them",
            folder.files().ca.display()
        ))
    }

    /// What the proxy needs of this place, before it lets go of it.
    fn choice(&self, seat: Seat, ca: Option<(Folder, Agreed)>) -> Result<Choice> {
        let client = runtime()?.block_on(client(&self.place))?;
        Ok(Choice { seat, listener: bind(self.port)?, token: Token::make()?, client, ca })
    }

    fn running(&self, session: &Session, folder: Option<&Folder>, output: &Output) -> Outcome {
        let other_port = self.port.is_some_and(|port| port != session.port);
        let other_ca = folder.is_some_and(|folder| session.published.as_ref() != Some(&folder.files()));
        if self.foreground || other_port || other_ca {
            let why = format!("a proxy of this home runs already, on port {}", session.port);
            return Err(Error::new(ErrorCode::InvalidCall, why).with_hint("agentsecrets proxy stop").into());
        }
        tell(output, session)?;
        Ok(OK)
    }
}

fn tell(output: &Output, session: &Session) -> Result<(), Failure> {
    output.show(&told(session), |output| {
        let mut pairs = vec![
            ("proxy", format!("http://127.0.0.1:{}", session.port)),
            ("session token", session.session_token.clone()),
        ];
        if let Some(published) = &session.published {
            pairs.push(("as HTTPS_PROXY", session.url()));
            pairs.push(("certificate", published.ca.display().to_string()));
            pairs.push(("with all roots", published.bundle.display().to_string()));
        }
        output.pairs(&pairs)
    })
}

fn bind(port: Option<u16>) -> Result<TcpListener> {
    let taken = |port| {
        Error::new(ErrorCode::InvalidCall, format!("port {port} cannot be used"))
            .with_hint("agentsecrets proxy start, without --port, takes a free one")
    };
    match port {
        Some(port) => TcpListener::bind(("127.0.0.1", port)).map_err(|_| taken(port)),
        None => TcpListener::bind(("127.0.0.1", PORT))
            .or_else(|_| TcpListener::bind(("127.0.0.1", 0)))
            .map_err(|_| no_port()),
    }
}

fn no_port() -> Error {
    Error::new(ErrorCode::Internal, "the system gives no port on 127.0.0.1 for the proxy")
}
