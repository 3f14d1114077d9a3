//! What else stands before a door: limits, a human, the very bytes that were granted, and a broker that has a home.

use std::io::Write;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::agents::World;
use crate::approvals::end;
use crate::doors::{ends, grant, script, signal, wait_for};
use crate::stage::{Ran, Stage};
use crate::terminal::Terminal;

fn exec(stage: &Stage, ids: &[&str]) -> Value {
    let question = json!({ "protocolVersion": 1, "provider": "openclaw", "ids": ids }).to_string();
    serde_json::from_str(&stage.agent_with(["exec"], question.as_bytes()).ok().stdout).expect("JSON")
}

#[test]
fn each_use_of_a_door_counts_under_the_limits_of_its_secrets() {
    let stage = Stage::new();
    stage.secret("KEY");
    let other = stage.secret("OTHER");
    grant(&stage, &["printenv", "KEY"]);
    stage.owner(["allow", "KEY", "--provider", "openclaw"]).ok();
    stage.owner(["allow", "OTHER", "--provider", "openclaw"]).ok();
    stage.owner(["limit", "KEY", "--calls", "2/1d"]).ok();
    assert_eq!(stage.json(["grants", "KEY"])[0]["limits"], json!(["2/1d calls"]));
    let run = || stage.agent(["env", "--", "printenv", "KEY"]);
    run().ok();
    // What is refused for another reason counts under nothing.
    stage.agent(["env", "--", "printenv", "OTHER"]).refused(3, "command_not_allowed");
    assert!(exec(&stage, &["KEY"])["values"]["KEY"].is_string());
    let refused = run().refused(3, "budget_exhausted");
    assert!(refused.stderr.contains("2/1d for KEY is used up until 2"), "{refused:?}");
    let record = stage.json(["logs", "--last", "1"])[0].clone();
    assert_eq!((&record["outcome"], &record["reason"]), (&json!("denied"), &json!("budget_exhausted")));
    // A provider is refused the one name, and is told why; the other is answered.
    let answer = exec(&stage, &["KEY", "OTHER"]);
    assert_eq!(answer["values"], json!({ "OTHER": other }));
    assert!(answer["errors"]["KEY"]["message"].as_str().expect("a message").contains("used up"), "{answer}");
    assert_eq!(stage.json(["limit", "list"])[0]["used"], 2);
}

#[test]
fn an_agents_limit_counts_its_doors_and_nobody_elses() {
    let world = World::without_grant();
    grant(&world.stage, &["printenv", "KEY"]);
    let (one, two) = (world.agent("one"), world.agent("two"));
    world.stage.owner(["limit", "--agent", "one", "--rate", "1/1h"]).ok();
    let run = |token: &str| world.run(token, &["env", "--", "printenv", "KEY"]);
    run(&one).ok();
    run(&one).refused(3, "rate_limited");
    run(&two).ok();
}

impl World {
    /// A stage where each run of a script waits for a human.
    fn asking_at_a_door() -> Self {
        let world = Self::without_grant();
        script(&world.stage, "a.sh", "echo ran; test -n \"$KEY\"");
        let said = world.stage.owner_before(&["allow", "KEY", "--approve"], &["--command", "--", "./a.sh"]).ok();
        assert!(said.stdout.contains("each time approved by a human"), "{said:?}");
        assert_eq!(world.stage.json(["grants"])[0]["approve"], true);
        world
    }

    /// Starts the script, and gives the command and what waits.
    fn knock(&self, arguments: &[&str]) -> (Child, Value) {
        let mut command = self.stage.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("started");
        (child, self.waiting(1)[0].clone())
    }

    fn decide(&self, arguments: &[&str], waiting: &Value) -> Ran {
        self.stage.owner([&["approve"], arguments, &[waiting["id"].as_str().expect("an id")]].concat())
    }
}

const RUN: [&str; 3] = ["env", "--", "./a.sh"];

#[test]
fn a_human_approves_a_run_at_a_terminal_and_reads_that_it_discloses() {
    let world = World::asking_at_a_door();
    let (child, waiting) = world.knock(&RUN);
    assert_eq!((&waiting["pid"], &waiting["secrets"]), (&json!(child.id()), &json!(["KEY"])));
    assert_eq!((&waiting["method"], &waiting["origin"]), (&json!("run"), &json!("the command ./a.sh")));
    let id = waiting["id"].as_str().expect("an id")[..8].to_owned();
    let mut approve = Terminal::run(world.stage.command(["approve", &id]));
    approve.expect("KEY as env is given to the command ./a.sh, once: this DISCLOSES");
    approve.expect("Owner's passphrase: ");
    approve.type_line(&world.stage.passphrase);
    approve.expect("approved: run the command ./a.sh");
    assert_eq!(approve.end().0, 0);
    let (code, stdout, stderr) = end(child);
    assert_eq!((code, &*stdout), (Some(0), "ran\n"), "{stderr}");
    assert_eq!(world.last_record()["outcome"], "ok");
    // It was good for one run; a denied one runs nothing.
    let (again, waiting) = world.knock(&RUN);
    world.decide(&["--deny"], &waiting).ok();
    let (code, stdout, stderr) = end(again);
    assert_eq!((code, &*stdout), (Some(3), ""));
    assert!(stderr.contains("error[approval_required]"), "{stderr}");
    assert_eq!(world.last_record()["reason"], "approval_required");
}

