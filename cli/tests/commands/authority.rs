//! Who may do what, row by row: each act of a human is refused to an agent alone, and each act of an agent needs nobody.

use crate::stage::{Ran, Stage, canary};
use crate::terminal::Terminal;

/// Runs a human's act without the passphrase, then with it.
#[track_caller]
fn human(stage: &Stage, arguments: &[&str], stdin: &[u8]) -> Ran {
    let refused = stage.agent_with(arguments, stdin).refused(3, "owner_required");
    assert!(refused.hint().contains("--passphrase-fd"), "{refused:?}");
    stage.with_passphrase(arguments, stdin, "another passphrase").refused(3, "wrong_passphrase");
    stage.owner_with(arguments, stdin).ok()
}

#[test]
fn allow_is_the_owners() {
    let stage = Stage::new();
    human(&stage, &["allow", "KEY", "api.example.com"], b"");
    assert_eq!(stage.json(["grants"])[0]["state"], "active");
}

#[test]
fn lifting_a_deny_is_the_owners() {
    let stage = Stage::new();
    stage.owner(["allow", "KEY", "api.example.com"]).ok();
    stage.agent(["deny", "KEY", "api.example.com"]).ok();
    assert_eq!(stage.json(["grants"])[0]["state"], "denied");
    human(&stage, &["allow", "KEY", "api.example.com"], b"");
    assert_eq!(stage.json(["grants"])[0]["state"], "active");
}

#[test]
fn overwriting_is_the_owners_and_a_refused_one_keeps_the_old_value() {
    let stage = Stage::new();
    stage.secret("KEY");
    let record = stage.json(["secrets", "list"])[0]["record"].clone();
    let value = canary();
    stage.agent_with(["secrets", "set", "KEY"], value.as_bytes()).refused(3, "owner_required");
    assert_eq!(stage.json(["secrets", "list"])[0]["record"], record);
    human(&stage, &["secrets", "set", "KEY"], value.as_bytes());
    assert_ne!(stage.json(["secrets", "list"])[0]["record"], record);
}

#[test]
fn granting_while_setting_is_the_owners() {
    let stage = Stage::new();
    let refused = stage.agent_with(["secrets", "set", "KEY", "--allow", "api.example.com"], canary().as_bytes());
    refused.refused(3, "owner_required");
    assert_eq!(stage.json(["grants"]), serde_json::json!([]));
}

#[test]
fn deleting_is_the_owners() {
    let stage = Stage::new();
    stage.secret("KEY");
    human(&stage, &["secrets", "delete", "KEY"], b"");
    stage.agent(["secrets", "delete", "KEY"]).refused(4, "secret_not_found");
}

#[test]
fn importing_over_an_existing_name_is_the_owners() {
    let stage = Stage::new();
    stage.secret("OLD_KEY");
    let file = stage.path("work/.env");
    std::fs::write(&file, format!("OLD_KEY={}\nNEW_KEY={}\n", canary(), canary())).expect("file");
    let refused = stage.agent(["secrets", "import", ".env", "--delete-file"]).refused(3, "owner_required");
    assert!(refused.stderr.contains("OLD_KEY") && !refused.says("NEW_KEY"), "{refused:?}");
    assert!(file.exists() && stage.agent(["secrets", "check", "NEW_KEY"]).code == 4, "nothing was done");
    stage.owner(["secrets", "import", ".env", "--delete-file"]).ok();
    assert!(!file.exists());
    assert_eq!(stage.agent(["secrets", "check", "NEW_KEY", "OLD_KEY"]).code, 0);
}

#[test]
fn trust_is_the_owners() {
    let stage = Stage::new();
    let upstream = agentsecrets_upstream::Upstream::start(&agentsecrets_upstream::Options::new()).expect("started");
    std::fs::write(stage.path("ca.pem"), upstream.ca_pem()).expect("file");
    let file = stage.path("ca.pem").display().to_string();
    human(&stage, &["trust", "add", &file], b"");
    let listed = stage.json(["trust", "list"]);
    let id = listed[0]["id"].as_str().expect("an id").to_owned();
    human(&stage, &["trust", "remove", &id], b"");
    assert_eq!(stage.json(["trust", "list"]), serde_json::json!([]));
    std::fs::write(stage.path("no.pem"), "no certificate").expect("file");
    stage.owner(["trust", "add", &stage.path("no.pem").display().to_string()]).refused(2, "invalid_call");
}

