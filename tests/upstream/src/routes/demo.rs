//! The API of the demonstration: it authenticates, and its `/v1/echo` is careless.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::message::{Reply, Request};
use crate::record::latin1;
use crate::source;

pub(crate) fn answer(request: &Request) -> Reply {
    let Some((scheme, credential)) = source::authorization(request) else {
        return Reply::refuse(401, "credentials are missing").with("www-authenticate", "Bearer realm=\"demo\"");
    };
    match request.path() {
        "/v1/account" => Reply::json(
            200,
            &json!({ "authenticated": true, "scheme": scheme, "fingerprint": fingerprint(&credential) }),
        ),
        "/v1/charges" => match serde_json::from_slice::<Value>(&request.body) {
            Ok(charge) if request.method == "POST" => Reply::json(
                201,
                &json!({ "id": "charge_1", "paid": true, "charge": charge, "fingerprint": fingerprint(&credential) }),
            ),
            _ => Reply::refuse(400, "POST a charge as JSON"),
        },
        "/v1/echo" => {
            let headers: Vec<Value> =
                request.headers.iter().map(|(name, value)| json!([name, latin1(value)])).collect();
            Reply::json(200, &json!({ "you_sent": headers }))
        }
        _ => Reply::refuse(404, "no such route"),
    }
}

/// Enough to compare with what was stored, too little to guess from.
fn fingerprint(credential: &[u8]) -> String {
    hex::encode(&Sha256::digest(credential)[..6])
}
