//! What whoever runs the server may say, by options or by the environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Stores and serves the sealed secrets of workspaces, and can read none of them.
#[derive(Parser)]
#[command(name = "agentsecrets-server", version)]
pub(crate) struct Arguments {
    /// What to do; to serve where nothing is said.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// What holds for all commands.
    #[command(flatten)]
    pub(crate) options: Options,
}

/// What to do.
#[derive(Clone, Copy, Subcommand)]
pub(crate) enum Command {
    /// Serve until a signal ends it
    Serve,
    /// Make the key file, which every process of a PostgreSQL database is given
    MakeKey,
    /// Verify every chain and every record of the database
    Check,
    /// Print the OpenAPI document
    Openapi,
    /// Print the points at which a debug build can be made to abort
    #[command(hide = true)]
    Faults,
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Registration {
    /// Anybody who reaches the server.
    Open,
    /// Nobody.
    Closed,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// It is done.
    On,
    /// It is not.
    Off,
}

/// The options.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Where to listen
    #[arg(long, global = true, env = "AGENTSECRETS_SERVER_LISTEN", default_value = "127.0.0.1:8700")]
    pub(crate) listen: SocketAddr,
    /// Where to serve /metrics instead of on the main address
    #[arg(long, global = true, env = "AGENTSECRETS_SERVER_METRICS_LISTEN")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// The folder of the embedded database and the key file
    #[arg(long, global = true, env = "AGENTSECRETS_SERVER_DATA", default_value = "agentsecrets-server-data")]
    pub(crate) data: PathBuf,
    /// A PostgreSQL database, instead of the embedded one
    #[arg(long, global = true, env = "AGENTSECRETS_SERVER_DATABASE", hide_env_values = true)]
    pub(crate) database: Option<String>,
    /// A file that holds the URL of the PostgreSQL database
    #[arg(long, global = true, env = "AGENTSECRETS_SERVER_DATABASE_FILE", conflicts_with = "database")]
    pub(crate) database_file: Option<PathBuf>,
    /// The file of the server's own keys; made where the embedded database is and there is none
    #[arg(long, global = true, env = "AGENTSECRETS_SERVER_KEY")]
    pub(crate) key: Option<PathBuf>,
    /// The certificate chain, as PEM
    #[arg(long, global = true, env = "AGENTSECRETS_SERVER_TLS_CERT", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's key, as PEM
    #[arg(long, global = true, env = "AGENTSECRETS_SERVER_TLS_KEY", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Who may make an account
    #[arg(long, global = true, env = "AGENTSECRETS_SERVER_REGISTRATION", default_value = "open")]
    pub(crate) registration: Registration,
    /// Take a client's address from the last entry of `x-forwarded-for`: only behind a proxy that writes it
    #[arg(long, global = true, env = "AGENTSECRETS_SERVER_TRUST_PROXY")]
    pub(crate) trust_proxy: bool,
    /// Bring the tables to this version at start
    #[arg(long, global = true, env = "AGENTSECRETS_SERVER_MIGRATE", default_value = "on")]
    pub(crate) migrate: Switch,
    /// Requests of one account in a minute; ten times as many of one address
    #[arg(long, global = true, env = "AGENTSECRETS_SERVER_REQUESTS_PER_MINUTE", default_value_t = 6000)]
    pub(crate) requests_per_minute: u32,
    /// Attempts to log in to one account in a minute; ten times as many of one address
    #[arg(long, global = true, env = "AGENTSECRETS_SERVER_LOGINS_PER_MINUTE", default_value_t = 10)]
    pub(crate) logins_per_minute: u32,
    /// How long what runs may take to end after a signal, in seconds
    #[arg(long, global = true, env = "AGENTSECRETS_SERVER_GRACE", default_value_t = 20)]
    pub(crate) grace: u64,
}

impl Options {
    /// The file of the server's own keys.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.key.clone().unwrap_or_else(|| self.data.join("agentsecrets-server.key"))
    }

    /// The URL of the PostgreSQL database; none for the embedded one.
    pub(crate) fn database_url(&self) -> Result<Option<String>, String> {
        let Some(file) = &self.database_file else { return Ok(self.database.clone()) };
        let text = std::fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))?;
        Ok(Some(text.trim().to_owned()))
    }
}
