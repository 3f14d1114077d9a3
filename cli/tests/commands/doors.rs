//! The doors: a granted command and an exec provider, with the real executable, real children and a real terminal.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::stage::{Ran, Stage, read};
use crate::terminal::Terminal;

const PATIENCE: Duration = Duration::from_secs(20);

/// An executable script in the working directory.
pub(crate) fn script(stage: &Stage, name: &str, text: &str) {
    let path = stage.path("work").join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
}

/// Grants KEY to a command, as the owner.
#[track_caller]
pub(crate) fn grant(stage: &Stage, command: &[&str]) -> Ran {
    allow(stage, &[], command).ok()
}

fn allow(stage: &Stage, flags: &[&str], command: &[&str]) -> Ran {
    // The descriptor's flag must stand before the command, which ends the line.
    let mut arguments = vec!["allow", "KEY"];
    arguments.extend(flags);
    stage.owner_before(&arguments, &[&["--command", "--"], command].concat())
}

fn env(stage: &Stage, command: &[&str]) -> Ran {
    stage.agent(["env", "--"].iter().chain(command))
}

/// Waits until a file is there and not empty.
#[track_caller]
pub(crate) fn wait_for(path: &Path) -> String {
    let started = Instant::now();
    loop {
        match std::fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => assert!(started.elapsed() < PATIENCE, "{} did not come", path.display()),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[track_caller]
pub(crate) fn ends(pid: &str) {
    let started = Instant::now();
    while is_alive(pid) {
        assert!(started.elapsed() < PATIENCE, "process {pid} did not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a process is in a state, as in `) T ` for stopped.
#[track_caller]
pub(crate) fn state(pid: &str, wanted: &str) {
    let started = Instant::now();
    while !read(Path::new(&format!("/proc/{pid}/stat"))).contains(wanted) {
        assert!(started.elapsed() < PATIENCE, "{pid} did not become {wanted}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn start(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
}

pub(crate) fn signal(pid: u32, signal: i32) {
    // SAFETY: kill takes numbers; the process is a child of this test.
    assert_eq!(unsafe { libc::kill(i32::try_from(pid).expect("pid"), signal) }, 0);
}

#[test]
fn a_command_is_granted_by_the_owner_alone_and_says_that_it_discloses() {
    let stage = Stage::new();
    stage.secret("KEY");
    let refused = env(&stage, &["printenv", "KEY"]).refused(3, "command_not_allowed");
    assert_eq!(refused.hint(), "agentsecrets allow NAME --command -- printenv KEY");
    stage.agent(["allow", "KEY", "--command", "--", "printenv", "KEY"]).refused(3, "owner_required");
    env(&stage, &["printenv", "KEY"]).refused(3, "command_not_allowed");
    let granted = grant(&stage, &["printenv", "KEY"]);
    assert!(granted.stdout.contains("DISCLOSES") && granted.stderr.contains("DISCLOSES"), "{granted:?}");
    assert_eq!(env(&stage, &["printenv", "KEY"]).ok().stdout, "[REDACTED:KEY]\n");
    // Another word is another command; another secret is another grant.
    env(&stage, &["printenv"]).refused(3, "command_not_allowed");
    stage.secret("OTHER");
    let other = stage.agent(["env", "--secret", "OTHER", "--", "printenv", "KEY"]).refused(3, "command_not_allowed");
    assert_eq!(other.hint(), "agentsecrets allow OTHER --command -- printenv KEY");
    stage.agent(["env", "--secret", "NONE", "--", "printenv", "KEY"]).refused(4, "secret_not_found");
    let listed = stage.json(["grants", "KEY"]);
    assert_eq!((&listed[0]["discloses"], &listed[0]["state"]), (&true.into(), &"active".into()));
    assert_eq!(listed[0]["command"], serde_json::json!(["printenv", "KEY"]));
    assert_eq!(stage.json(["status"])["disclosed"], serde_json::json!(["KEY"]));
    assert!(stage.agent(["grants"]).says("DISCLOSES") && stage.agent(["status"]).says("DISCLOSES"));
    // What an agent denies stays denied until the owner grants anew.
    stage.agent(["deny", "KEY"]).ok();
    env(&stage, &["printenv", "KEY"]).refused(3, "command_not_allowed");
    grant(&stage, &["printenv", "KEY"]);
    env(&stage, &["printenv", "KEY"]).ok();
}

#[test]
fn a_human_at_a_terminal_reads_what_the_grant_means() {
    let stage = Stage::new();
    stage.secret("KEY");
    let mut terminal = Terminal::run(stage.command(["allow", "KEY", "--command", "--", "printenv", "KEY"]));
    terminal.expect("DISCLOSES the value to every process of this user");
    terminal.expect("assphrase");
    terminal.type_line(&stage.passphrase);
    let (code, seen) = terminal.end();
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("\u{1b}[1;31m"), "in red: {seen}");
    env(&stage, &["printenv", "KEY"]).ok();
}

#[test]
fn limits_of_a_grant_hold() {
    let stage = Stage::new();
    stage.secret("KEY");
    allow(&stage, &["--environment", "staging"], &["printenv", "KEY"]).ok();
    env(&stage, &["printenv", "KEY"]).refused(3, "command_not_allowed");
    allow(&stage, &["--expires", "soon"], &["printenv", "KEY"]).refused(2, "invalid_call");
    allow(&stage, &["--expires", "30d"], &["printenv", "KEY"]).ok();
    env(&stage, &["printenv", "KEY"]).ok();
}

#[test]
fn an_interpreter_without_a_script_is_not_granted() {
    let stage = Stage::new();
    stage.secret("KEY");
    script(&stage, "a.sh", "exit 0");
    for refused in [
        &["sh", "-c", "env"][..],
        &["sh"],
        &["sh", "-s"],
        &["sh", "missing.sh"],
        &["bash", "-c", "env"],
        &["perl", "-e", "print %ENV"],
        &["env", "printenv", "KEY"],
        &["awk", "BEGIN { print ENVIRON[\"KEY\"] }"],
        &["no-such-program"],
    ] {
        let ran = allow(&stage, &[], refused).refused(2, "invalid_call");
        assert!(!ran.hint().is_empty(), "{refused:?}: {ran:?}");
    }
    allow(&stage, &[], &["sh", "a.sh"]).ok();
    env(&stage, &["sh", "a.sh"]).ok();
    stage.secret("LD_PRELOAD");
    stage.owner_before(&["allow", "LD_PRELOAD"], &["--command", "--", "printenv"]).refused(2, "invalid_call");
}

#[test]
fn a_file_altered_since_the_grant_is_refused() {
    let stage = Stage::new();
    stage.secret("KEY");
    script(&stage, "a.sh", "cat \"$1\"");
    std::fs::write(stage.path("work/data"), "plain\n").expect("file");
    grant(&stage, &["./a.sh", "data"]);
    assert_eq!(env(&stage, &["./a.sh", "data"]).ok().stdout, "plain\n");
    // Another file of the same name in another folder is not what was granted.
    std::fs::write(stage.path("elsewhere/data"), "planted\n").expect("file");
    let mut elsewhere = stage.command(["env", "--", "./a.sh", "data"]);
    let ran = elsewhere.current_dir(stage.path("elsewhere")).output().expect("ran");
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "plain\n");
    std::fs::write(stage.path("work/data"), "other\n").expect("file");
    let refused = env(&stage, &["./a.sh", "data"]).refused(3, "command_changed");
    assert!(refused.stderr.contains("/data") && refused.hint().contains("allow KEY --command -- ./a.sh data"));
    grant(&stage, &["./a.sh", "data"]);
    env(&stage, &["./a.sh", "data"]).ok();
    script(&stage, "a.sh", "printenv");
    env(&stage, &["./a.sh", "data"]).refused(3, "command_changed");
    std::fs::remove_file(stage.path("work/a.sh")).expect("removed");
    env(&stage, &["./a.sh", "data"]).refused(3, "command_changed");
    let denied = stage.json(["logs", "list", "--outcome", "denied"]);
    assert_eq!((&denied[0]["reason"], &denied[0]["secrets"][0]), (&"command_changed".into(), &"KEY".into()));
}

#[test]
fn a_swap_while_the_command_starts_runs_nothing_else() {
    let stage = Stage::new();
    stage.secret("KEY");
    script(&stage, "a.sh", "echo granted");
    script(&stage, "evil.sh", "echo planted");
    let (work, granted) = (stage.path("work"), std::fs::read(stage.path("work/a.sh")).expect("file"));
    grant(&stage, &["./a.sh"]);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::fs::copy(work.join("evil.sh"), work.join("next")).expect("copied");
                std::fs::rename(work.join("next"), work.join("a.sh")).expect("swapped");
                std::fs::write(work.join("next"), &granted).expect("written");
                std::fs::set_permissions(work.join("next"), std::fs::Permissions::from_mode(0o755)).expect("mode");
                std::fs::rename(work.join("next"), work.join("a.sh")).expect("swapped");
            }
        });
        for _ in 0..40 {
            let ran = env(&stage, &["./a.sh"]);
            assert!(!ran.says("planted"), "{ran:?}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn the_callers_environment_passes_without_what_chooses_code() {
    let stage = Stage::new();
    let value = stage.secret("KEY");
    script(
        &stage,
        "a.sh",
        "echo \"[$LD_PRELOAD][$NODE_OPTIONS][$PYTHONPATH][$BASH_ENV][$GIT_SSH][$PATH][$MINE][${#KEY}]\"; pwd",
    );
    grant(&stage, &["./a.sh"]);
    let mut command = stage.command(["env", "--", "./a.sh"]);
    command.envs([("MINE", "mine"), ("NODE_OPTIONS", "x"), ("PYTHONPATH", "x"), ("BASH_ENV", "x"), ("GIT_SSH", "x")]);
    command.env("PATH", stage.path("elsewhere")).env("KEY", "callers").env("LD_PRELOAD", "/no/such.so");
    let ran = command.output().expect("ran");
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let wanted = format!("[][][][][][/usr/local/bin:/usr/bin:/bin][mine][{}]\n", value.len());
    assert!(text.starts_with(&wanted), "{text}");
    assert!(text.trim_end().ends_with("/work"), "{text}");
}

#[test]
fn exit_codes_and_signals_are_the_commands_own() {
    let stage = Stage::new();
    stage.secret("KEY");
    script(&stage, "exit.sh", "exit 7");
    script(&stage, "kill.sh", "kill -KILL $$");
    script(&stage, "trap.sh", "trap 'echo heard; exit 3' TERM\necho ready > ready\nwhile :; do sleep 0.05; done");
    script(&stage, "wait.sh", "echo $$ > pid\nexec sleep 60");
    for name in ["./exit.sh", "./kill.sh", "./trap.sh", "./wait.sh"] {
        grant(&stage, &[name]);
    }
    assert_eq!(env(&stage, &["./exit.sh"]).code, 7);
    assert_eq!(env(&stage, &["./kill.sh"]).code, 128 + 9);
    let child = start(stage.command(["env", "--", "./trap.sh"]));
    wait_for(&stage.path("work/ready"));
    signal(child.id(), libc::SIGTERM);
    let output = child.wait_with_output().expect("ended");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(3), &b"heard\n"[..]));
    for number in [libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        let _ = std::fs::remove_file(stage.path("work/pid"));
        let child = start(stage.command(["env", "--", "./wait.sh"]));
        let pid = wait_for(&stage.path("work/pid"));
        signal(child.id(), number);
        assert_eq!(child.wait_with_output().expect("ended").status.code(), Some(128 + number));
        ends(&pid);
    }
}

#[test]
fn a_suspended_command_stops_and_goes_on() {
    let stage = Stage::new();
    stage.secret("KEY");
    script(&stage, "wait.sh", "echo $$ > pid\necho up\nexec sleep 60");
    grant(&stage, &["./wait.sh"]);
    let mut child = start(stage.command(["env", "--", "./wait.sh"]));
    let pid = wait_for(&stage.path("work/pid"));
    // What it prints has come through: before that a suspended command is one that has not started yet.
    let mut up = [0; 3];
    child.stdout.as_mut().expect("a pipe").read_exact(&mut up).expect("its output");
    signal(child.id(), libc::SIGTSTP);
    state(&pid, ") T ");
    state(&child.id().to_string(), ") T ");
    signal(child.id(), libc::SIGCONT);
    state(&pid, ") S ");
    signal(child.id(), libc::SIGTERM);
    assert_eq!(child.wait().expect("ended").code(), Some(128 + 15));
}

#[test]
fn an_echoed_value_is_redacted_on_both_streams_and_the_record_says_so() {
    let stage = Stage::new();
    let value = stage.secret("KEY");
    script(
        &stage,
        "echo.sh",
        "echo \"out $KEY\"; echo \"err $KEY\" >&2; printf %s \"$KEY\" | base64; printf %s \"$KEY\"",
    );
    grant(&stage, &["./echo.sh"]);
    let ran = env(&stage, &["./echo.sh"]).ok();
    assert_eq!(ran.stderr, "err [REDACTED:KEY]\n");
    assert!(ran.stdout.starts_with("out [REDACTED:KEY]\n[REDACTED:KEY]"), "{ran:?}");
    assert!(ran.stdout.ends_with("[REDACTED:KEY]") && !ran.says(&value), "{ran:?}");
    let record = &stage.json(["logs"])[0];
    assert_eq!((&record["styles"][0], &record["path"]), (&"env".into(), &"/echo.sh".into()));
    assert_eq!((&record["outcome"], &record["reason"]), (&"ok".into(), &"credential_echo".into()));
    assert!(!stage.files().windows(value.len()).any(|at| at == value.as_bytes()));
}

#[test]
fn the_command_line_holds_no_value_while_the_child_runs() {
    let stage = Stage::new();
    let value = stage.secret("KEY");
    script(&stage, "wait.sh", "echo \"$KEY\"; echo $$ > pid\nexec sleep 60");
    grant(&stage, &["./wait.sh"]);
    let mut child = start(stage.command(["env", "--", "./wait.sh"]));
    let pid = wait_for(&stage.path("work/pid"));
    let holds = |bytes: &[u8]| bytes.windows(value.len()).any(|at| at == value.as_bytes());
    let started = Instant::now();
    while !holds(&std::fs::read(format!("/proc/{pid}/environ")).expect("the child has it")) {
        assert!(started.elapsed() < PATIENCE, "the child has it");
    }
    // Only root reads a hardened process; for anybody else the kernel refuses, which is as good.
    assert!(!holds(&std::fs::read(format!("/proc/{}/environ", child.id())).unwrap_or_default()));
    assert!(!holds(&memory(child.id())), "the command line holds the value");
    signal(child.id(), libc::SIGTERM);
    child.wait().expect("ended");
}

/// Everything readable in a process's memory.
fn memory(pid: u32) -> Vec<u8> {
    use std::os::unix::fs::FileExt;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let Ok(memory) = std::fs::File::open(format!("/proc/{pid}/mem")) else { return Vec::new() };
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw"))) {
        let Some((from, to)) = line.split(' ').next().and_then(|range| range.split_once('-')) else { continue };
        let at = |text: &str| u64::from_str_radix(text, 16).expect("hex");
        let mut bytes = vec![0; usize::try_from(at(to) - at(from)).expect("fits")];
        if memory.read_exact_at(&mut bytes, at(from)).is_ok() {
            all.extend(bytes);
        }
    }
    all
}

#[test]
fn the_child_ends_with_its_caller_and_with_the_broker() {
    let stage = Stage::new();
    stage.secret("KEY");
    script(&stage, "wait.sh", "trap '' TERM HUP\necho $$ > pid\nwhile :; do sleep 0.05; done");
    grant(&stage, &["./wait.sh"]);
    for how in ["kill", "stop", "lock"] {
        let _ = std::fs::remove_file(stage.path("work/pid"));
        let mut child = start(stage.command(["env", "--", "./wait.sh"]));
        let pid = wait_for(&stage.path("work/pid"));
        match how {
            "kill" => child.kill().expect("killed"),
            "stop" => drop(stage.agent(["broker", "stop"]).ok()),
            _ => drop(stage.agent(["lock"]).ok()),
        }
        ends(&pid);
        child.wait().expect("ended");
    }
    let records = stage.json(["logs"]);
    let outcomes: Vec<_> = (0..3).map(|at| records[at]["outcome"].clone()).collect();
    assert_eq!(outcomes, ["cancelled", "cancelled", "cancelled"]);
    env(&stage, &["./wait.sh"]).refused(5, "store_locked");
}

#[test]
fn a_closed_pipe_ends_the_command_as_it_would_without_us() {
    let stage = Stage::new();
    stage.secret("KEY");
    grant(&stage, &["yes"]);
    let mut child = start(stage.command(["env", "--", "yes"]));
    let mut head = [0; 4096];
    child.stdout.take().expect("stdout").read_exact(&mut head).expect("read");
    assert_eq!(child.wait().expect("ended").code(), Some(128 + libc::SIGPIPE));
}

#[test]
fn a_child_has_no_descriptor_of_the_brokers() {
    let stage = Stage::new();
    stage.secret("KEY");
    script(&stage, "list.sh", "for number in /proc/$$/fd/*; do readlink \"$number\" || :; done");
    grant(&stage, &["./list.sh"]);
    let listed = env(&stage, &["./list.sh"]).ok().stdout;
    // The script is a copy in memory: its shell has it as it was given, and as it opened it.
    let own = |line: &&str| !line.starts_with("pipe:") && *line != "/memfd:agentsecrets (deleted)";
    assert_eq!(listed.lines().filter(own).collect::<Vec<_>>(), Vec::<&str>::new(), "{listed}");
}

#[test]
fn stdin_is_the_callers_own() {
    let stage = Stage::new();
    stage.secret("KEY");
    grant(&stage, &["cat"]);
    let text = "line\n".repeat(50_000);
    assert_eq!(stage.agent_with(["env", "--", "cat"], text.as_bytes()).ok().stdout, text);
}

#[test]
fn an_exec_provider_gets_what_was_granted_to_it_and_no_more() {
    let stage = Stage::new();
    let value = stage.secret("KEY");
    stage.secret("OTHER");
    let ask = |provider: &str, ids: &[&str]| {
        let request = serde_json::json!({ "protocolVersion": 1, "provider": provider, "ids": ids }).to_string();
        let ran = stage.agent_with(["exec"], request.as_bytes()).ok();
        serde_json::from_str::<serde_json::Value>(&ran.stdout).expect("JSON")
    };
    assert_eq!(ask("openclaw", &["KEY"])["values"], serde_json::json!({}));
    stage.agent(["allow", "KEY", "--provider", "openclaw"]).refused(3, "owner_required");
    let granted = stage.owner(["allow", "KEY", "--provider", "openclaw"]).ok();
    assert!(granted.says("DISCLOSES"), "{granted:?}");
    let answer = ask("openclaw", &["KEY", "OTHER", "GUESS", "../KEY"]);
    assert_eq!((&answer["protocolVersion"], &answer["values"]), (&1.into(), &serde_json::json!({ "KEY": value })));
    let refused: Vec<&String> = answer["errors"].as_object().expect("errors").keys().collect();
    assert_eq!(refused, ["../KEY", "GUESS", "OTHER"]);
    assert!(answer["errors"]["OTHER"]["message"].as_str().expect("text").contains("allow OTHER --provider openclaw"));
    assert_eq!(ask("another", &["KEY"])["values"], serde_json::json!({}));
    let denied = stage.json(["logs", "list", "--outcome", "denied"]);
    assert_eq!(denied.as_array().expect("records").len(), 5, "each refused id is a record");
    let ok = stage.json(["logs", "list", "--outcome", "ok"]);
    assert_eq!((&ok[0]["styles"][0], &ok[0]["secrets"]), (&"exec".into(), &serde_json::json!(["KEY"])));
    // Granted before it is set: an error of its own, and the others are answered.
    stage.owner(["allow", "LATER", "--provider", "openclaw"]).ok();
    let answer = ask("openclaw", &["LATER", "KEY"]);
    assert_eq!((&answer["values"]["KEY"], answer["values"].get("LATER")), (&value.clone().into(), None));
    assert!(answer["errors"]["LATER"]["message"].as_str().is_some());
    assert!(!stage.files().windows(value.len()).any(|at| at == value.as_bytes()));
}

#[test]
fn a_request_that_is_none_is_said_to_be_none() {
    let stage = Stage::new();
    for text in [
        "",
        "{}",
        "[]",
        r#"{"protocolVersion":2,"provider":"p","ids":[]}"#,
        r#"{"protocolVersion":1,"provider":"a b","ids":[]}"#,
    ] {
        let ran = stage.agent_with(["exec"], text.as_bytes()).refused(2, "invalid_call");
        assert!(ran.stdout.is_empty() && ran.hint().contains("protocolVersion"), "{ran:?}");
    }
}
