//! `call` against a real upstream over TLS, through a real broker.

use agentsecrets_upstream::{Options, Upstream};
use base64::Engine as _;
use serde_json::Value;

use crate::stage::{Stage, canary};
use crate::terminal::Terminal;

/// A stage whose home trusts an upstream.
fn stage() -> (Stage, Upstream) {
    let stage = Stage::new();
    let upstream = Upstream::start(&Options::new()).expect("started");
    std::fs::write(stage.path("ca.pem"), upstream.ca_pem()).expect("file");
    stage.owner(["trust", "add", &stage.path("ca.pem").display().to_string()]).ok();
    (stage, upstream)
}

fn origin(upstream: &Upstream) -> String {
    format!("https://localhost:{}", upstream.port())
}

fn url(upstream: &Upstream, path: &str) -> String {
    format!("{}{path}", origin(upstream))
}

#[test]
fn every_style_reaches_the_upstream_and_no_value_comes_back() {
    let (stage, upstream) = stage();
    let value = stage.secret("KEY");
    let pair = format!("user:{}", canary());
    stage.agent_with(["secrets", "set", "PAIR"], pair.as_bytes()).ok();
    let rule = origin(&upstream);
    for slot in ["bearer", "basic", "header:X-Api-Key", "header:Authorization", "query:key"] {
        stage.owner(["allow", "KEY", &rule, "--slot", slot]).ok();
    }
    stage.owner(["allow", "PAIR", &rule]).ok();
    for slot in ["body:auth.secret", "form:secret"] {
        stage.owner(["allow", "KEY", &format!("{rule}/echo"), "--slot", slot]).ok();
    }
    let to = url(&upstream, "/echo");
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(&pair));
    for (arguments, method, place, wanted) in [
        (&["--bearer", "KEY"][..], "GET", "authorization", format!("Bearer {value}")),
        (&["--basic", "PAIR"], "GET", "authorization", basic),
        (&["--header", "X-Api-Key=KEY"], "GET", "x-api-key", value.clone()),
        (&["--header", "Authorization=Bot {KEY}"], "GET", "authorization", format!("Bot {value}")),
        (&["--query", "key=KEY"], "GET", "", format!("/echo?key={value}")),
        (
            &["--body", "{\"a\":1}", "--body-field", "auth.secret=KEY"],
            "POST",
            "body",
            format!("{{\"a\":1,\"auth\":{{\"secret\":\"{value}\"}}}}"),
        ),
        (&["--form", "a=b c", "--form-field", "secret=KEY"], "POST", "body", format!("a=b+c&secret={value}")),
    ] {
        let ran = stage.agent(["call", "--url", &to].into_iter().chain(arguments.iter().copied())).ok();
        assert!(!ran.says(&value) && !ran.says(&pair), "{arguments:?}: a value came back");
        let seen = upstream.last().expect("a request");
        assert_eq!(seen.method, method, "{arguments:?}");
        let found = match place {
            "" => seen.target.clone(),
            "body" => String::from_utf8_lossy(&seen.body).into_owned(),
            header => String::from_utf8_lossy(seen.header(header).unwrap_or_default()).into_owned(),
        };
        assert_eq!(found, wanted, "{arguments:?}");
    }
    let log = stage.agent(["logs", "--json"]).ok();
    assert!(!log.says(&value));
    assert_eq!(stage.agent(["logs", "verify"]).code, 0);
}

#[test]
fn bytes_are_streamed_as_they_are() {
    let (stage, upstream) = stage();
    stage.secret("KEY");
    stage.owner(["allow", "KEY", &origin(&upstream)]).ok();
    let to = url(&upstream, "/bytes?n=100000");
    let output = stage.command(["call", "--url", &to, "--bearer", "KEY"]).output().expect("ran");
    let wanted: Vec<u8> = (0..100_000_u32).map(|at| u8::try_from(at % 251).expect("a byte")).collect();
    assert_eq!(output.stdout, wanted);
    let told: Value =
        serde_json::from_str(&stage.agent(["call", "--url", &to, "--bearer", "KEY", "--output", "json"]).ok().stdout)
            .expect("JSON");
    assert_eq!(told["body_encoding"], "base64");
    let decoded = base64::engine::general_purpose::STANDARD.decode(told["body"].as_str().expect("text"));
    assert_eq!(decoded.expect("base64"), wanted);
    let cut = stage.agent(["call", "--url", &to, "--bearer", "KEY", "--max-response", "1000"]);
    assert_eq!((cut.code, cut.error()), (1, "response_too_large"));
}

