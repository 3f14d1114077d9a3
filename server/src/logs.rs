//! Structured logs on standard error: ids, sizes and times, and never a name or an address.

use tracing_subscriber::EnvFilter;

/// Begins to log.
pub(crate) fn begin() {
    let filter =
        EnvFilter::try_from_env("AGENTSECRETS_SERVER_LOG").unwrap_or_else(|_| EnvFilter::new("info,sqlx=error"));
    tracing_subscriber::fmt().json().with_writer(std::io::stderr).with_env_filter(filter).init();
}
