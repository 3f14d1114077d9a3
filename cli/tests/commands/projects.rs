//! Projects that get another name or end, environments that are merged and cleaned.

use serde_json::{Value, json};

use crate::stage::{Stage, canary};

#[test]
fn a_project_is_renamed_and_deleted_by_the_owner_alone() {
    let stage = Stage::new();
    stage.owner(["project", "create", "shop"]).ok();
    stage.agent(["project", "update", "shop", "--name", "store"]).refused(3, "owner_required");
    stage.owner(["project", "update", "shop", "--name", "store"]).ok();
    let is_there = |name: &str| {
        let listed = stage.json(["project", "list"]);
        listed.as_array().expect("a list").iter().any(|one| one["name"] == name)
    };
    assert!(is_there("store") && !is_there("shop"));
    stage.owner(["project", "use", "store"]).ok();
    stage.agent_with(["secrets", "set", "KEY"], canary().as_bytes()).ok();
    stage.owner(["project", "delete", "store"]).refused(2, "invalid_call");
    stage.agent(["environment", "clean", "development"]).refused(3, "owner_required");
    stage.owner(["environment", "clean", "development"]).ok();
    assert_eq!(stage.json(["secrets", "list"]), json!([]));
    stage.agent(["project", "delete", "store"]).refused(3, "owner_required");
    stage.owner(["project", "delete", "store"]).ok();
    assert!(!is_there("store"));
    stage.owner(["project", "delete", "store"]).refused(4, "project_not_found");
}

#[test]
fn a_merge_brings_what_is_missing_and_leaves_what_both_have() {
    let stage = Stage::new();
    for (name, environment) in [("A_KEY", "development"), ("B_KEY", "development"), ("A_KEY", "staging")] {
        stage.agent_with(["secrets", "set", name, "--environment", environment], canary().as_bytes()).ok();
    }
    let listed = || stage.json(["secrets", "list", "--environment", "staging"]);
    let before = listed();
    let merge = ["environment", "merge", "development", "staging", "--json"];
    stage.agent(["environment", "merge", "development", "staging"]).refused(3, "owner_required");
    let told: Value = serde_json::from_str(&stage.owner(merge).ok().stdout).expect("JSON");
    assert_eq!(told, json!({ "from": "development", "to": "staging", "copied": ["B_KEY"], "left": ["A_KEY"] }));
    let after = listed();
    assert_eq!((&after[0]["record"], &after[1]["name"]), (&before[0]["record"], &json!("B_KEY")));
    let again: Value = serde_json::from_str(&stage.owner(merge).ok().stdout).expect("JSON");
    assert_eq!(again["copied"], json!([]));
}
