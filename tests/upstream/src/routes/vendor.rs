//! What OpenAI's, Anthropic's and Stripe's own libraries need of their API to be satisfied.
//!
//! `/vendor/CASE/v1/…`, where CASE is `ok`, `401`, or `STATUSxN-NAME`: N failures with that status under that name, then
//! answers. A refusal shows the credential, as careless APIs do.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::message::{Reply, Request, parse_pairs};
use crate::routes::upload;
use crate::source;

/// Between two events of a stream.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) fn answer(request: &Request, rest: &str) -> Reply {
    let (case, path) = rest.split_once('/').unwrap_or((rest, ""));
    if let Some(failed) = failure(request, case) {
        return failed;
    }
    let said: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let streamed = said["stream"] == json!(true);
    match path {
        "v1/chat/completions" if streamed => events(completion_events()),
        "v1/chat/completions" => Reply::json(200, &completion()),
        "v1/messages" if streamed => events(message_events()),
        "v1/messages" => Reply::json(200, &message(&json!([{ "type": "text", "text": "Hello there" }]))),
        "v1/files" => file(request),
        "v1/customers" => customer(request),
        _ => Reply::refuse(404, "no such route"),
    }
}

/// The answer of a case that fails, this time.
fn failure(request: &Request, case: &str) -> Option<Reply> {
    let (status, times) = match case.split_once('x') {
        Some((status, rest)) => (status, rest.split('-').next()?.parse().ok()?),
        None => (case, u8::MAX),
    };
    let status: u16 = status.parse().ok()?;
    let name = format!("vendor {case}");
    let tried = request.ticket.find_planted(&name).and_then(|count| count.first().copied()).unwrap_or(0);
    request.ticket.plant(&name, &[tried.saturating_add(1)]);
    if tried >= times {
        return None;
    }
    let credential =
        source::authorization(request).map(|it| it.1).or_else(|| source::find(request, "header:x-api-key"));
    let key = String::from_utf8_lossy(&credential.unwrap_or_default()).into_owned();
    let error = json!({ "type": "refused_error", "code": "refused", "message": format!("refused, key {key}") });
    Some(Reply::json(status, &json!({ "type": "error", "error": error })).with("retry-after-ms", "20"))
}

fn completion() -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "test",
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "Hello there" } }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3 },
    })
}

fn completion_events() -> Vec<String> {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        let said = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "test", "choices": [choice],
        });
        format!("data: {said}\n\n")
    };
    let mut all: Vec<String> =
        ["Hello", " there"].iter().map(|text| chunk(json!({ "content": text }), Value::Null)).collect();
    all.push(chunk(json!({}), json!("stop")));
    all.push("data: [DONE]\n\n".to_owned());
    all
}

fn message(content: &Value) -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "test", "content": content,
        "stop_reason": "end_turn", "stop_sequence": null, "usage": { "input_tokens": 1, "output_tokens": 2 },
    })
}

fn message_events() -> Vec<String> {
    let text = |text: &str| json!({ "index": 0, "delta": { "type": "text_delta", "text": text } });
    let stop =
        json!({ "delta": { "stop_reason": "end_turn", "stop_sequence": null }, "usage": { "output_tokens": 2 } });
    [
        ("message_start", json!({ "message": message(&json!([])) })),
        ("content_block_start", json!({ "index": 0, "content_block": { "type": "text", "text": "" } })),
        ("content_block_delta", text("Hello")),
        ("content_block_delta", text(" there")),
        ("content_block_stop", json!({ "index": 0 })),
        ("message_delta", stop),
        ("message_stop", json!({})),
    ]
    .map(|(kind, mut said)| {
        said["type"] = json!(kind);
        format!("event: {kind}\ndata: {said}\n\n")
    })
    .to_vec()
}

fn events(all: Vec<String>) -> Reply {
    let paced = stream::iter(all).then(|event| async move {
        tokio::time::sleep(PAUSE).await;
        Ok(Bytes::from(event))
    });
    Reply::stream("text/event-stream", paced.boxed())
}

/// An upload (multipart), as all three tell of it.
fn file(request: &Request) -> Reply {
    let parted = upload::multipart(request);
    if parted.status != 200 {
        return parted;
    }
    Reply::json(
        200,
        &json!({
            "id": "file_1", "object": "file", "type": "file", "bytes": request.body.len(), "size": request.body.len(),
            "size_bytes": request.body.len(), "created": 1, "created_at": 1, "filename": "data.jsonl",
            "mime_type": "application/jsonl", "purpose": "batch", "status": "processed",
        }),
    )
}

/// A customer with what the form or the query said of it.
fn customer(request: &Request) -> Reply {
    let form = parse_pairs(&String::from_utf8_lossy(&request.body));
    let name = form.iter().find(|(key, _)| key == "name").map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    let one = json!({ "id": "cus_1", "object": "customer", "name": name });
    if request.method == "GET" {
        return Reply::json(
            200,
            &json!({ "object": "list", "url": "/v1/customers", "has_more": false, "data": [one] }),
        );
    }
    Reply::json(200, &one)
}
