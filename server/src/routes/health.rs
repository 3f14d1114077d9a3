//! Whether the server is well, and what it is.

use std::sync::Arc;

use agentsecrets_wire::{Code, Problem};
use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header;

use crate::app::App;
use crate::error::Answer;
use crate::openapi;

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "server", responses((status = 200, description = "It lives")))]
pub(crate) async fn live() {}

/// Whether it can serve: its database answers.
#[utoipa::path(
    get, path = "/readyz", tag = "server",
    responses(
        (status = 200, description = "It can"),
        (status = 503, description = "It cannot", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Answer<()> {
    if app.storage.is_ready().await { Ok(()) } else { Err(Code::Unavailable.into()) }
}

/// The OpenAPI document.
pub(crate) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi::text())
}

/// What the server counts about itself.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.text())
}

/// The same on a listener of its own.
pub(crate) fn metrics_alone(app: &Arc<App>) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(app.clone())
}
