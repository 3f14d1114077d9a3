//! Agents as principals: who may make one, what a token is worth, and what is granted to one alone.

use std::process::Command;

use agentsecrets_upstream::{Options, Upstream};
use serde_json::{Value, json};

use crate::stage::{Ran, Stage};
use crate::terminal::Terminal;

/// A stage whose home trusts an upstream and holds `KEY`, granted to every caller.
pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) upstream: Upstream,
    pub(crate) value: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self::without_grant();
        world.stage.owner(["allow", "KEY", &world.origin()]).ok();
        world
    }

    pub(crate) fn without_grant() -> Self {
        let stage = Stage::new();
        let upstream = Upstream::start(&Options::new()).expect("started");
        std::fs::write(stage.path("ca.pem"), upstream.ca_pem()).expect("file");
        stage.owner(["trust", "add", &stage.path("ca.pem").display().to_string()]).ok();
        let value = stage.secret("KEY");
        Self { stage, upstream, value }
    }

    pub(crate) fn origin(&self) -> String {
        format!("https://localhost:{}", self.upstream.port())
    }

    /// A command as an agent with this token runs it.
    pub(crate) fn with(&self, token: &str, arguments: &[&str]) -> Command {
        let mut command = self.stage.command(arguments);
        command.env("AGENTSECRETS_AGENT_TOKEN", token);
        command
    }

    pub(crate) fn run(&self, token: &str, arguments: &[&str]) -> Ran {
        let output = self.with(token, arguments).output().expect("ran");
        let ran = Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(token.is_empty() || !ran.says(token), "the token is shown: {ran:?}");
        ran
    }

    /// A call with `KEY`; an empty token is none.
    pub(crate) fn call(&self, token: &str) -> Ran {
        self.run(token, &["call", "--url", &format!("{}/echo", self.origin()), "--bearer", "KEY"])
    }

    /// Registers an agent and gives a token of it back.
    pub(crate) fn agent(&self, name: &str) -> String {
        self.stage.owner(["agent", "register", name]).ok();
        self.token(name, &[])
    }

    pub(crate) fn token(&self, name: &str, more: &[&str]) -> String {
        let file = self.stage.path("token");
        let out = file.display().to_string();
        let issued = self.stage.owner([&["agent", "token", "issue", name, "--out", &out], more].concat()).ok();
        let token = std::fs::read_to_string(&file).expect("a token").trim_end().to_owned();
        assert!(!issued.says(&token), "{issued:?}");
        std::fs::remove_file(file).expect("removed");
        token
    }

    pub(crate) fn last_record(&self) -> Value {
        self.stage.json(["logs", "--last", "1"])[0].clone()
    }
}

#[test]
fn registering_issuing_and_deleting_are_the_owners_and_revoking_is_not() {
    let stage = Stage::new();
    let human = |arguments: &[&str]| {
        let refused = stage.agent(arguments).refused(3, "owner_required");
        assert!(refused.hint().contains("--passphrase-fd"), "{refused:?}");
        stage.with_passphrase(arguments, b"", "another passphrase").refused(3, "wrong_passphrase");
        stage.owner(arguments).ok()
    };
    human(&["agent", "register", "bot"]);
    stage.owner(["agent", "register", "bot"]).refused(2, "invalid_call");
    let file = stage.path("token").display().to_string();
    human(&["agent", "token", "issue", "bot", "--out", &file]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).expect("file").permissions());
    assert_eq!(mode & 0o777, 0o600);
    // What is there already is not written over, and nothing is signed for it.
    stage.owner(["agent", "token", "issue", "bot", "--out", &file]).refused(2, "invalid_call");
    let tokens = stage.json(["agent", "token", "list", "bot"]);
    assert_eq!((tokens.as_array().map(Vec::len), &tokens[0]["state"]), (Some(1), &json!("active")));
    let id = tokens[0]["id"].as_str().expect("an id").to_owned();
    stage.agent(["agent", "token", "revoke", &id]).ok();
    assert_eq!(stage.json(["agent", "token", "list"])[0]["state"], "revoked");
    stage.agent(["agent", "token", "revoke", "000000000000"]).refused(2, "invalid_call");
    assert_eq!(stage.json(["agent", "list"])[0]["tokens"], 0);
    // Deleting the last agent would let anonymous calls in again, so it is not an agent's to do.
    let deleted = human(&["agent", "delete", "bot"]);
    assert!(deleted.stdout.contains("possible again"), "{deleted:?}");
    assert_eq!(stage.json(["agent", "list"]), json!([]));
    stage.owner(["allow", "KEY", "api.example.com", "--agent", "nobody"]).refused(2, "invalid_call");
}

