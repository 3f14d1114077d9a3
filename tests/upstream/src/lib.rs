//! A friendly and a hostile API over real TLS on loopback.
//!
//! It remembers every request as it arrived, and gives the credential back in every way a careless or malicious host
//! might. `README.md` beside this crate lists the routes.

mod certificate;
mod coding;
mod form;
mod http1;
mod http2;
mod listen;
mod message;
mod options;
mod proxy;
mod record;
mod routes;
mod source;
mod ticket;
mod upstream;
mod websocket;

pub use certificate::Authority;
pub use options::{Api, Certificate, Options, Protocol};
pub use proxy::{Proxy, ProxyOptions, Tunnel};
pub use record::{Outcome, Received, State};
pub use upstream::Upstream;
