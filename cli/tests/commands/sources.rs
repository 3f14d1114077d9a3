//! Linked secrets: real commands as managers, the real executable, and a real upstream that echoes.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::doors::script;
use crate::scene::Scene;
use crate::stage::{Ran, Stage, canary, read};
use crate::terminal::Terminal;

/// Links LINKED to a command with the passphrase at hand.
fn link(stage: &Stage, flags: &[&str], command: &[&str]) -> Ran {
    let arguments = [&["secrets", "link", "LINKED", "--exec", "a/b"], flags].concat();
    stage.owner_before(&arguments, &[&["--"], command].concat())
}

/// A scene whose `LINKED` comes from a script, and the value it prints.
fn linked(flags: &[&str], text: &str) -> (Scene, String) {
    let (scene, value) = (Scene::new(), canary());
    script(&scene.stage, "manager.sh", &text.replace("VALUE", &value));
    link(&scene.stage, flags, &["./manager.sh"]).ok();
    scene.stage.owner(["allow", "LINKED", &scene.url("")]).ok();
    (scene, value)
}

fn call(scene: &Scene) -> Ran {
    scene.stage.agent(["call", "--url", &scene.url("/echo"), "--bearer", "LINKED"])
}

/// Nothing that was said or written holds the value.
#[track_caller]
fn hidden(scene: &Scene, ran: &Ran, value: &str) {
    assert!(!ran.says(value), "{ran:?}");
    let files = scene.stage.files();
    let script = std::fs::read(scene.stage.path("work/manager.sh")).expect("script");
    let in_script = String::from_utf8_lossy(&script).matches(value).count();
    assert_eq!(String::from_utf8_lossy(&files).matches(value).count(), in_script, "the value rests somewhere");
}

fn runs(scene: &Scene) -> usize {
    std::fs::read_to_string(scene.stage.path("runs")).unwrap_or_default().lines().count()
}

fn counting(scene_text: &str) -> String {
    format!("echo run >> \"$HOME/runs\"\n{scene_text}")
}

#[test]
fn a_printed_value_is_sent_redacted_and_held() {
    let (scene, value) = linked(&["--plain"], &counting("echo VALUE"));
    let ran = call(&scene).ok();
    assert_eq!(scene.sent("authorization"), format!("Bearer {value}"));
    hidden(&scene, &ran, &value);
    assert!(ran.stdout.contains("[REDACTED:LINKED]"), "{ran:?}");
    call(&scene).ok();
    assert_eq!(runs(&scene), 1);
    let listed = scene.stage.json(["secrets", "list"]);
    let own = listed.as_array().expect("list").iter().find(|info| info["name"] == "LINKED").expect("listed").clone();
    assert_eq!((&own["source"], &own["record"]), (&"manager.sh".into(), &"".into()));
    assert_eq!(scene.stage.json(["secrets", "check", "LINKED"])[0]["source"], "manager.sh");
    assert_eq!(scene.stage.json(["grants", "LINKED"])[0]["source"], "manager.sh");
    // The records are those of any call.
    let records = scene.stage.json(["logs", "list"]);
    assert!(records.to_string().contains("LINKED") && !records.to_string().contains("manager"), "{records}");
    // A broker that ended has forgotten.
    scene.stage.agent(["broker", "stop"]).ok();
    call(&scene).ok();
    assert_eq!(runs(&scene), 2);
}

#[test]
fn the_protocol_is_asked_and_answered() {
    let text = "cat > \"$HOME/asked\"; echo '{\"protocolVersion\":1,\"values\":{\"a/b\":\"VALUE\"},\"errors\":{}}'";
    let (scene, value) = linked(&[], text);
    let ran = call(&scene).ok();
    assert_eq!(scene.sent("authorization"), format!("Bearer {value}"));
    hidden(&scene, &ran, &value);
    let asked: serde_json::Value = serde_json::from_str(&read(&scene.stage.path("asked"))).expect("JSON");
    assert_eq!(asked, serde_json::json!({ "protocolVersion": 1, "provider": "manager.sh", "ids": ["a/b"] }));
}

