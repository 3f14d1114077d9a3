//! The local proxies: for programs that speak HTTP and know nothing of us.
//!
//! `local` serves the explicit way (`/proxy`) and the reverse way (`/to/HOST/…`), `forward` is the CONNECT proxy of
//! `agentsecrets run`, and of `proxy start --ca`. Each makes a call of a request and hands it to `exchange`, the one way on.

mod authority;
mod challenge;
mod exchange;
mod explicit;
mod forward;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod guard;
mod kin;
mod local;
mod log;
mod published;
mod refusal;
mod reverse;
mod session;
mod tunnel;
mod upload;

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

pub(crate) use authority::Authority;
pub(crate) use forward::Forward;
pub(crate) use guard::Token;
pub(crate) use local::{Choice, serve};
pub(crate) use log::read as read_log;
pub(crate) use published::{Folder, with_roots};
pub(crate) use session::{Running, Seat, Session};

/// The most header lines of a request.
const MAX_HEADERS: usize = 256;
/// How long to wait where the system has no descriptor to give.
const SHORT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// Lets programs in and serves each by itself, until the runtime ends.
async fn accept<F>(listener: &TcpListener, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                drop(tokio::spawn(serve(stream)));
            }
            Err(_) => tokio::time::sleep(SHORT_OF_DESCRIPTORS).await,
        }
    }
}
