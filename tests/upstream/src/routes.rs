//! Which route answers which path.

mod auth;
mod compress;
mod control;
mod demo;
mod echo;
mod fault;
mod redirect;
mod stream;
mod upload;
mod vendor;

use std::sync::Arc;

use crate::message::{Reply, Request};
use crate::options::Api;
use crate::ticket::{Connection, Ticket};

/// The routes of one connection.
pub(crate) struct Router {
    api: Api,
    pub(crate) connection: Arc<Connection>,
}

impl Router {
    pub(crate) fn new(api: Api, connection: Arc<Connection>) -> Self {
        Self { api, connection }
    }

    /// Whether there are WebSockets here.
    pub(crate) fn serves_sockets(&self) -> bool {
        self.api == Api::Hostile
    }

    /// The answer, and the record that ends when the answer has been written.
    pub(crate) async fn answer(&self, mut request: Request) -> (Reply, Ticket) {
        let path = request.path().to_owned();
        let streams = matches!(path.as_str(), "/upload" | "/early") && self.api == Api::Hostile;
        if !streams && request.read_all().await.is_err() {
            return (Reply::refuse(400, "the body broke off"), request.ticket);
        }
        let reply = match self.api {
            _ if path.starts_with("/__") => control::answer(&self.connection.recorder, &request),
            Api::Demo => demo::answer(&request),
            Api::Hostile => self.hostile(&path, &mut request).await,
        };
        (reply, request.ticket)
    }

    async fn hostile(&self, path: &str, request: &mut Request) -> Reply {
        let (first, rest) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
        match (first, rest) {
            ("" | "echo", "") => echo::described(request),
            ("echo", "raw") | ("json-number", "") => echo::raw(request),
            ("echo", "header") => echo::header(request),
            ("echo", "encoded") => echo::encoded(request),
            ("plant", "") => echo::plant(request),
            ("range", "") => echo::range(request),
            ("reason", "") => echo::reason(request),
            ("trailers", "") => echo::trailers(request),
            ("set-cookie", "") => echo::set_cookie(request),
            ("auth", "") => auth::proved(request),
            ("expect-auth", "") => auth::expected(request),
            ("compress", coding) => compress::answer(request, coding),
            ("redirect", "") => redirect::to(request),
            ("redirect", "chain") => redirect::chain(request),
            ("split", "") => stream::split(request),
            ("sse", "") => stream::events(request),
            ("lines", "") => stream::lines(request),
            ("bytes", "") => stream::bytes(request),
            ("slow", "") => stream::slow(request).await,
            ("hang", "") => std::future::pending().await,
            ("stall", "") => stream::stall(request),
            ("status", code) => fault::status(request, code),
            ("drop", "") => fault::broken_off(request),
            ("bad-length", "") => fault::bad_length(request),
            ("headers", "") => fault::many_headers(request),
            ("early", "") => fault::early(request),
            ("flaky", "") => fault::flaky(request),
            ("upload", "") => upload::hashed(request).await,
            ("multipart", "") => upload::multipart(request),
            ("vendor", rest) => vendor::answer(request, rest),
            _ => Reply::refuse(404, "no such route"),
        }
    }
}