#[test]
fn many_calls_at_once_ask_once_and_a_lifetime_ends() {
    let (scene, _) = linked(&["--plain", "--lifetime", "2s"], &counting("sleep 0.5; echo VALUE"));
    let url = scene.url("/echo");
    let start = || {
        let mut command = scene.stage.command(["call", "--url", &url, "--bearer", "LINKED"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started")
    };
    scene.stage.agent(["broker", "run", "--background"]);
    let began = Instant::now();
    let children: Vec<_> = (0..10).map(|_| start()).collect();
    assert!(children.into_iter().all(|mut child| child.wait().expect("ended").success()));
    assert!(runs(&scene) == 1 || began.elapsed() > Duration::from_secs(2), "{}", runs(&scene));
    let before = runs(&scene);
    std::thread::sleep(Duration::from_millis(2100));
    call(&scene).ok();
    assert_eq!(runs(&scene), before + 1);
}

#[test]
fn a_value_that_was_replaced_is_looked_for_still() {
    let text = "[ -e \"$HOME/old\" ] && exec echo VALUEnext; touch \"$HOME/old\"; echo VALUE";
    let (scene, old) = linked(&["--plain", "--lifetime", "1s"], text);
    call(&scene).ok();
    std::thread::sleep(Duration::from_millis(1100));
    call(&scene).ok();
    assert_eq!(scene.sent("authorization"), format!("Bearer {old}next"));
    let header = format!("X-Old: {old}");
    let said = ["call", "--url", &scene.url("/echo"), "--bearer", "KEY", "--plain-header", &header];
    let ran = scene.stage.agent(said).ok();
    assert!(scene.sent("x-old") == old && !ran.says(&old), "{ran:?}");
}

#[test]
fn a_manager_that_fails_is_told_without_its_words_on_stderr() {
    let (scene, value) = linked(&["--plain"], "echo VALUE >&2; echo VALUE; exit 7");
    let ran = call(&scene).refused(1, "source_unavailable");
    assert!(ran.stderr.contains("exit status 7") && ran.hint().contains("./manager.sh"), "{ran:?}");
    hidden(&scene, &ran, &value);
    let records = scene.stage.json(["logs", "list"]).to_string();
    assert!(records.contains("source_unavailable") && !records.contains(&value), "{records}");
}

#[test]
fn a_managers_own_words_are_repeated_unless_they_hold_a_value() {
    let said = |text: &str| {
        format!("echo '{{\"protocolVersion\":1,\"errors\":{{\"a/b\":{{\"message\":\"{text}\"}}}}}}'; exit 1")
    };
    let (scene, _) = linked(&[], &said("the vault is \\u001b[2J sealed"));
    let ran = call(&scene).refused(1, "source_unavailable");
    assert!(ran.stderr.contains("the vault is [2J sealed"), "{ran:?}");
    // KEY is stored, and granted: a manager that says its value is not repeated.
    script(&scene.stage, "manager.sh", &said(&format!("sealed {}", scene.value)));
    link(&scene.stage, &[], &["./manager.sh"]).ok();
    let ran = call(&scene).refused(1, "source_unavailable");
    assert!(!ran.says("sealed") && !ran.says(&scene.value), "{ran:?}");
}

#[test]
fn garbage_too_much_and_too_little_are_no_values() {
    for (flags, text) in [
        (&[][..], "echo VALUE"),
        (&[], "echo '{\"protocolVersion\":1,\"values\":{\"other\":\"VALUE\"}}'"),
        (&["--plain"], "head -c 70000 /dev/zero | tr '\\0' x"),
        (&["--plain"], "head -c 5000000 /dev/zero | tr '\\0' x; echo VALUE"),
        (&["--plain"], "exit 0"),
    ] {
        let (scene, value) = linked(flags, text);
        let ran = call(&scene).refused(1, "source_unavailable");
        hidden(&scene, &ran, &value);
    }
    let (scene, _) = linked(&["--plain"], "echo short");
    call(&scene).refused(2, "invalid_value");
}

#[test]
fn a_manager_that_hangs_is_ended() {
    let (scene, _) = linked(&["--plain"], "echo $$ > \"$HOME/pid\"; exec sleep 60");
    let began = Instant::now();
    let ran = call(&scene).refused(1, "source_unavailable");
    assert!(ran.stderr.contains("within 10 seconds") && began.elapsed() < Duration::from_secs(25), "{ran:?}");
    let pid = read(&scene.stage.path("pid"));
    assert!(!std::path::Path::new(&format!("/proc/{}", pid.trim())).exists(), "it runs on");
}

#[test]
fn a_changed_manager_is_not_run() {
    let (scene, _) = linked(&["--plain"], &counting("echo VALUE"));
    script(&scene.stage, "manager.sh", "echo run >> \"$HOME/runs\"; echo another-value");
    let ran = call(&scene).refused(3, "command_changed");
    assert!(ran.hint().contains("agentsecrets secrets link LINKED") && runs(&scene) == 0, "{ran:?}");
}

#[test]
fn the_environment_of_a_manager_is_not_the_callers() {
    let (scene, _) = linked(&["--plain", "--env", "NAMED"], "env > \"$HOME/seen\"; pwd >> \"$HOME/seen\"; echo VALUE");
    scene.stage.agent(["broker", "stop"]).ok();
    let mut broker = scene.stage.command(["broker", "run", "--background"]);
    assert!(broker.env("NAMED", "by its name").env("UNNAMED", "no").status().expect("ran").success());
    let mut caller = scene.stage.command(["call", "--url", &scene.url("/echo"), "--bearer", "LINKED"]);
    caller.env("NAMED", "the caller's").env("HOME", "/elsewhere").env("LD_PRELOAD", "").env("CALLERS", "no");
    assert!(caller.output().expect("ran").status.success());
    let seen = read(&scene.stage.path("seen"));
    assert!(seen.contains("NAMED=by its name\n") && seen.ends_with("\n/\n"), "{seen}");
    for other in ["UNNAMED=", "CALLERS=", "elsewhere", "AGENTSECRETS_", "LD_PRELOAD"] {
        assert!(!seen.contains(other), "{other}: {seen}");
    }
    link(&scene.stage, &["--env", "LD_PRELOAD"], &["./manager.sh"]).refused(2, "invalid_call");
    link(&scene.stage, &["--env", "A=B"], &["./manager.sh"]).refused(2, "invalid_call");
    link(&scene.stage, &["--lifetime", "25h"], &["./manager.sh"]).refused(2, "invalid_call");
}

#[test]
fn linking_and_unlinking_are_the_owners_and_set_does_neither() {
    let stage = Stage::new();
    stage.secret("LINKED");
    script(&stage, "manager.sh", "echo a-value-of-a-manager");
    let words = ["secrets", "link", "LINKED", "--exec", "a/b", "--plain", "--", "./manager.sh"];
    stage.agent(words).refused(3, "owner_required");
    assert_eq!(stage.json(["secrets", "list"])[0]["version"], 1);
    let mut terminal = Terminal::run(stage.command(words));
    terminal.expect("run the command ./manager.sh");
    terminal.expect("the stored value of LINKED is deleted and lost");
    terminal.expect("assphrase");
    terminal.type_line(&stage.passphrase);
    let (code, seen) = terminal.end();
    assert_eq!(code, 0, "{seen}");
    let listed = stage.json(["secrets", "list"]);
    assert_eq!((&listed[0]["source"], &listed[0]["version"]), (&"manager.sh".into(), &0.into()));
    let refused = stage.owner_with(["secrets", "set", "LINKED"], canary().as_bytes()).refused(2, "invalid_call");
    assert!(refused.hint().contains("--remove"), "{refused:?}");
    stage.agent(["secrets", "link", "LINKED", "--remove"]).refused(3, "owner_required");
    stage.owner(["secrets", "link", "LINKED", "--remove"]).ok();
    assert_eq!(stage.agent(["secrets", "check", "LINKED"]).code, 4);
    stage.secret("LINKED");
}

#[test]
fn a_program_with_the_engine_inside_it_asks_no_manager() {
    let (scene, _) = linked(&["--plain"], &counting("echo VALUE"));
    let mut command = scene.stage.command(["call", "--url", &scene.url("/echo"), "--bearer", "LINKED"]);
    let output = command.env("AGENTSECRETS_ISOLATION", "in-process").output().expect("ran");
    assert!(String::from_utf8_lossy(&output.stderr).contains("needs_broker"), "{output:?}");
    assert_eq!(runs(&scene), 0);
}
