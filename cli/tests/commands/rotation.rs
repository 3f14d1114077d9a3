//! A new value staged beside the old one, tried, and put in its place.

use serde_json::json;

use crate::scene::Scene;
use crate::stage::canary;

#[test]
fn a_staged_value_is_another_name_until_the_owner_promotes_it() {
    let scene = Scene::new();
    let call = |name: &str| scene.stage.agent(["call", "--url", &scene.url("/echo"), "--bearer", name]);
    let next = canary();
    let ran = scene.stage.agent_with(["secrets", "rotate", "KEY", "--json"], next.as_bytes()).ok();
    assert!(!ran.says(&next) && ran.stdout.contains("KEY_NEXT"));
    // The old one is in use, and the staged one goes nowhere that nobody allowed.
    call("KEY").ok();
    assert_eq!(scene.sent("authorization"), format!("Bearer {}", scene.value));
    call("KEY_NEXT").refused(3, "destination_not_allowed");
    scene.stage.agent_with(["secrets", "rotate", "KEY"], canary().as_bytes()).refused(2, "invalid_call");
    scene.stage.agent(["secrets", "rotate", "KEY", "--promote"]).refused(3, "owner_required");
    scene.stage.owner(["allow", "KEY_NEXT", &scene.url("")]).ok();
    call("KEY_NEXT").ok();
    assert_eq!(scene.sent("authorization"), format!("Bearer {next}"));
    let ran = scene.stage.owner(["secrets", "rotate", "KEY", "--promote", "--json"]).ok();
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(told, json!({ "name": "KEY", "promoted": true }));
    call("KEY").ok();
    assert_eq!(scene.sent("authorization"), format!("Bearer {next}"));
    call("KEY_NEXT").refused(4, "secret_not_found");
    scene.stage.owner(["secrets", "rotate", "KEY", "--promote"]).refused(4, "secret_not_found");
}

#[test]
fn a_value_is_generated_or_printed_by_a_command_and_can_be_discarded() {
    let scene = Scene::new();
    let names = || {
        let listed = scene.stage.json(["secrets", "list"]);
        let name = |one: &serde_json::Value| one["name"].as_str().unwrap_or_default().to_owned();
        listed.as_array().expect("a list").iter().map(name).collect::<Vec<_>>()
    };
    scene.stage.agent(["secrets", "rotate", "KEY", "--generate", "48"]).ok();
    assert_eq!(names(), ["KEY", "KEY_NEXT"]);
    scene.stage.agent(["secrets", "rotate", "KEY", "--discard"]).refused(3, "owner_required");
    scene.stage.owner(["secrets", "rotate", "KEY", "--discard"]).ok();
    assert_eq!(names(), ["KEY"]);
    scene.stage.agent(["secrets", "rotate", "KEY", "--", "sh", "-c", "exit 3"]).refused(1, "source_unavailable");
    scene.stage.agent(["secrets", "rotate", "KEY", "--", "sh", "-c", "head -c 9 /dev/urandom | base64"]).ok();
    assert_eq!(names(), ["KEY", "KEY_NEXT"]);
    scene.stage.agent(["secrets", "rotate", "ABSENT", "--generate"]).refused(4, "secret_not_found");
}