#[test]
fn a_token_is_shown_once_at_the_terminal_and_rests_as_a_hash() {
    let world = World::new();
    world.stage.owner(["agent", "register", "bot"]).ok();
    // Without a terminal there is nowhere to show it, and nothing is signed.
    let refused = world.stage.owner(["agent", "token", "issue", "bot"]).refused(3, "owner_required");
    assert!(refused.hint().contains("--out"), "{refused:?}");
    assert_eq!(world.stage.json(["agent", "token", "list"]), json!([]));

    let mut issue = Terminal::run(world.stage.command(["agent", "token", "issue", "bot", "--expires", "2h"]));
    issue.expect("calls as bot, until ");
    issue.expect("asked by: ");
    issue.expect("Owner's passphrase: ");
    issue.type_line(&world.stage.passphrase);
    issue.expect("shown this once");
    let (code, shown) = issue.end();
    assert_eq!(code, 0, "{shown}");
    let token = shown.split_whitespace().find(|word| word.starts_with("as_agent_")).expect("a token").to_owned();
    assert_eq!(shown.matches("as_agent_").count(), 1);
    world.call(&token).ok();
    let files = world.stage.files();
    let at_rest = |text: &str| files.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!at_rest(&token) && !at_rest("as_agent_"), "the token rests somewhere");
    assert!(at_rest(&sha256(&token)), "the search finds what is there");
}

fn sha256(text: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(text.as_bytes()))
}

#[test]
fn a_token_may_be_handed_over_on_a_descriptor() {
    let stage = Stage::new();
    stage.owner(["agent", "register", "bot"]).ok();
    // Standard error stands in for a provisioner's pipe; standard output is never written to.
    let issued = stage.owner(["agent", "token", "issue", "bot", "--token-fd", "2", "--json"]).ok();
    assert!(issued.stderr.trim_end().starts_with("as_agent_") && !issued.stdout.contains("as_agent_"), "{issued:?}");
    stage.owner(["agent", "token", "issue", "bot", "--token-fd", "77"]).refused(2, "invalid_call");
    assert_eq!(stage.json(["agent", "list"])[0]["tokens"], 1);
}

#[test]
fn once_an_agent_is_registered_anonymous_calls_are_refused() {
    let world = World::new();
    world.call("").ok();
    assert_eq!(world.last_record()["identity"], "anonymous");
    let token = world.agent("bot");
    let refused = world.call("").refused(3, "agent_required");
    assert!(refused.hint().contains("agent token issue"), "{refused:?}");
    let record = world.last_record();
    assert_eq!((&record["outcome"], &record["reason"]), (&json!("denied"), &json!("agent_required")));
    world.call(&token).ok();
    let record = world.last_record();
    assert_eq!((&record["agent"], &record["identity"]), (&json!("bot"), &json!("issued")));
    assert_eq!(world.stage.agent(["secrets", "list"]).code, 0, "what asks for no value needs no token");
    let status: Value = serde_json::from_str(&world.run(&token, &["status", "--json"]).stdout).expect("JSON");
    assert_eq!(status["agent"], "bot");

    // It is the same engine in the caller's own process.
    let url = format!("{}/echo", world.origin());
    for (token, code) in [(token.as_str(), Some(0)), ("", Some(3)), ("as_agent_x", Some(3))] {
        let mut inside = world.with(token, &["call", "--url", &url, "--bearer", "KEY"]);
        let output = inside.env("AGENTSECRETS_ISOLATION", "in-process").output().expect("ran");
        assert_eq!(output.status.code(), code, "{output:?}");
    }

    // The other project has no agents, yet it is no way round: the secret's own project decides.
    world.stage.owner(["project", "create", "other"]).ok();
    world.stage.owner(["project", "use", "other"]).ok();
    let url = format!("{}/echo", world.origin());
    let scoped = ["call", "--url", &url, "--bearer", "work/development/KEY"];
    world.stage.agent(scoped).refused(3, "agent_required");
    world.run(&token, &scoped).refused(3, "agent_required");
}

