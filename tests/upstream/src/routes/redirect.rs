//! Redirects: anywhere, in chains, and with the credential in them.

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::message::{Reply, Request};
use crate::routes::echo;
use crate::source;

/// `?to=URL&status=302`; with `&leak=1` the credential stands in the new URL's query.
pub(crate) fn to(request: &Request) -> Reply {
    let status = u16::try_from(request.number("status", 302)).unwrap_or(302);
    let mut location = request.param("to").unwrap_or_else(|| "/echo".to_owned());
    if request.flag("leak") {
        let credential = source::credential(request).unwrap_or_default();
        location.push(if location.contains('?') { '&' } else { '?' });
        location.push_str("leak=");
        location.push_str(&percent_encode(&credential, NON_ALPHANUMERIC).to_string());
    }
    Reply::new(status, "text/plain", "moved\n").with("location", location)
}

/// `?n=N&status=302`: N redirects, then the echo.
pub(crate) fn chain(request: &Request) -> Reply {
    let left = request.number("n", 1);
    if left == 0 {
        return echo::described(request);
    }
    let status = request.number("status", 302);
    let location = format!("/redirect/chain?n={}&status={status}", left - 1);
    Reply::new(u16::try_from(status).unwrap_or(302), "text/plain", "moved\n").with("location", location)
}
