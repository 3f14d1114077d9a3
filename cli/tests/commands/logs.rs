//! The log for other programs: exported whole, and followed while it grows.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::stage::{Stage, read};
use crate::terminal::Terminal;

/// One record: a call that nothing permits.
fn deny(stage: &Stage) {
    stage.agent(["call", "--url", "https://api.example.com/v1", "--bearer", "KEY"]);
}

/// Begins another segment as a rotation does, with a line of the first.
fn next_segment(stage: &Stage) -> String {
    let line = read(&stage.home().join("audit/000001.jsonl")).lines().next().expect("a line").to_owned();
    std::fs::write(stage.home().join("audit/000002.jsonl"), format!("{line}\n")).expect("written");
    line
}

#[test]
fn an_export_is_the_log_line_by_line_over_all_segments() {
    let stage = Stage::new();
    (0..3).for_each(|_| deny(&stage));
    let log = read(&stage.home().join("audit/000001.jsonl"));
    assert_eq!(stage.agent(["logs", "export"]).ok().stdout, log);
    assert_eq!(stage.agent(["logs", "export", "--json"]).ok().stdout, log);
    assert_eq!(stage.agent(["logs", "export", "--last", "1"]).ok().stdout.lines().next(), log.lines().last());
    assert_eq!(stage.agent(["logs", "export", "--since", "1h"]).ok().stdout, log);
    assert_eq!(stage.agent(["logs", "export", "--until", "1h"]).ok().stdout, "");
    stage.agent(["logs", "export", "--since", "yesterday"]).refused(2, "invalid_call");
    stage.agent(["logs", "export", "--format", "xml"]).refused(2, "invalid_call");
    next_segment(&stage);
    assert_eq!(stage.agent(["logs", "export"]).ok().stdout.lines().count(), 4);
}

#[test]
fn a_table_has_a_head_and_as_many_cells_in_every_row() {
    let stage = Stage::new();
    (0..2).for_each(|_| deny(&stage));
    let csv = stage.agent(["logs", "export", "--format", "csv"]).ok().stdout;
    let rows: Vec<Vec<&str>> =
        csv.split("\r\n").filter(|row| !row.is_empty()).map(|row| row.split(',').collect()).collect();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.len() == 21) && rows[0][0] == "id", "{csv}");
    assert!(rows[1].contains(&"KEY") && rows[1].contains(&"secret_not_found"), "{csv}");
}

#[test]
fn a_watch_shows_what_is_written_over_a_rotation_and_ends_with_0() {
    let stage = Stage::new();
    deny(&stage);
    let mut terminal = Terminal::run(stage.command(["logs", "watch"]));
    terminal.expect("Ctrl-C ends");
    deny(&stage);
    terminal.expect("denied");
    terminal.expect("GET https://api.example.com/v1");
    next_segment(&stage);
    terminal.expect("denied");
    // SAFETY: a signal to our own child.
    unsafe { libc::kill(i32::try_from(terminal.pid()).expect("a pid"), libc::SIGINT) };
    let (code, shown) = terminal.end();
    assert_eq!((code, shown.matches("denied").count()), (0, 2), "{shown}");
}

#[test]
fn a_program_watches_the_lines_of_the_log() {
    let stage = Stage::new();
    deny(&stage);
    let mut child = stage.command(["logs", "watch", "--json"]).stdout(Stdio::piped()).spawn().expect("started");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    std::thread::sleep(std::time::Duration::from_millis(800));
    deny(&stage);
    let line = lines.next().expect("a line").expect("text");
    assert_eq!(read(&stage.home().join("audit/000001.jsonl")).lines().last(), Some(&*line));
    assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON")["outcome"], "denied");
    // SAFETY: a signal to our own child.
    unsafe { libc::kill(i32::try_from(child.id()).expect("a pid"), libc::SIGINT) };
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}