#[test]
fn a_token_that_does_not_count_is_refused_and_never_taken_for_none() {
    let world = World::new();
    // No agent is registered: without a token the call would be made.
    world.call("").ok();
    for wrong in ["as_agent_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "nonsense \"\u{e9}"] {
        let refused = world.call(wrong).refused(3, "agent_token_invalid");
        assert!(!refused.says(wrong));
        let record = world.last_record();
        assert_eq!((&record["agent"], &record["identity"]), (&Value::Null, &json!("declared")));
        assert_eq!(record["reason"], "agent_token_invalid");
        world.run(wrong, &["secrets", "list"]).refused(3, "agent_token_invalid");
    }
    let token = world.agent("bot");
    let other = world.token("bot", &[]);
    world.call(&token).ok();
    let id = world.stage.json(["agent", "token", "list"])[0]["id"].as_str().expect("an id").to_owned();
    // The running broker obeys at the next call, and another token of the agent is not touched.
    world.run(&token, &["agent", "token", "revoke", &id]).ok();
    let refused = world.call(&token).refused(3, "agent_token_invalid");
    assert!(refused.stderr.contains("was revoked") && refused.hint().ends_with("issue bot"), "{refused:?}");
    assert_eq!(world.last_record()["agent"], "bot");
    world.call(&other).ok();
    world.stage.agent(["broker", "stop"]).ok();
    world.call(&token).refused(3, "agent_token_invalid");
    // Taking the revocation back by taking the file away is found out.
    std::fs::remove_file(world.stage.home().join("deny.json")).expect("removed");
    world.call(&token).refused(1, "policy_invalid");
}

#[test]
fn a_deleted_agent_takes_its_tokens_and_grants_with_it() {
    let world = World::without_grant();
    let (one, two) = (world.agent("one"), world.agent("two"));
    world.stage.owner(["allow", "KEY", &world.origin(), "--agent", "one"]).ok();
    world.call(&one).ok();
    world.stage.owner(["agent", "delete", "one"]).ok();
    world.call(&one).refused(3, "agent_token_invalid");
    assert_eq!(world.stage.json(["grants"]), json!([]));
    // Registered again it is another: nothing of before counts.
    let again = world.agent("one");
    world.call(&one).refused(3, "agent_token_invalid");
    world.call(&again).refused(3, "destination_not_allowed");
    world.call(&two).refused(3, "destination_not_allowed");
}

#[test]
fn a_grant_may_be_for_one_agent_alone() {
    let world = World::without_grant();
    let (one, two) = (world.agent("one"), world.agent("two"));
    world.stage.secret("OTHER");
    let said = world.stage.owner(["allow", "KEY", &world.origin(), "--agent", "one"]).ok();
    assert!(said.stdout.contains("for the agent one only"), "{said:?}");
    assert_eq!(world.stage.json(["grants"])[0]["agent"], "one");
    assert!(world.stage.agent(["grants"]).stdout.contains("for one only"));
    world.call(&one).ok();
    let refused = world.call(&two).refused(3, "destination_not_allowed");
    assert!(refused.hint().ends_with("--agent two"), "a hint loosens for nobody else: {refused:?}");
    // An agent reads the names it may use and no others.
    let names = |token: &str| -> Vec<String> {
        let listed: Value =
            serde_json::from_str(&world.run(token, &["secrets", "list", "--json"]).ok().stdout).expect("JSON");
        listed.as_array().expect("a list").iter().map(|one| one["name"].as_str().expect("name").to_owned()).collect()
    };
    assert_eq!((names(&one), names(&two), names("").len()), (vec!["KEY".to_owned()], vec![], 2));
    assert_eq!(world.run(&two, &["secrets", "check", "KEY"]).code, 4);
    assert_eq!(world.run(&two, &["grants", "--json"]).stdout.trim(), "[]");
    let missing = ["call", "--url", &format!("{}/echo", world.origin()), "--bearer", "MISSING"];
    world.run(&two, &missing).refused(3, "destination_not_allowed");
    // What comes back is redacted for both, and named to the one who may know the name.
    assert!(!world.call(&one).ok().says(&world.value));
}
