//! What a test in another language asks the upstream itself.

use serde_json::json;

use crate::message::{Reply, Request};
use crate::record::Recorder;

pub(crate) fn answer(recorder: &Recorder, request: &Request) -> Reply {
    match (request.method.as_str(), request.path()) {
        ("GET", "/__received") => Reply::json(200, &recorder.to_json()),
        ("DELETE", "/__received") => {
            recorder.clear();
            Reply::json(200, &json!({ "cleared": true }))
        }
        ("GET", "/__state") => Reply::json(200, &recorder.state_json()),
        _ => Reply::refuse(404, "no such control"),
    }
}
