//! The workspace allowlist at a real upstream: what it opens, and what it closes.

use serde_json::json;

use crate::scene::Scene;

fn bare(scene: &Scene, url: &str) -> crate::stage::Ran {
    scene.stage.agent(["call", "--url", url])
}

#[test]
fn a_bare_call_goes_to_a_listed_place_and_nowhere_else() {
    let scene = Scene::new();
    bare(&scene, &scene.url("/echo")).refused(3, "nothing_to_inject");
    scene.stage.owner(["workspace", "allowlist", "add", &scene.url("/echo")]).ok();
    // The engine in a caller's own process decides the same.
    let mut inside = scene.stage.command(["call", "--url", &scene.url("/echo")]);
    let output = inside.env("AGENTSECRETS_ISOLATION", "in-process").output().expect("ran");
    assert!(output.status.success(), "{output:?}");
    let before = scene.upstream.received().len();
    bare(&scene, &scene.url("/echo")).ok();
    let seen = scene.last();
    assert_eq!((seen.target.as_str(), seen.header("authorization")), ("/echo", None));
    for elsewhere in [
        scene.url("/other"),
        scene.url("/echo/below"),
        scene.url("/%65cho/../echo2"),
        scene.http_url("/echo"),
        format!("https://127.0.0.1:{}/echo", scene.upstream.port()),
        "https://api.example.com/echo".to_owned(),
    ] {
        bare(&scene, &elsewhere).refused(3, "nothing_to_inject");
    }
    assert_eq!(scene.upstream.received().len(), before + 1, "nothing else arrived");
    let record = &scene.stage.json(["logs", "--last", "8"])[6];
    assert_eq!((&record["outcome"], &record["secrets"]), (&json!("ok"), &json!([])), "a bare call is recorded");
    // A value that is granted here is searched for in the answer of a bare call too.
    let back =
        scene.stage.agent_with(["call", "--url", &scene.url("/echo"), "--body", "-"], scene.value.as_bytes()).ok();
    assert!(!back.says(&scene.value) && back.says("[REDACTED"), "{back:?}");
}

#[test]
fn a_list_binds_calls_with_a_secret_until_it_is_taken_away() {
    let scene = Scene::new();
    let origin = scene.url("");
    let call = || scene.stage.agent(["call", "--url", &scene.url("/echo"), "--bearer", "KEY"]);
    call().ok();
    let said = scene.stage.owner(["workspace", "allowlist", "add", "api.example.com"]).ok();
    assert!(said.stdout.contains("no call goes anywhere that the workspace allowlist does not name"), "{said:?}");
    let refused = call().refused(3, "destination_not_allowed");
    let mends = format!("agentsecrets workspace allowlist add {}", &origin["https://".len()..]);
    assert_eq!(refused.hint(), mends);
    scene.stage.owner(mends.split(' ').skip(1)).ok();
    call().ok();
    for rule in ["api.example.com", &origin] {
        scene.stage.owner(["workspace", "allowlist", "remove", rule]).ok();
    }
    assert_eq!(scene.stage.json(["workspace", "allowlist", "list"]), json!({ "binds": true, "rules": [] }));
    call().refused(3, "destination_not_allowed");
    scene.stage.owner(["workspace", "allowlist", "remove", "--all"]).ok();
    assert_eq!(scene.stage.json(["workspace", "allowlist", "list"]), json!({ "binds": false, "rules": [] }));
    call().ok();
    bare(&scene, &scene.url("/echo")).refused(3, "nothing_to_inject");
}

#[test]
fn a_private_address_needs_a_rule_that_says_so() {
    let scene = Scene::new();
    let port = scene.upstream.http_port().expect("a port");
    // A public name that resolves to this machine: the rule names no private place, so the address is refused.
    scene.stage.owner(["workspace", "allowlist", "add", &format!("http://*.localtest.me:{port}")]).ok();
    let ran = bare(&scene, &format!("http://a.localtest.me:{port}/echo"));
    assert!(matches!((ran.code, ran.error()), (3, "address_refused") | (6, "upstream_unreachable")), "{ran:?}");
    bare(&scene, &format!("http://127.0.0.1:{port}/echo")).refused(3, "nothing_to_inject");
    scene.stage.owner(["workspace", "allowlist", "add", &format!("http://127.0.0.1:{port}")]).ok();
    bare(&scene, &format!("http://127.0.0.1:{port}/echo")).ok();
}

#[test]
fn a_mistyped_or_missing_rule_is_told_before_anybody_is_asked() {
    let scene = Scene::new();
    let allowlist = |arguments: &[&str]| scene.stage.agent(["workspace", "allowlist"].iter().chain(arguments));
    allowlist(&["add", "*.com"]).refused(2, "invalid_call");
    allowlist(&["add"]).refused(2, "invalid_call");
    allowlist(&["remove"]).refused(2, "invalid_call");
    allowlist(&["remove", "api.example.com"]).refused(2, "invalid_call");
    allowlist(&["remove", "--all", "api.example.com"]).refused(2, "invalid_call");
    scene.stage.agent(["lock"]).ok();
    allowlist(&["list"]).ok();
}