#[test]
fn the_workspace_allowlist_is_the_owners() {
    let stage = Stage::new();
    human(&stage, &["workspace", "allowlist", "add", "api.example.com"], b"");
    human(&stage, &["workspace", "allowlist", "remove", "api.example.com"], b"");
    human(&stage, &["workspace", "allowlist", "remove", "--all"], b"");
    let mut terminal = Terminal::run(stage.command(["workspace", "allowlist", "add", "api.example.com"]));
    terminal.expect("Calls without a secret may go to api.example.com; from now on no call goes anywhere");
    terminal.expect("asked by: ");
    terminal.expect("Owner's passphrase: ");
    terminal.type_line(&stage.passphrase);
    let (code, _) = terminal.end();
    assert_eq!(code, 0);
    assert_eq!(stage.json(["workspace", "allowlist", "list"])["rules"][0], "https://api.example.com");
}

#[test]
fn the_way_out_is_the_owners_and_anybody_may_read_it() {
    let stage = Stage::new();
    human(&stage, &["egress", "proxy", "set", "http://proxy.example.com:3128"], b"");
    stage.agent(["egress", "proxy", "set", "http://127.0.0.1:9"]).refused(3, "owner_required");
    stage.agent(["egress", "proxy", "remove"]).refused(3, "owner_required");
    assert_eq!(stage.json(["egress"])["proxy"]["proxy"], "http://proxy.example.com:3128");
    human(&stage, &["egress", "proxy", "remove"], b"");
    let mut terminal = Terminal::run(stage.command(["egress", "proxy", "set", "https://proxy.example.com"]));
    terminal.expect("Calls to public hosts leave by the proxy https://proxy.example.com, which resolves their names");
    terminal.expect("Owner's passphrase: ");
    terminal.type_line(&stage.passphrase);
    assert_eq!(terminal.end().0, 0);
}

#[test]
fn a_proxy_that_passes_for_any_host_is_the_owners() {
    let stage = Stage::new();
    let folder = stage.path("ca").display().to_string();
    human(&stage, &["proxy", "start", "--ca", &folder], b"");
    stage.agent(["proxy", "stop"]).ok();
    let mut terminal = Terminal::run(stage.command(["proxy", "start", "--ca", &folder]));
    terminal.expect("passes for any host before them");
    terminal.expect("Owner's passphrase: ");
    terminal.type_line(&stage.passphrase);
    assert_eq!(terminal.end().0, 0);
    stage.agent(["proxy", "stop"]).ok();
    // Without it there is a proxy, and no such way.
    stage.agent(["proxy", "start"]).ok();
    assert!(stage.json(["proxy", "status"])["ca"].is_null());
    stage.agent(["proxy", "stop"]).ok();
}

#[test]
fn making_a_project_and_linking_a_directory_are_the_owners() {
    let stage = Stage::new();
    human(&stage, &["project", "create", "payments"], b"");
    human(&stage, &["project", "use", "payments"], b"");
    assert_eq!(stage.json(["status"])["project"], "payments");
    // From here on both are linked, and choosing between them asks nobody.
    stage.agent(["project", "use", "work"]).ok();
    assert_eq!(stage.json(["status"])["project"], "work");
    stage.agent(["project", "use", "payments"]).ok();
    assert_eq!(stage.json(["status"])["project"], "payments");
}

#[test]
fn sharing_the_broker_is_the_owners_and_stopping_it_is_anybodys() {
    let stage = Stage::new();
    let socket = stage.path("shared/bot.sock").display().to_string();
    stage.owner(["agent", "register", "bot"]).ok();
    human(&stage, &["broker", "share", "--socket", &socket, "--agent", "bot"], b"");
    assert_eq!(stage.json(["broker", "share", "--list"])[0]["state"], "listening");
    stage.agent(["broker", "share", "--stop", &socket]).ok();
    assert_eq!(stage.json(["broker", "share", "--list"])[0]["state"], "stopped");
    let every = stage.path("shared/broker.sock").display().to_string();
    human(&stage, &["broker", "share", "--socket", &every, "--system"], b"");
    assert_eq!(stage.json(["broker", "status"])["shares"][1]["isolation"], "broker-system");
}

#[test]
fn a_backup_and_putting_it_back_are_the_owners() {
    let stage = Stage::new();
    let file = stage.path("home.asbk").display().to_string();
    human(&stage, &["backup", &file], b"");
    human(&stage, &["restore", &file, "--force"], b"");
}

#[test]
fn copying_between_environments_is_the_owners() {
    let stage = Stage::new();
    stage.secret("KEY");
    human(&stage, &["environment", "copy", "development", "staging"], b"");
    let mut terminal = Terminal::run(stage.command(["environment", "copy", "development", "staging", "KEY"]));
    terminal.expect("In work/staging the values of development are used for KEY");
    terminal.expect("the values there are lost: KEY");
    terminal.expect("Owner's passphrase: ");
    terminal.type_line(&stage.passphrase);
    assert_eq!(terminal.end().0, 0);
    assert_eq!(stage.json(["secrets", "list", "--environment", "staging"])[0]["version"], 2);
}