#[test]
fn what_changes_while_a_human_thinks_counts() {
    let world = World::asking_at_a_door();
    let (child, waiting) = world.knock(&RUN);
    script(&world.stage, "a.sh", "echo planted");
    world.decide(&[], &waiting).ok();
    let (code, stdout, stderr) = end(child);
    assert!(code == Some(3) && stdout.is_empty() && stderr.contains("error[command_changed]"), "{stderr}");
    script(&world.stage, "a.sh", "echo ran; test -n \"$KEY\"");
    let (child, waiting) = world.knock(&RUN);
    world.stage.agent(["deny", "KEY"]).ok();
    world.decide(&[], &waiting).ok();
    let (code, stdout, stderr) = end(child);
    assert!(code == Some(3) && stdout.is_empty() && stderr.contains("error[command_not_allowed]"), "{stderr}");
}

#[test]
fn whoever_no_longer_waits_takes_the_question_along() {
    let world = World::asking_at_a_door();
    let (child, _) = world.knock(&RUN);
    signal(child.id(), libc::SIGINT);
    assert_eq!(end(child).0, Some(128 + libc::SIGINT));
    world.waiting(0);
    let record = world.last_record();
    assert_eq!((&record["outcome"], &record["reason"]), (&json!("cancelled"), &json!("cancelled")));
}

#[test]
fn a_provider_waits_for_a_human_too() {
    let world = World::without_grant();
    world.stage.owner(["allow", "KEY", "--provider", "openclaw", "--approve"]).ok();
    let question = |mut child: Child| {
        let asked = json!({ "protocolVersion": 1, "provider": "openclaw", "ids": ["KEY"] }).to_string();
        child.stdin.take().expect("a pipe").write_all(asked.as_bytes()).expect("asked");
        child
    };
    let start = || {
        let mut command = world.stage.command(["exec"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        question(command.spawn().expect("started"))
    };
    let child = start();
    let waiting = world.waiting(1)[0].clone();
    assert_eq!((&waiting["method"], &waiting["origin"]), (&json!("answer"), &json!("the provider openclaw")));
    world.decide(&[], &waiting).ok();
    let (code, stdout, stderr) = end(child);
    assert!(code == Some(0) && stdout.contains(&world.value), "{stderr}");
    let child = start();
    world.decide(&["--deny"], &world.waiting(1)[0]).ok();
    let (code, stdout, _) = end(child);
    assert!(code == Some(3) && !stdout.contains(&world.value));
}

#[test]
fn a_script_that_is_read_late_is_the_one_that_was_granted() {
    let stage = Stage::new();
    stage.secret("KEY");
    // More than any shell reads at once lies between the two.
    let text = |last: &str| {
        let rest = "# nothing to see here\n".repeat(20_000);
        format!("echo $$ > pid\nwhile ! test -e go; do sleep 0.05; done\n{rest}echo {last}")
    };
    let overwrite = |last: &str| {
        let path = stage.path("work/late.sh");
        let mut file = std::fs::OpenOptions::new().write(true).open(path).expect("opened, once it is watched no more");
        file.write_all(format!("#!/bin/sh\n{}\n", text(last)).as_bytes()).expect("written in place");
    };
    let late = |command: &[&str], program: &str| {
        script(&stage, "late.sh", &text("granted"));
        let mut child = stage.program(program, command);
        let child = child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        wait_for(&stage.path("work/pid"));
        overwrite("planted");
        std::fs::write(stage.path("work/go"), "").expect("file");
        let (_, stdout, stderr) = end(child);
        for name in ["work/pid", "work/go"] {
            std::fs::remove_file(stage.path(name)).expect("removed");
        }
        (stdout, stderr)
    };
    script(&stage, "late.sh", &text("granted"));
    grant(&stage, &["./late.sh"]);
    let own = env!("CARGO_BIN_EXE_agentsecrets");
    let (stdout, stderr) = late(&["env", "--", "./late.sh"], own);
    assert_eq!(stdout, "granted\n", "{stderr}");
    // Without the door a shell reads what stands there by then.
    assert_eq!(late(&["./late.sh"], "/bin/sh").0, "planted\n");
}

#[test]
fn a_broker_whose_home_is_gone_ends() {
    let stage = Stage::new();
    stage.secret("KEY");
    let pid = stage.json(["broker", "status"])["pid"].as_u64().expect("a broker").to_string();
    std::fs::remove_dir_all(stage.home()).expect("removed");
    ends(&pid);
}
