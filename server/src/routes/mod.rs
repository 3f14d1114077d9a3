//! The routes, one file for each noun. What is listed here is what is served and what the OpenAPI document says.

mod accounts;
mod chain;
#[allow(unused_qualifications, reason = "the macro that documents the query writes one")]
mod changes;
mod health;
mod heartbeat;
mod invites;
mod login;
mod records;
mod recovery;
mod sessions;
mod workspaces;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub(crate) use health::metrics_alone;

/// The routes of the protocol.
pub(crate) fn documented() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(accounts::start))
        .routes(routes!(accounts::register))
        .routes(routes!(accounts::rekey))
        .routes(routes!(login::start))
        .routes(routes!(login::finish))
        .routes(routes!(recovery::start))
        .routes(routes!(recovery::open))
        .routes(routes!(recovery::finish))
        .routes(routes!(sessions::resume, sessions::end))
        .routes(routes!(workspaces::list, workspaces::found))
        .routes(routes!(chain::append))
        .routes(routes!(invites::open))
        .routes(routes!(invites::join))
        .routes(routes!(changes::list))
        .routes(routes!(records::push))
        .routes(routes!(records::history))
        .routes(routes!(heartbeat::beat))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
}

/// The routes about the server itself that are not of the protocol.
pub(crate) fn plain(with_metrics: bool) -> Router<Arc<App>> {
    let router = Router::new().route("/openapi.json", get(health::openapi));
    if with_metrics { router.route("/metrics", get(health::metrics)) } else { router }
}