#[test]
fn a_cloned_project_file_chooses_nothing_and_a_refused_link_leaves_it_as_it_was() {
    let stage = Stage::new();
    let file = stage.path("elsewhere/.agentsecrets/project.json");
    std::fs::create_dir_all(file.parent().expect("folder")).expect("folder");
    std::fs::write(&file, r#"{"project":"work", "kept": true}"#).expect("file");
    let there = |arguments: &[&str]| {
        let mut command = stage.command(arguments);
        let output = command.current_dir(stage.path("elsewhere")).output().expect("ran");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, stderr) = there(&["secrets", "list"]);
    assert!(
        code == Some(3) && stderr.contains("project_not_linked") && stderr.contains("agentsecrets project use work"),
        "{stderr}"
    );
    let (code, stderr) = there(&["project", "use", "work"]);
    assert!(code == Some(3) && stderr.contains("owner_required"), "{stderr}");
    assert!(crate::stage::read(&file).contains("kept"));
}

#[test]
fn unlocking_under_a_passphrase_is_the_owners() {
    let stage = Stage::bare();
    stage.owner(["init", "--store", "file", "--unlock", "passphrase"]).ok();
    stage.agent(["lock"]).ok();
    human(&stage, &["unlock"], b"");
}

#[test]
fn verifying_every_mac_is_the_owners() {
    let stage = Stage::new();
    stage.agent(["call", "--url", "https://api.example.com/", "--bearer", "KEY"]);
    stage.agent(["logs", "verify", "--full"]).refused(3, "owner_required");
    let full = stage.owner(["logs", "verify", "--json"]).ok();
    assert!(full.stdout.contains("\"macs_checked\":true"), "{full:?}");
}

#[test]
fn how_the_log_is_kept_is_the_owners_and_anybody_may_read_it() {
    let stage = Stage::new();
    let shown = || stage.agent(["logs", "settings", "--json"]).ok().stdout;
    assert!(shown().contains("\"durable\":false,\"anchor\":\"none\""), "{}", shown());
    stage.agent(["logs", "settings", "--durable", "on"]).refused(3, "owner_required");
    assert!(shown().contains("\"durable\":false"));
    let said = stage.owner(["logs", "settings", "--durable", "on", "--anchor", "syslog"]).ok();
    assert!(said.stdout.contains("only when its record is on the disk"), "{said:?}");
    assert!(shown().contains("\"durable\":true,\"anchor\":\"syslog\""), "{}", shown());
    stage.owner(["logs", "settings", "--anchor", "none"]).ok();
    assert!(shown().contains("\"durable\":true,\"anchor\":\"none\""), "{}", shown());
}

#[test]
fn anchors_from_outside_are_compared() {
    let stage = Stage::new();
    stage.agent(["call", "--url", "https://api.example.com/", "--bearer", "KEY"]);
    let text: serde_json::Value =
        serde_json::from_slice(&std::fs::read(stage.path("home/home.json")).expect("home.json")).expect("JSON");
    let file = stage.path("work/anchors");
    let line = format!(
        "agentsecrets-anchor {} 999 {} 2026-01-01T00:00:00Z\n",
        text["id"].as_str().expect("id"),
        "0".repeat(64)
    );
    std::fs::write(&file, line).expect("file");
    let told = stage.agent(["logs", "verify", "--anchor", "anchors"]);
    assert!(told.code == 1 && told.stdout.contains("the anchor remembers 999"), "{told:?}");
    std::fs::write(&file, "nothing\n").expect("file");
    stage.agent(["logs", "verify", "--anchor", "anchors"]).refused(2, "invalid_call");
}

#[test]
fn an_agent_alone_does_the_rest() {
    let stage = Stage::new();
    stage.secret("KEY");
    let file = stage.path("work/.env");
    std::fs::write(&file, format!("OTHER_KEY={}\n", canary())).expect("file");
    for arguments in [
        &["secrets", "list"][..],
        &["secrets", "check", "KEY"],
        &["secrets", "import", ".env", "--keep-file"],
        &["status"],
        &["grants"],
        &["deny", "KEY"],
        &["trust", "list"],
        &["egress"],
        &["workspace", "allowlist", "list"],
        &["logs"],
        &["logs", "list"],
        &["logs", "verify"],
        &["logs", "export"],
        &["doctor"],
        &["project", "list"],
        &["environment", "list"],
        &["environment", "switch", "staging"],
        &["environment", "switch", "development"],
        &["broker", "status"],
        &["broker", "stop"],
        &["broker", "run", "--background"],
        &["completions", "bash"],
        &["man", "secrets", "set"],
        &["lock"],
    ] {
        let ran = stage.agent(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    }
}
