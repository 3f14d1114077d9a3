//! The executable: told where it listens by a file and a line, ended by its stdin or a signal.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn spawn(dir: &std::path::Path) -> (Child, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_upstream"))
        .arg("--dir")
        .arg(dir)
        .args(["--until-stdin-closes", "--cleartext"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the executable starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    (child, serde_json::from_str(&line).expect("JSON"))
}

fn wait(child: &mut Child) -> std::process::ExitStatus {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        assert!(Instant::now() < end, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn it_says_where_it_listens_and_ends_with_its_stdin() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("upstream");
    let (mut child, ready) = spawn(&dir);
    let written: Value =
        serde_json::from_slice(&std::fs::read(dir.join("ready.json")).expect("ready.json")).expect("JSON");
    assert_eq!(written, ready);
    assert_eq!(ready["pid"], child.id());
    assert!(std::fs::read_to_string(dir.join("ca.pem")).expect("ca.pem").starts_with("-----BEGIN CERTIFICATE-----"));
    let port = ready["http_port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
    std::net::TcpStream::connect(("127.0.0.1", port)).expect("a listener");
    drop(child.stdin.take());
    assert!(wait(&mut child).success());

    let (mut child, _) = spawn(&dir);
    let killed = Command::new("kill").arg(child.id().to_string()).status().expect("kill");
    assert!(killed.success() && wait(&mut child).success());
}
