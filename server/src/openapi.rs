//! The OpenAPI document, made of the routes themselves.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi};

use crate::routes;

/// The document.
pub(crate) fn document() -> OpenApi {
    let (_, mut document) = routes::documented().split_for_parts();
    document.info = InfoBuilder::new()
        .title("AgentSecrets server")
        .version("1")
        .description(Some(
            "Sealed secrets of workspaces. The forms of statements, and what signs what, are in docs/server.md.",
        ))
        .build();
    let session = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A session's token. The request also carries `agentsecrets-proof`, which the session's device signs.",
    ));
    let components = document.components.take().unwrap_or_else(|| ComponentsBuilder::new().build());
    let mut components = components;
    components.security_schemes.insert("session".into(), SecurityScheme::Http(session.build()).into());
    document.components = Some(components);
    document
}

/// The document, as it is committed.
pub(crate) fn text() -> String {
    let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text.push('\n');
    text
}
