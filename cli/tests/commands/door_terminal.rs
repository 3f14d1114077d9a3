//! A granted command at a real terminal: it has one of its own, and the caller's is as it was afterwards.

use std::time::{Duration, Instant};

use crate::doors::{grant, script, signal, state, wait_for};
use crate::stage::{EXECUTABLE, Stage, read};
use crate::terminal::Terminal;

#[test]
fn a_terminal_is_a_terminal_to_the_child() {
    let stage = Stage::new();
    let value = stage.secret("KEY");
    let text = "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && stty size\nprintf 'name? '\nread name\necho \"hello $name $KEY\"\n\
                printf %s \"$KEY\"; sleep 0.3; echo; read more; exit 5";
    script(&stage, "ask.sh", text);
    grant(&stage, &["./ask.sh"]);
    let mut terminal = Terminal::run(stage.command(["env", "--", "./ask.sh"]));
    terminal.expect("40 140");
    // A prompt without a line feed is shown after a moment of silence.
    terminal.expect("name? ");
    terminal.type_line("Ada");
    terminal.expect("hello Ada [REDACTED:KEY]");
    terminal.expect("[REDACTED:KEY]");
    terminal.type_line("bye");
    let (code, seen) = terminal.end();
    assert_eq!(code, 5, "{seen}");
    assert!(!seen.contains(&value), "{seen}");
}

#[test]
fn control_c_at_a_terminal_reaches_the_child() {
    let stage = Stage::new();
    stage.secret("KEY");
    script(&stage, "trap.sh", "trap 'echo interrupted; exit 9' INT\necho ready\nwhile :; do sleep 0.05; done");
    grant(&stage, &["./trap.sh"]);
    let mut terminal = Terminal::run(stage.command(["env", "--", "./trap.sh"]));
    terminal.expect("ready");
    terminal.type_line("\u{3}");
    terminal.expect("interrupted");
    assert_eq!(terminal.end().0, 9);
}

/// Waits until the terminal edits lines again, or until it does not.
#[track_caller]
fn becomes(terminal: &Terminal, cooked: bool) {
    let started = Instant::now();
    while terminal.is_cooked() != cooked {
        assert!(started.elapsed() < Duration::from_secs(20), "the terminal does not become cooked: {cooked}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn control_z_stops_the_command_and_gives_the_terminal_back() {
    let stage = Stage::new();
    stage.secret("KEY");
    script(&stage, "wait.sh", "echo $$ > pid\necho ready\nread line\necho \"then $line\"");
    grant(&stage, &["./wait.sh"]);
    let mut terminal = Terminal::run(stage.command(["env", "--", "./wait.sh"]));
    terminal.expect("ready");
    let pid = wait_for(&stage.path("work/pid"));
    // From here on every key goes to the command's own terminal.
    becomes(&terminal, false);
    terminal.type_line("\u{1a}");
    state(&pid, ") T ");
    state(&terminal.pid().to_string(), ") T ");
    assert!(terminal.is_cooked());
    // The line's end was typed behind the suspend character, and waits for the command.
    signal(terminal.pid(), libc::SIGCONT);
    terminal.expect("then");
    assert_eq!(terminal.end().0, 0);
}

#[test]
fn the_terminals_size_and_settings_follow() {
    let stage = Stage::new();
    stage.secret("KEY");
    script(&stage, "size.sh", "trap 'stty size' WINCH\necho ready\nwhile :; do sleep 0.05; done");
    grant(&stage, &["./size.sh"]);
    let mut terminal = Terminal::run(stage.command(["env", "--", "./size.sh"]));
    terminal.expect("ready");
    terminal.resize(33, 77);
    terminal.expect("33 77");
    signal(terminal.pid(), libc::SIGTERM);
    terminal.expect("");
    becomes(&terminal, true);
    assert_eq!(terminal.end().0, 128 + libc::SIGTERM);
}

#[test]
fn of_streams_that_are_no_terminal_each_is_what_it_was() {
    let stage = Stage::new();
    let value = stage.secret("KEY");
    let text = "[ -t 0 ] && [ ! -t 1 ] && [ -t 2 ] && echo \"mixed $KEY\"; echo \"shown $KEY\" >&2";
    script(&stage, "mixed.sh", text);
    grant(&stage, &["./mixed.sh"]);
    let line = format!("exec {EXECUTABLE} env -- ./mixed.sh > out");
    let mut terminal = Terminal::run(stage.program("/bin/sh", ["-c", &line]));
    terminal.expect("shown [REDACTED:KEY]");
    let (code, seen) = terminal.end();
    assert_eq!(code, 0, "{seen}");
    assert_eq!(read(&stage.path("work/out")), "mixed [REDACTED:KEY]\n");
    assert!(!seen.contains(&value));
}
