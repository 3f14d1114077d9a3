//! `call`: one request with secrets by name.

mod answer;
mod request;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::session::Session;
use crate::args::Place;
use crate::render::{Outcome, Output};

/// Make an authenticated request by a secret's name
#[derive(Args)]
#[command(
    after_help = "Examples:\n  agentsecrets call --url https://api.stripe.com/v1/balance --bearer STRIPE_KEY\n  \
agentsecrets call --url https://api.example.com/items --body @item.json --header X-Api-Key=ITEM_KEY --json\n  \
agentsecrets call --url https://discord.com/api/v10/users/@me --header 'Authorization=Bot {DISCORD}'\n  \
agentsecrets call --url https://auth.example.com/token --form grant_type=client_credentials --form-field client_secret=CLIENT_SECRET\n\n\
The body goes to stdout as it comes, notes to stderr. An upstream 4xx or 5xx exits with 0, or 1 with --fail."
)]
pub(crate) struct CallArgs {
    /// Where to
    #[arg(long)]
    url: String,
    /// The method (GET, or POST where there is a body, unless said)
    #[arg(long, value_name = "M")]
    method: Option<String>,
    /// The body: text, @FILE or - for stdin; JSON text gets its content type
    #[arg(long, value_name = "BODY", conflicts_with_all = ["form"])]
    body: Option<String>,
    /// A secret as Authorization: Bearer
    #[arg(long, value_name = "SECRET")]
    bearer: Option<String>,
    /// A secret of the form user:password as Authorization: Basic
    #[arg(long, value_name = "SECRET")]
    basic: Option<String>,
    /// A secret as a header: N=SECRET, or 'N=Bot {SECRET}' with text around it; may be repeated
    #[arg(long = "header", value_name = "N=SECRET")]
    headers: Vec<String>,
    /// A secret as a query parameter: p=SECRET; may be repeated
    #[arg(long = "query", value_name = "P=SECRET")]
    queries: Vec<String>,
    /// A secret in a JSON body: path=SECRET, where the path is a.b or /a/b; may be repeated
    #[arg(long = "body-field", value_name = "PATH=SECRET", conflicts_with_all = ["form", "form_fields"])]
    body_fields: Vec<String>,
    /// A secret as a form field: f=SECRET; may be repeated
    #[arg(long = "form-field", value_name = "F=SECRET")]
    form_fields: Vec<String>,
    /// A plain header: 'N: v'; may be repeated
    #[arg(long = "plain-header", value_name = "N: V")]
    plain_headers: Vec<String>,
    /// A plain form field: f=v; may be repeated
    #[arg(long = "form", value_name = "F=V")]
    form: Vec<String>,
    /// Write the status line and headers before the body
    #[arg(long)]
    include: bool,
    /// Exit with 1 where the upstream answers 4xx or 5xx
    #[arg(long)]
    fail: bool,
    /// The same as --json
    #[arg(long, value_name = "FORMAT")]
    output: Option<Format>,
    /// How long the call may take (60 unless said)
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,
    /// How often an idempotent call may be tried again (never unless said)
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// The longest answer, in bytes (64 MiB with --json, else none)
    #[arg(long, value_name = "BYTES")]
    max_response: Option<u64>,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
}

impl CallArgs {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        if output.is_json() || self.output.is_some() {
            let output = Output::of_process(true);
            return answer::envelope(self, &output);
        }
        let call = request::build(self)?;
        let session = Session::open(&self.place)?;
        let response = session.wait(session.client.send(call))?;
        session.block_on(answer::stream(self, response, output))
    }

    fn timeout(&self) -> Option<Duration> {
        self.timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    /// The file of `--body @FILE`.
    fn body_file(&self) -> Option<PathBuf> {
        self.body.as_deref().and_then(|text| text.strip_prefix('@')).map(PathBuf::from)
    }
}