#[test]
fn the_envelope_has_its_fields_whatever_happens() {
    let (stage, upstream) = stage();
    let value = stage.secret("KEY");
    stage.owner(["allow", "KEY", &origin(&upstream)]).ok();
    let envelope = |arguments: &[&str]| {
        let ran =
            stage.agent(["call", "--json", "--bearer", "KEY", "--url"].into_iter().chain(arguments.iter().copied()));
        assert!(!ran.says(&value) && ran.stderr.is_empty(), "{ran:?}");
        let told: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|why| panic!("{why}: {ran:?}"));
        (ran.code, told)
    };
    let names = |told: &Value| {
        let mut names: Vec<String> = told.as_object().expect("an object").keys().cloned().collect();
        names.sort();
        names.join(" ")
    };
    let (code, echoed) = envelope(&[&url(&upstream, "/echo/header?name=authorization")]);
    assert_eq!((code, names(&echoed).as_str()), (0, "body duration_ms headers redacted status"));
    assert_eq!((&echoed["status"], &echoed["redacted"]), (&Value::from(200), &serde_json::json!(["KEY"])));
    assert!(echoed["body"].as_str().is_some_and(|body| body.contains("[REDACTED:KEY]")), "{echoed}");
    assert!(echoed["headers"]["content-type"].is_array(), "{echoed}");
    let (code, _) = envelope(&[&url(&upstream, "/status/503")]);
    assert_eq!(code, 0);
    let (code, failed) = envelope(&[&url(&upstream, "/status/503"), "--fail"]);
    assert_eq!(
        (code, &failed["status"], failed["error"]["code"].as_str()),
        (1, &Value::from(503), Some("upstream_error"))
    );
    let (code, denied) = envelope(&["https://api.example.com/"]);
    assert_eq!((code, names(&denied).as_str()), (3, "body duration_ms error headers redacted status"));
    assert_eq!((&denied["status"], &denied["body"]), (&Value::Null, &Value::Null));
    assert_eq!(names(&denied["error"]), "code hint message");
    let (code, _) = envelope(&["not a url"]);
    assert_eq!(code, 2);
    let (code, slow) = envelope(&[&url(&upstream, "/hang"), "--timeout", "0.5"]);
    assert_eq!((code, slow["error"]["code"].as_str()), (6, Some("timeout")));
    drop(upstream);
}

#[test]
fn upstream_errors_are_answers_unless_told_otherwise() {
    let (stage, upstream) = stage();
    stage.secret("KEY");
    stage.owner(["allow", "KEY", &origin(&upstream)]).ok();
    let to = url(&upstream, "/status/404");
    assert_eq!(stage.agent(["call", "--url", &to, "--bearer", "KEY"]).code, 0);
    let failed = stage.agent(["call", "--url", &to, "--bearer", "KEY", "--fail"]);
    assert!(failed.code == 1 && failed.stderr.contains("404"), "{failed:?}");
    let included = stage.agent(["call", "--url", &to, "--bearer", "KEY", "--include"]).ok();
    assert!(included.stdout.starts_with("HTTP 404") && included.stdout.contains("\r\n\r\n"), "{included:?}");
    let echoed = stage.agent(["call", "--url", &url(&upstream, "/echo"), "--bearer", "KEY"]).ok();
    assert!(echoed.stderr.contains("Redacted in the answer: KEY"), "{echoed:?}");
}

#[test]
fn refusals_name_the_command_that_mends_them() {
    let (stage, upstream) = stage();
    stage.secret("KEY");
    let to = url(&upstream, "/echo");
    let refused = stage.agent(["call", "--url", &to, "--bearer", "KEY"]).refused(3, "destination_not_allowed");
    assert!(refused.hint().starts_with("agentsecrets allow KEY "), "{refused:?}");
    stage.owner(["allow", "KEY", &origin(&upstream)]).ok();
    let refused = stage.agent(["call", "--url", &to, "--query", "key=KEY"]).refused(3, "slot_not_allowed");
    assert!(refused.hint().contains("--slot query:key"), "{refused:?}");
    stage.agent(["call", "--url", &to]).refused(3, "nothing_to_inject");
    stage.agent(["call", "--url", &to, "--bearer", "MISSING"]).refused(4, "secret_not_found");
    stage.agent(["call", "--url", &to, "--bearer", "KEY", "--basic", "KEY"]).refused(2, "invalid_call");
    stage.agent(["call", "--url", &to, "KEY"]).refused(2, "invalid_call");
    stage.agent(["call", "--url", &to, "--body", "x", "--form", "a=b", "--bearer", "KEY"]).refused(2, "invalid_call");
    let gone = url(&upstream, "/echo");
    drop(upstream);
    stage.agent(["call", "--url", &gone, "--bearer", "KEY"]).refused(6, "upstream_unreachable");
}

