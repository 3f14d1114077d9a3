//! Budgets and rates: counted for all callers together, kept over a restart, and the owner's to set.

use serde_json::{Value, json};

use crate::agents::World;
use crate::stage::Stage;

#[test]
fn setting_raising_and_removing_a_limit_are_the_owners() {
    let stage = Stage::new();
    let human = |arguments: &[&str]| {
        stage.agent(arguments).refused(3, "owner_required");
        stage.owner(arguments).ok()
    };
    let said = human(&["limit", "KEY", "--calls", "2/1d", "--rate", "10/1m"]);
    assert!(said.stdout.contains("At most 2/1d (calls) for KEY, by all callers together"), "{said:?}");
    let raised = human(&["limit", "KEY", "--calls", "5/1d"]);
    assert!(raised.stdout.contains("5/1d"), "{raised:?}");
    let limits = stage.json(["limit", "list"]);
    assert_eq!(limits.as_array().map(Vec::len), Some(2), "a new number for a window replaces the old: {limits}");
    assert_eq!((&limits[0]["limit"], &limits[0]["used"]), (&json!("5/1d calls"), &json!(0)));
    assert_eq!(stage.json(["status"])["limits"], 2);
    human(&["limit", "remove", limits[0]["id"].as_str().expect("an id")]);
    assert_eq!(stage.json(["limit", "list"])[0]["limit"], "rate 10/1m");
    for wrong in [&["limit", "KEY"][..], &["limit", "--calls", "1/1d"], &["limit", "KEY", "--calls", "0/1d"]] {
        stage.owner(wrong).refused(2, "invalid_call");
    }
    stage.owner(["limit", "--agent", "nobody", "--calls", "1/1d"]).refused(2, "invalid_call");
}

#[test]
fn a_budget_holds_for_every_process_and_over_a_restart_and_raising_keeps_the_count() {
    let world = World::new();
    world.stage.owner(["limit", "KEY", "--calls", "3/1d"]).ok();
    world.call("").ok();
    world.call("").ok();
    world.stage.agent(["broker", "stop"]).ok();
    world.call("").ok();
    let refused = world.call("").refused(3, "budget_exhausted");
    assert!(refused.stderr.contains("3/1d for KEY is used up until 2"), "{refused:?}");
    // A refused call leaves its record, and the upstream never hears of it.
    let record = world.last_record();
    assert_eq!((&record["outcome"], &record["reason"]), (&json!("denied"), &json!("budget_exhausted")));
    let received = world.upstream.received().iter().filter(|one| one.target == "/echo").count();
    assert_eq!(received, 3);
    // An engine in the caller's own process counts in the same file.
    let url = format!("{}/echo", world.origin());
    let mut inside = world.stage.command(["call", "--url", &url, "--bearer", "KEY"]);
    let output = inside.env("AGENTSECRETS_ISOLATION", "in-process").output().expect("ran");
    assert!(String::from_utf8_lossy(&output.stderr).contains("budget_exhausted"), "{output:?}");
    let envelope: Value =
        serde_json::from_str(&world.run("", &["call", "--url", &url, "--bearer", "KEY", "--json"]).stdout)
            .expect("JSON");
    assert_eq!(envelope["error"]["code"], "budget_exhausted");
    assert_eq!(world.stage.json(["limit", "list"])[0]["used"], 3);
    world.stage.owner(["limit", "KEY", "--calls", "4/1d"]).ok();
    world.call("").ok();
    world.call("").refused(3, "budget_exhausted");
    assert_eq!(world.stage.json(["grants"])[0]["limits"], json!(["4/1d calls"]));
    assert!(world.stage.agent(["grants"]).stdout.contains("4/1d calls"));
}

#[test]
fn counts_that_were_altered_or_taken_away_open_nothing() {
    let world = World::new();
    world.stage.owner(["limit", "KEY", "--calls", "1/1d"]).ok();
    world.call("").ok();
    let file = world.stage.home().join("limits.json");
    let kept = std::fs::read_to_string(&file).expect("counts");
    std::fs::write(&file, kept.replace("\\\"used\\\":1", "\\\"used\\\":0")).expect("written");
    assert!(std::fs::read_to_string(&file).expect("counts") != kept);
    world.call("").refused(1, "store_corrupted");
    // The running broker remembers.
    std::fs::remove_file(&file).expect("removed");
    world.call("").refused(3, "budget_exhausted");
}

#[test]
fn a_secrets_limit_comes_before_an_agents_and_a_rate_has_its_own_code() {
    let world = World::new();
    let (one, two) = (world.agent("one"), world.agent("two"));
    world.stage.owner(["limit", "--agent", "one", "--rate", "1/1h"]).ok();
    world.stage.owner(["limit", "KEY", "--calls", "3/1d"]).ok();
    world.call(&one).ok();
    let refused = world.call(&one).refused(3, "rate_limited");
    assert!(refused.stderr.contains("1/1h for the agent one"), "{refused:?}");
    // What was refused under one limit counted under none.
    world.call(&two).ok();
    world.call(&two).ok();
    world.call(&two).refused(3, "budget_exhausted");
    world.call(&one).refused(3, "budget_exhausted");
    let listed: Value = serde_json::from_str(&world.run(&two, &["limit", "list", "--json"]).ok().stdout).expect("JSON");
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "an agent sees what binds it: {listed}");
    world.stage.owner(["agent", "delete", "one"]).ok();
    assert_eq!(world.stage.json(["limit", "list"]).as_array().map(Vec::len), Some(1));
}
