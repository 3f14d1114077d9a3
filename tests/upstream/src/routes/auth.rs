//! Proof that the right value arrived, given to a server that does not know it.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::message::{Reply, Request};
use crate::source;

/// `?sha256=HEX&in=PLACE`: 200 where the bytes in that place have that hash.
pub(crate) fn proved(request: &Request) -> Reply {
    let Some(wanted) = request.param("sha256") else { return Reply::refuse(400, "sha256 is missing") };
    let place = request.param("in").unwrap_or_else(|| "authorization".to_owned());
    match source::find(request, &place) {
        None => Reply::json(401, &json!({ "authenticated": false, "in": place, "why": "nothing there" })),
        Some(found) if hex::encode(Sha256::digest(&found)).eq_ignore_ascii_case(&wanted) => {
            Reply::json(200, &json!({ "authenticated": true, "in": place, "length": found.len() }))
        }
        Some(found) => Reply::json(
            401,
            &json!({ "authenticated": false, "in": place, "why": "another value", "length": found.len() }),
        ),
    }
}

/// `?scheme=bearer`: 200 where `Authorization` has that scheme and a credential, otherwise 401 with a challenge.
pub(crate) fn expected(request: &Request) -> Reply {
    let wanted = request.param("scheme").unwrap_or_else(|| "bearer".to_owned());
    match source::authorization(request) {
        Some((scheme, credential)) if scheme.eq_ignore_ascii_case(&wanted) && !credential.is_empty() => {
            Reply::json(200, &json!({ "authenticated": true, "scheme": scheme, "length": credential.len() }))
        }
        _ => Reply::json(401, &json!({ "authenticated": false }))
            .with("www-authenticate", format!("{wanted} realm=\"upstream\"")),
    }
}
