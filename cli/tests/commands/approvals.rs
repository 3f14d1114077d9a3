//! Calls that wait for a human: approved, denied, given up, and never let go by an agent.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use agentsecrets::{Client, ErrorCode, SignedAct, SignedDecision};
use serde_json::{Value, json};

use crate::agents::World;
use crate::terminal::Terminal;

const PATIENCE: Duration = Duration::from_secs(30);

impl World {
    /// A stage where each call with `KEY` waits, and a token of the agent `bot`.
    fn asking() -> (Self, String) {
        let world = Self::without_grant();
        let token = world.agent("bot");
        let said = world.stage.owner(["allow", "KEY", &world.origin(), "--approve"]).ok();
        assert!(said.stdout.contains("each call approved by a human"), "{said:?}");
        (world, token)
    }

    /// Starts a call, and gives it and what waits for a human.
    fn start(&self, token: &str) -> (Child, Value) {
        let url = format!("{}/v1/charges/4242424242424242?card=4000", self.origin());
        let mut command = self.with(token, &["call", "--url", &url, "--bearer", "KEY"]);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        (child, self.waiting(1)[0].clone())
    }

    pub(crate) fn waiting(&self, wanted: usize) -> Value {
        let started = Instant::now();
        loop {
            let list = self.stage.json(["approve"]);
            if list.as_array().map(Vec::len) == Some(wanted) {
                return list;
            }
            assert!(started.elapsed() < PATIENCE, "{wanted} calls were to wait: {list}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn received(&self) -> usize {
        self.upstream.received().iter().filter(|one| one.target.starts_with("/v1/")).count()
    }
}

pub(crate) fn end(child: Child) -> (Option<i32>, String, String) {
    let output = child.wait_with_output().expect("ended");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_human_approves_a_call_at_a_terminal_and_it_goes_on() {
    let (world, token) = World::asking();
    let (child, waiting) = world.start(&token);
    assert_eq!((&waiting["agent"], &waiting["secrets"]), (&json!("bot"), &json!(["KEY"])));
    assert_eq!(waiting["pid"], child.id(), "the kernel says who calls");
    assert!(waiting["process"].as_str().expect("a tree").starts_with("agentsecrets < "), "{waiting}");
    // The human reads where it goes, and nothing that might be data.
    assert_eq!((&waiting["method"], &waiting["path"]), (&json!("GET"), &json!("/v1/charges/{}")));
    assert!(!waiting.to_string().contains("4000") && !waiting.to_string().contains(&token));
    let listed = world.stage.agent(["approve"]).ok();
    let id = waiting["id"].as_str().expect("an id")[..8].to_owned();
    assert!(listed.says(&id) && listed.says("bot"), "{listed:?}");

    let mut approve = Terminal::run(world.stage.command(["approve", &id]));
    approve.expect("work/development/KEY as bearer goes to https://localhost");
    approve.expect("/v1/charges/{}, once");
    approve.expect("called by the agent bot, from agentsecrets < ");
    approve.expect("Owner's passphrase: ");
    approve.type_line(&world.stage.passphrase);
    approve.expect("approved: GET");
    let (code, shown) = approve.end();
    assert_eq!(code, 0, "{shown}");
    let (code, _, stderr) = end(child);
    assert_eq!((code, world.received()), (Some(0), 1), "{stderr}");
    let log = world.stage.json(["logs", "--last", "2"]);
    let acts: Vec<&Value> = log.as_array().expect("a list").iter().map(|one| &one["act"]).collect();
    assert!(acts.contains(&&json!("approval")) && acts.contains(&&json!("call")), "{log}");
    assert_eq!((&log[0]["outcome"], &log[1]["outcome"], &log[1]["agent"]), (&json!("ok"), &json!("ok"), &json!("bot")));
    assert_eq!(world.stage.agent(["logs", "verify"]).code, 0);
    // It was good for one call.
    let (again, next) = world.start(&token);
    assert_ne!(next["id"], waiting["id"]);
    world.stage.owner(["approve", "--deny", next["id"].as_str().expect("an id")]).ok();
    assert_eq!(end(again).0, Some(3));
}

#[test]
fn a_denied_call_is_told_so_and_nothing_is_sent() {
    let (world, token) = World::asking();
    let (child, waiting) = world.start(&token);
    let id = waiting["id"].as_str().expect("an id");
    let mut deny = Terminal::run(world.stage.command(["approve", "--deny", id]));
    deny.expect("does NOT go");
    deny.expect("Owner's passphrase: ");
    deny.type_line(&world.stage.passphrase);
    deny.expect("denied: GET");
    assert_eq!(deny.end().0, 0);
    let (code, _, stderr) = end(child);
    assert_eq!((code, world.received()), (Some(3), 0));
    assert!(stderr.contains("error[approval_required]") && stderr.contains("hint: agentsecrets approve"), "{stderr}");
    let log = world.stage.json(["logs", "--last", "2"]);
    assert_eq!((&log[0]["outcome"], &log[0]["reason"]), (&json!("denied"), &json!("approval_required")));
    assert_eq!((&log[1]["act"], &log[1]["outcome"]), (&json!("approval"), &json!("denied")));
    world.stage.owner(["approve", id]).refused(2, "invalid_call");
}

#[test]
fn no_agent_approves_its_own_call() {
    let (world, token) = World::asking();
    let (child, waiting) = world.start(&token);
    let id = waiting["id"].as_str().expect("an id");
    for arguments in [&["approve", id][..], &["approve", "--deny", id]] {
        world.run(&token, arguments).refused(3, "owner_required");
        world.stage.with_passphrase(arguments, b"", "another passphrase").refused(3, "wrong_passphrase");
    }
    // Nor by speaking to the broker itself: a signature of nobody's, and one over something else.
    let home: Value = serde_json::from_str(&crate::stage::read(&world.stage.home().join("home.json"))).expect("JSON");
    let act = json!({ "home": home["id"], "approve": true, "call": waiting }).to_string();
    let policy: Value =
        serde_json::from_str(&crate::stage::read(&world.stage.home().join("policy.json"))).expect("JSON");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for signature in [String::new(), "AAAA".repeat(21) + "AA", policy["signature"].as_str().expect("text").to_owned()] {
        let forged = SignedDecision::new(SignedAct { act: act.clone(), signature });
        let decided = runtime.block_on(async {
            Client::builder().home(world.stage.home()).open().await.expect("a client").decide(forged).await
        });
        assert_eq!(decided.expect_err("refused").code(), ErrorCode::OwnerRequired);
    }
    assert_eq!((world.waiting(1)[0]["id"].as_str(), world.received()), (Some(id), 0));
    world.stage.owner(["approve", id]).ok();
    assert_eq!(end(child).0, Some(0));
}

#[test]
fn a_call_that_nobody_approves_ends_at_its_deadline() {
    let (world, token) = World::asking();
    let url = format!("{}/v1/x", world.origin());
    let started = Instant::now();
    let refused = world.run(&token, &["call", "--url", &url, "--bearer", "KEY", "--timeout", "1"]);
    let refused = refused.refused(3, "approval_required");
    assert!(refused.hint() == "agentsecrets approve" && started.elapsed() < Duration::from_secs(20), "{refused:?}");
    assert_eq!((world.received(), world.waiting(0).as_array().map(Vec::len)), (0, Some(0)));
    let record = world.last_record();
    assert_eq!((&record["outcome"], &record["reason"]), (&json!("denied"), &json!("approval_required")));
    // In the caller's own process nobody could answer.
    let mut inside = world.with(&token, &["call", "--url", &url, "--bearer", "KEY"]);
    let output = inside.env("AGENTSECRETS_ISOLATION", "in-process").output().expect("ran");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(3) && stderr.contains("only a broker can wait"), "{stderr}");
}

#[test]
fn a_caller_that_goes_away_waits_no_more() {
    let (world, token) = World::asking();
    let (mut child, waiting) = world.start(&token);
    child.kill().expect("killed");
    child.wait().expect("ended");
    world.waiting(0);
    let record = world.last_record();
    assert_eq!((&record["outcome"], &record["reason"]), (&json!("cancelled"), &json!("cancelled")));
    world.stage.owner(["approve", waiting["id"].as_str().expect("an id")]).refused(2, "invalid_call");
    assert_eq!(world.received(), 0);
}

#[test]
fn what_was_taken_away_while_a_call_waited_counts() {
    let (world, token) = World::asking();
    let (child, waiting) = world.start(&token);
    let token_id = world.stage.json(["agent", "token", "list"])[0]["id"].as_str().expect("an id").to_owned();
    world.stage.agent(["agent", "token", "revoke", &token_id]).ok();
    world.stage.owner(["approve", waiting["id"].as_str().expect("an id")]).ok();
    let (code, _, stderr) = end(child);
    assert!(code == Some(3) && stderr.contains("agent_token_invalid") && world.received() == 0, "{stderr}");
}

#[test]
fn a_grant_without_approval_lets_go_what_it_covers_and_a_later_one_takes_its_place() {
    let (world, token) = World::asking();
    world.stage.owner(["allow", "KEY", &world.origin(), "--method", "GET"]).ok();
    world.call(&token).ok();
    let url = format!("{}/v1/x", world.origin());
    let post = ["call", "--url", &url, "--bearer", "KEY", "--method", "POST", "--timeout", "1"];
    world.run(&token, &post).refused(3, "approval_required");
    // The same grant with and without approval is one grant: the later word counts.
    world.stage.owner(["allow", "KEY", &world.origin(), "--method", "GET", "--approve"]).ok();
    assert_eq!(world.stage.json(["grants"]).as_array().map(Vec::len), Some(2));
    let get = ["call", "--url", &url, "--bearer", "KEY", "--timeout", "1"];
    world.run(&token, &get).refused(3, "approval_required");
    assert!(world.stage.agent(["grants"]).stdout.contains("each call approved"));
}
