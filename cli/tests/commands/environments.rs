//! Values copied between environments: they arrive at the upstream, and nowhere else.

use serde_json::json;

use crate::scene::Scene;
use crate::stage::Stage;

#[test]
fn a_copied_value_is_used_in_its_new_place_and_seen_nowhere() {
    let scene = Scene::new();
    let call = |environment: &str| {
        scene.stage.agent(["call", "--url", &scene.url("/echo"), "--bearer", "KEY", "--environment", environment])
    };
    call("staging").refused(4, "secret_not_found");
    let ran = scene.stage.owner(["environment", "copy", "development", "staging", "--json"]).ok();
    assert!(!ran.says(&scene.value));
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(told, json!({ "from": "development", "to": "staging", "copied": ["KEY"], "overwritten": [] }));
    call("staging").ok();
    assert_eq!(scene.sent("authorization"), format!("Bearer {}", scene.value));
    let files = scene.stage.files();
    assert!(!files.windows(scene.value.len()).any(|window| window == scene.value.as_bytes()));
    // The copy is a value of its own.
    scene.stage.owner(["secrets", "delete", "KEY"]).ok();
    call("staging").ok();
    let environments = scene.stage.json(["environment", "list"]);
    assert_eq!((&environments[0]["secrets"], &environments[1]["secrets"]), (&json!(0), &json!(1)));
}

#[test]
fn all_are_copied_or_none_and_what_is_overwritten_is_told() {
    let stage = Stage::new();
    let set = |name: &str, environment: &str| {
        let value = crate::stage::canary();
        stage.agent_with(["secrets", "set", name, "--environment", environment], value.as_bytes()).ok();
    };
    for (name, environment) in [("A_KEY", "development"), ("B_KEY", "development"), ("A_KEY", "staging")] {
        set(name, environment);
    }
    let listed = || stage.json(["secrets", "list", "--environment", "staging"]);
    let before = listed();
    stage.owner(["environment", "copy", "development", "staging", "A_KEY", "C_KEY"]).refused(4, "secret_not_found");
    stage.owner(["environment", "copy", "production", "staging"]).refused(4, "secret_not_found");
    stage.owner(["environment", "copy", "staging", "staging"]).refused(2, "invalid_call");
    assert_eq!(listed(), before);
    // A record that is damaged stops the whole copy.
    let record = stage.json(["secrets", "list"])[1]["record"].as_str().expect("an id").to_owned();
    let file = stage.home().join("store").join(&record[..2]).join(&record);
    let sealed = std::fs::read(&file).expect("record");
    std::fs::write(&file, &sealed[1..]).expect("damaged");
    stage.owner(["environment", "copy", "development", "staging"]).refused(1, "store_corrupted");
    assert_eq!(listed(), before);
    std::fs::write(&file, &sealed).expect("mended");
    let ran = stage.owner(["environment", "copy", "development", "staging"]).ok();
    assert!(ran.stdout.contains("A_KEY of development is in staging (over an older value)"), "{ran:?}");
    let after = listed();
    assert_eq!((&after[0]["version"], &after[1]["version"]), (&json!(2), &json!(1)));
}
