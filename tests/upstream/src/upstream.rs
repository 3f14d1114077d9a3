//! The running upstream as a test sees it.

use std::io;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::certificate::{Authority, server_config};
use crate::listen::{self, Ports};
use crate::options::Options;
use crate::record::{Received, Recorder, State};

/// A listening upstream; dropping it closes every connection. It runs on threads of its own, so blocking and
/// asynchronous tests use it alike.
#[derive(Debug)]
pub struct Upstream {
    authority: Authority,
    ports: Ports,
    recorder: Recorder,
    runtime: Option<Runtime>,
}

impl Upstream {
    /// Starts listening; when this returns, connections are accepted.
    pub fn start(options: &Options) -> io::Result<Self> {
        let authority = match &options.authority {
            Some(authority) => authority.clone(),
            None => Authority::make().map_err(io::Error::other)?,
        };
        let tls = server_config(&authority, options).map_err(|error| io::Error::other(error.to_string()))?;
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("upstream").enable_all().build()?;
        let recorder = Recorder::new(options.recording);
        let ports = listen::start(runtime.handle(), options, tls, &recorder)?;
        Ok(Self { authority, ports, recorder, runtime: Some(runtime) })
    }

    /// The certificate a client has to trust.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.authority.pem()
    }

    /// The HTTPS port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.https
    }

    /// The cleartext port, where one was asked for.
    #[must_use]
    pub fn http_port(&self) -> Option<u16> {
        self.ports.http
    }

    /// `https://localhost:PORT`, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("https://localhost:{}", self.port())
    }

    /// The URL of a path that begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url())
    }

    /// The cleartext URL of a path. Panics where no cleartext port was asked for.
    #[must_use]
    pub fn http_url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.http_port().expect("Options::cleartext was not asked for"))
    }

    /// Every request so far, in the order of arrival.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.recorder.received()
    }

    /// The newest request.
    #[must_use]
    pub fn last(&self) -> Option<Received> {
        self.received().pop()
    }

    /// Forgets the requests and what was planted.
    pub fn clear(&self) {
        self.recorder.clear();
    }

    /// Connections and requests in numbers.
    #[must_use]
    pub fn state(&self) -> State {
        self.recorder.state()
    }

    /// Waits until one of the requests is as wanted, blocking for at most `limit`.
    #[must_use]
    pub fn wait_for(&self, limit: Duration, wanted: impl Fn(&Received) -> bool) -> Option<Received> {
        let end = Instant::now() + limit;
        loop {
            if let Some(found) = self.received().into_iter().find(&wanted) {
                return Some(found);
            }
            if Instant::now() >= end {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
