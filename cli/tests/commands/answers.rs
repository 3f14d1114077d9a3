//! What programs read: exit codes, schemas, streams, and no colour where nobody looks.

use std::io::Read;
use std::process::Stdio;

use serde_json::Value;

use crate::stage::{Stage, canary};
use crate::terminal::Terminal;

fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn every_exit_code_is_the_documented_one() {
    let bare = Stage::bare();
    bare.agent(["status"]).refused(5, "not_initialized");
    bare.agent(["logs"]).refused(5, "not_initialized");
    let stage = Stage::new();
    stage.secret("KEY");
    stage.agent(["secrets", "check", "KEY"]).ok();
    assert_eq!(stage.agent(["secrets", "check", "KEY", "MISSING"]).code, 4);
    assert_eq!(stage.agent(["nonsense"]).code, 2);
    assert_eq!(stage.agent(Vec::<&str>::new()).code, 2);
    stage.agent(["secrets", "set", "lower-case"]).refused(2, "invalid_call");
    stage.agent_with(["secrets", "set", "NEW_KEY"], b"\n").refused(2, "invalid_value");
    stage.agent_with(["secrets", "set", "NEW_KEY"], b"short").refused(2, "invalid_value");
    stage.agent_with(["secrets", "set", "NEW_KEY", "--weak"], b"short").ok();
    stage.agent(["project", "use", "nowhere"]).refused(4, "project_not_found");
    stage.agent(["allow", "KEY", "*.com"]).refused(2, "invalid_call");
    stage.agent(["allow", "KEY", "api.example.com", "--slot", "body:p"]).refused(2, "invalid_call");
    stage.agent(["environment", "switch", "nowhere"]).refused(2, "invalid_call");
    stage.agent(["logs", "show", "ffffffff"]).refused(4, "secret_not_found");
    stage.agent(["lock"]).ok();
    stage.agent(["secrets", "list"]).refused(5, "store_locked");
}

#[test]
fn a_typed_value_is_refused_and_repeated_nowhere() {
    let stage = Stage::new();
    let value = canary();
    let ran = stage.agent(["secrets", "set", &format!("KEY={value}")]).refused(2, "invalid_call");
    assert!(!ran.says(&value) && ran.stderr.contains("rotate") && ran.hint().contains("prompt"), "{ran:?}");
    for arguments in [
        &["secrets", "set", "KEY", &value][..],
        &["secrets", "set", &value],
        &["secrets", "check", &value],
        &["call", "--url", "https://api.example.com/", "--bearer", &value],
        &["call", "--url", &format!("https://{value}@api.example.com/"), "--bearer", "KEY"],
        &["call", "--url", "https://api.example.com/", "--header", &value],
        &["call", "--url", "https://api.example.com/", &value],
        &["call", "--url", "https://api.example.com/", "--bearer", "KEY", "--body", &format!("@{value}")],
        &["secrets", "set", "KEY", "--from-file", &value],
        &["secrets", "import", &value],
        &["trust", "add", &value],
        &["allow", &value, "api.example.com"],
        &["unlock", "--unlock", &value],
        &["man", &value],
        &["logs", "export", "--since", &value],
        &["workspace", "allowlist", "remove", &value],
        &["restore", &value],
        &["restore", "home.asbk", "--unlock", &value],
        &[&value],
        &[&format!("--{value}")],
    ] {
        for json in [false, true] {
            let ran = stage.agent(arguments.iter().copied().chain(json.then_some("--json")));
            assert_ne!(ran.code, 0, "{arguments:?}");
            assert!(!ran.says(&value), "{ran:?}");
            assert_eq!(json, ran.stderr.is_empty(), "{ran:?}");
        }
    }
}

