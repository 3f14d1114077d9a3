//! `exec`: an OpenClaw exec provider. The values go from the broker to stdout; this process never holds one.

use std::io::Read;
use std::os::fd::AsFd;

use agentsecrets::{Error, ErrorCode, Label, Result};
use clap::Args;
use serde::Deserialize;

use super::session::Session;
use super::{OK, usage};
use crate::args::Place;
use crate::render::{Outcome, Output};

/// The longest request, in bytes.
const MAX_REQUEST: u64 = 1 << 20;

/// Answer an exec provider's request on stdin with the values granted to it (discloses them)
#[derive(Args)]
#[command(
    after_help = "Example:\n  echo '{\"protocolVersion\":1,\"provider\":\"openclaw\",\"ids\":[\"STRIPE_KEY\"]}' | \
agentsecrets exec\n\nThe owner grants each id: agentsecrets allow STRIPE_KEY --provider openclaw"
)]
pub(crate) struct Exec {
    #[command(flatten)]
    place: Place,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    protocol_version: u32,
    provider: String,
    ids: Vec<String>,
}

impl Exec {
    pub(crate) fn run(&self, _output: &Output) -> Outcome {
        let (provider, ids) = read()?;
        let session = Session::open(&self.place)?;
        let stdout = std::io::stdout().as_fd().try_clone_to_owned()?;
        session.block_on(session.client.exec(provider, ids, stdout))?;
        Ok(OK)
    }
}

fn read() -> Result<(Label, Vec<String>)> {
    const FORM: &str = r#"write {"protocolVersion":1,"provider":"NAME","ids":["SECRET"]} to stdin"#;
    let mut text = Vec::new();
    std::io::stdin()
        .take(MAX_REQUEST)
        .read_to_end(&mut text)
        .map_err(|_| Error::new(ErrorCode::InvalidCall, "stdin cannot be read").with_hint(FORM))?;
    // What was read is not repeated: it may be anything.
    let request: Request =
        serde_json::from_slice(&text).map_err(|_| usage("the request on stdin is not an exec provider's", FORM))?;
    if request.protocol_version != 1 {
        return Err(usage("this version answers protocolVersion 1 alone", FORM));
    }
    let provider = Label::parse(&request.provider)
        .map_err(|_| usage("a provider is named with letters, digits, '.', '_' and '-'", FORM))?;
    Ok((provider, request.ids))
}