#[test]
fn a_body_comes_from_text_a_file_or_stdin() {
    let (stage, upstream) = stage();
    stage.secret("KEY");
    stage.owner(["allow", "KEY", &origin(&upstream)]).ok();
    let to = url(&upstream, "/echo");
    let bytes: Vec<u8> = (0..=255).collect();
    std::fs::write(stage.path("work/body.bin"), &bytes).expect("file");
    let sent = |arguments: &[&str], stdin: &[u8]| {
        stage
            .agent_with(["call", "--bearer", "KEY", "--url", &to].into_iter().chain(arguments.iter().copied()), stdin)
            .ok();
        let seen = upstream.last().expect("a request");
        (
            seen.method.clone(),
            seen.header("content-type").map(|text| String::from_utf8_lossy(text).into_owned()),
            seen.body.to_vec(),
        )
    };
    assert_eq!(sent(&["--body", "@body.bin"], b""), ("POST".into(), None, bytes.clone()));
    assert_eq!(sent(&["--body", "-", "--method", "put"], &bytes), ("PUT".into(), None, bytes));
    assert_eq!(sent(&["--body", "[1]"], b""), ("POST".into(), Some("application/json".into()), b"[1]".to_vec()));
    let typed = sent(&["--body", "[1]", "--plain-header", "Content-Type: text/plain"], b"");
    assert_eq!(typed.1.as_deref(), Some("text/plain"));
    stage.agent(["call", "--bearer", "KEY", "--url", &to, "--body", "@missing"]).refused(2, "invalid_call");
}

#[test]
fn a_value_from_a_file_loses_one_line_feed_and_bytes_lose_nothing() {
    let (stage, upstream) = stage();
    let value = canary();
    std::fs::write(stage.path("work/key.txt"), format!("{value}\n")).expect("file");
    std::fs::write(stage.path("work/key.bin"), b"\xff\xfe binary bytes \n").expect("file");
    stage.agent(["secrets", "set", "KEY", "--from-file", "key.txt"]).ok();
    stage.agent(["secrets", "set", "BYTES", "--from-file", "key.bin"]).ok();
    for name in ["KEY", "BYTES"] {
        stage
            .owner(["allow", name, &format!("{}/echo", origin(&upstream)), "--slot", "bearer", "--slot", "form:f"])
            .ok();
    }
    stage.agent(["call", "--url", &url(&upstream, "/echo"), "--bearer", "KEY"]).ok();
    let seen = upstream.last().expect("a request");
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {value}").as_bytes()));
    stage.agent(["call", "--url", &url(&upstream, "/echo"), "--form-field", "f=BYTES"]).ok();
    let sent = String::from_utf8_lossy(&upstream.last().expect("a request").body).into_owned();
    assert_eq!(sent, "f=%FF%FE%20binary%20bytes%20%0A");
}

#[test]
fn a_body_is_sent_again_through_the_broker() {
    let (stage, upstream) = stage();
    stage.secret("KEY");
    stage.owner(["allow", "KEY", &origin(&upstream)]).ok();
    let to = url(&upstream, "/flaky?name=again&fails=1&status=503");
    let put = ["call", "--url", &to, "--bearer", "KEY", "--method", "PUT", "--body", "the body", "--fail"];
    stage.agent(put.into_iter().chain(["--retries", "2"])).ok();
    let bodies: Vec<Vec<u8>> = upstream.received().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies, [b"the body".to_vec(), b"the body".to_vec()]);
}

#[test]
fn the_engine_may_run_in_the_command_itself() {
    let (stage, upstream) = stage();
    let value = stage.secret("KEY");
    stage.owner(["allow", "KEY", &origin(&upstream)]).ok();
    stage.agent(["broker", "stop"]).ok();
    let alone = |arguments: &[&str]| {
        let output = stage.command(arguments).env("AGENTSECRETS_ISOLATION", "in-process").output().expect("ran");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, told) = alone(&["call", "--url", &url(&upstream, "/echo"), "--bearer", "KEY"]);
    assert!(code == Some(0) && told.contains("[REDACTED:KEY]") && !told.contains(&value), "{told}");
    let (code, told) = alone(&["status", "--json"]);
    assert!(code == Some(0) && told.contains("\"isolation\":\"in-process\""), "{told}");
    assert_eq!(stage.json(["broker", "status"])["running"], false);
}

#[test]
fn waiting_is_shown_to_people_only() {
    let (stage, upstream) = stage();
    stage.secret("KEY");
    stage.owner(["allow", "KEY", &origin(&upstream)]).ok();
    let to = url(&upstream, "/slow?ms=1800");
    let slow = ["call", "--url", &to, "--bearer", "KEY"];
    let piped = stage.agent(slow).ok();
    assert!(!piped.stderr.contains("waiting"), "{piped:?}");
    let (code, shown) = Terminal::run(stage.command(slow)).end();
    assert!(code == 0 && shown.contains("waiting for an answer"), "{shown:?}");
}
