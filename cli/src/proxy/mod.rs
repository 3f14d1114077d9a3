//! The local proxies: for programs that speak HTTP and know nothing of us.
//!
//! `local` serves the explicit way (`/proxy`) and the reverse way (`/to/HOST/…`), `forward` is the CONNECT proxy of
//! `agentsecrets run`. Each makes a call of a request and hands it to `exchange`, the one way on.

mod authority;
mod challenge;
mod exchange;
mod explicit;
mod forward;
mod guard;
mod local;
mod log;
mod refusal;
mod reverse;
mod session;
mod tunnel;
mod upload;

pub(crate) use authority::Authority;
pub(crate) use forward::Forward;
pub(crate) use guard::Token;
pub(crate) use local::{Choice, serve};
pub(crate) use log::read as read_log;
pub(crate) use session::{Running, Seat, Session};