#[test]
fn an_error_for_programs_stands_on_stdout_and_says_everything() {
    let stage = Stage::new();
    for (arguments, code, error) in [
        (&["secrets", "set", "K=v", "--json"][..], 2, "invalid_call"),
        (&["allow", "KEY", "api.example.com", "--json"], 3, "owner_required"),
        (&["secrets", "delete", "KEY", "--json"], 4, "secret_not_found"),
        (&["logs", "list", "--last", "x", "--json"], 2, "invalid_call"),
    ] {
        let ran = stage.agent(arguments);
        let told: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|why| panic!("{why}: {ran:?}"));
        assert_eq!((ran.code, told["error"]["code"].as_str()), (code, Some(error)), "{ran:?}");
        assert_eq!(fields(&told["error"]), ["code", "hint", "message", "retryable", "stage"]);
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn every_answer_has_its_schema() {
    let stage = Stage::new();
    let value = canary();
    let set =
        stage.owner_with(["secrets", "set", "KEY", "--allow", "api.example.com", "--json"], value.as_bytes()).ok();
    let set: Value = serde_json::from_str(&set.stdout).expect("JSON");
    assert_eq!(
        fields(&set),
        ["allowed", "created", "environment", "name", "overwritten", "record", "updated", "version"]
    );
    stage
        .agent(["call", "--url", "https://other.example.com/", "--bearer", "KEY"])
        .refused(3, "destination_not_allowed");
    let of = |list: Value| fields(&list[0]).join(" ");
    assert_eq!(of(stage.json(["secrets", "list"])), "created destinations name record updated version");
    assert!(of(stage.json(["secrets", "check", "KEY"])).contains("granted name present"));
    assert_eq!(
        of(stage.json(["grants"])),
        "agent approve discloses environment expires limits methods permit_headers private project rule secret slots state"
    );
    stage.owner(["agent", "register", "bot"]).ok();
    stage.owner(["agent", "token", "issue", "bot", "--token-fd", "2"]).ok();
    stage.owner(["limit", "KEY", "--calls", "1/1d"]).ok();
    assert_eq!(of(stage.json(["agent", "list"])), "created name project tokens");
    assert_eq!(of(stage.json(["agent", "token", "list"])), "agent created expires id state");
    assert_eq!(of(stage.json(["limit", "list"])), "agent calls id limit seconds secret used");
    assert_eq!(of(stage.json(["project", "list"])), "current directories name workspace");
    assert_eq!(of(stage.json(["environment", "list"])), "current name secrets");
    let logs = stage.json(["logs"]);
    for field in ["id", "call", "phase", "outcome", "reason", "secrets", "origin", "path", "mac", "prev"] {
        assert!(logs[0].get(field).is_some(), "{field}");
    }
    assert_eq!(logs[0]["outcome"], "denied");
    assert_eq!(stage.json(["logs", "--last", "1", "--outcome", "denied"]), stage.json(["logs", "list", "--last", "1"]));
    assert_eq!(stage.json(["logs", "list", "--outcome", "ok"]), serde_json::json!([]));
    let call = logs[0]["call"].as_str().expect("an id").to_owned();
    assert_eq!(stage.json(["logs", "show", &call])[0]["call"], call.as_str());
    let verdict = stage.json(["logs", "verify"]);
    assert_eq!((&verdict["ok"], &verdict["first_bad"]), (&Value::Bool(true), &Value::Null));
    let status = stage.json(["status"]);
    for (field, text) in
        [("isolation", "broker"), ("use_key", "file"), ("store", "file"), ("environment", "development")]
    {
        assert_eq!(status[field], text);
    }
    let doctor = stage.json(["doctor"]);
    assert_eq!(fields(&doctor), ["checks", "fixed", "ok"]);
    assert_eq!(doctor["ok"], true, "{doctor}");
    assert_eq!(fields(&stage.json(["broker", "status"])), ["locked", "pid", "running", "shares", "version"]);
    assert_eq!(stage.json(["broker", "stop"])["stopped"], true);
    assert_eq!(stage.json(["broker", "status"])["running"], false);
}

#[test]
fn the_first_bad_record_is_named() {
    let stage = Stage::new();
    for _ in 0..3 {
        stage.agent(["call", "--url", "https://api.example.com/", "--bearer", "KEY"]);
    }
    let log = stage.home().join("audit/000001.jsonl");
    let text = crate::stage::read(&log);
    let lines: Vec<&str> = text.lines().collect();
    let edited = text.replacen(lines[1], &lines[1].replace("api.example.com", "api.exomple.com"), 1);
    std::fs::write(&log, edited).expect("file");
    let ran = stage.agent(["logs", "verify", "--json"]);
    let told: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(ran.code, 1);
    assert_eq!((&told["ok"], &told["first_bad"]["line"]), (&Value::Bool(false), &Value::from(2)), "{told}");
    assert!(told["first_bad"]["id"].is_string() && told["first_bad"]["why"].is_string());
    let doctor = stage.agent(["doctor"]);
    assert!(doctor.code == 1 && doctor.stdout.contains("fail  audit"), "{doctor:?}");
}

#[test]
fn doctor_says_what_is_wrong_and_mends_what_it_can() {
    use std::os::unix::fs::PermissionsExt;
    let stage = Stage::new();
    let policy = stage.home().join("policy.json");
    std::fs::set_permissions(&policy, std::fs::Permissions::from_mode(0o644)).expect("mode");
    let told = stage.agent(["doctor"]);
    assert!(
        told.code == 1 && told.stdout.contains("fail  permissions") && told.stdout.contains("doctor --fix"),
        "{told:?}"
    );
    stage.agent(["doctor", "--fix"]).ok();
    assert_eq!(policy.metadata().expect("metadata").permissions().mode() & 0o777, 0o600);

    let config = stage.home().join("home.json");
    let mut recorded: Value = serde_json::from_str(&crate::stage::read(&config)).expect("JSON");
    recorded["executable"]["sha256"] = "00".repeat(32).into();
    std::fs::write(&config, recorded.to_string()).expect("file");
    let told = stage.agent(["doctor"]);
    assert!(told.code == 1 && told.stdout.contains("fail  executable"), "{told:?}");
    stage.agent(["doctor", "--fix"]).ok();

    let text = crate::stage::read(&policy);
    std::fs::write(&policy, text.replacen("personal", "impersonal", 1)).expect("file");
    let told = stage.agent(["doctor"]);
    assert!(told.code == 1 && told.stdout.contains("fail  policy"), "{told:?}");
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let stage = Stage::new();
    stage.secret("KEY");
    let piped = stage.agent(["secrets", "list"]).ok();
    assert!(!piped.says("\u{1b}["), "{piped:?}");
    assert!(piped.stdout.starts_with("NAME  VERSION  UPDATED"), "{piped:?}");
    let (_, shown) = Terminal::run(stage.command(["secrets", "check", "KEY"])).end();
    assert!(shown.contains("\u{1b}[33m"), "{shown:?}");
    let mut plain = stage.command(["secrets", "check", "KEY"]);
    plain.env("NO_COLOR", "1");
    let (_, shown) = Terminal::run(plain).end();
    assert!(shown.contains("KEY") && !shown.contains("\u{1b}["), "{shown:?}");
    let mut table = stage.command(["secrets", "list"]);
    table.env("NO_COLOR", "1");
    let (_, shown) = Terminal::run(table).end();
    assert!(shown.contains('┌') && !shown.contains("\u{1b}["), "{shown:?}");
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let stage = Stage::new();
    let mut command = stage.command(["completions", "bash"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    drop(child.stdout.take());
    let status = child.wait().expect("ended");
    let mut said = String::new();
    child.stderr.take().expect("stderr").read_to_string(&mut said).expect("read");
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}

#[test]
fn help_names_the_commands_there_are_and_no_other() {
    let stage = Stage::bare();
    let help = stage.agent(["--help"]).ok().stdout;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(
        commands.join(" "),
        "init secrets allow approve deny grants agent limit trust egress call run env exec proxy logs status doctor bundle login logout lock unlock project environment broker backup restore workspace completions man"
    );
    assert!(stage.agent(["secrets", "set", "--help"]).ok().stdout.contains("Examples:"));
}

#[test]
fn the_log_variable_shows_no_value_and_no_library() {
    let stage = Stage::new();
    let value = canary();
    let mut command = stage.command(["secrets", "set", "KEY"]);
    command.env("AGENTSECRETS_LOG", "trace").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    std::io::Write::write_all(&mut child.stdin.take().expect("stdin"), value.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("ended");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains(&value) && !said.contains("hyper"), "{said}");
}
