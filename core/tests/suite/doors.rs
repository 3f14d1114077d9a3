//! A granted command from a Rust program: the door is the broker's, and nothing else opens it.

use std::os::unix::fs::PermissionsExt as _;

use agentsecrets::{ErrorCode, Isolation, Stream};

use crate::kit::{Home, canary, name, refused};

/// A home with a value, and a script that is granted it.
fn granted(text: &str) -> (Home, String, String) {
    let home = Home::new();
    let value = canary();
    home.set("KEY", value.as_bytes());
    let path = home.path("show.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let script = path.display().to_string();
    home.passed(&["allow", "KEY", "--passphrase-fd", "0", "--command", "--", &script]);
    (home, value, script)
}

#[tokio::test]
async fn a_program_spawns_a_granted_command_and_never_holds_the_value() {
    let (home, value, script) = granted("echo \"$KEY ${#KEY} $MINE\"; pwd; exit 4");
    let client = home.client(Isolation::Broker).await;
    let out = home.path("out");
    let file = std::fs::File::create(&out).expect("file");
    let spawn = client.spawn([script.as_str()]).secrets([name("KEY")]).stdin(Stream::Null);
    let spawn = spawn.stdout(Stream::To(file.into())).environment(vec![("MINE".into(), "mine".into())]);
    let mut child = spawn.directory(home.root()).start().await.expect("started");
    let exit = child.wait().await.expect("ended");
    assert_eq!((exit.code, exit.shell_code(), exit.success()), (Some(4), 4, false));
    let text = std::fs::read_to_string(&out).expect("text");
    let root = home.root().canonicalize().expect("folder");
    assert_eq!(text, format!("[REDACTED:KEY] {} mine\n{}\n", value.len(), root.display()));
}

#[tokio::test]
async fn a_dropped_child_ends() {
    let (home, _, script) = granted("exec sleep 60");
    let client = home.client(Isolation::Broker).await;
    let child = client.spawn([script.as_str()]).stdin(Stream::Null).start().await.expect("started");
    let process = std::path::PathBuf::from(format!("/proc/{}", child.id()));
    assert!(process.exists());
    drop(child);
    for _ in 0..2000 {
        if !process.exists() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the child goes on");
}

#[tokio::test]
async fn no_other_command_and_no_other_process_opens_the_door() {
    let (home, value, script) = granted("exit 0");
    let client = home.client(Isolation::Broker).await;
    let other = client.spawn(["printenv", "KEY"]).secrets([name("KEY")]).start().await;
    refused(other, ErrorCode::CommandNotAllowed, &[&value]);
    let more = client.spawn([script.as_str(), "more"]).start().await;
    refused(more, ErrorCode::CommandNotAllowed, &[&value]);
    std::fs::write(&script, "#!/bin/sh\nprintenv\n").expect("file");
    refused(client.spawn([script.as_str()]).start().await, ErrorCode::CommandChanged, &[&value]);
    let inside = home.client(Isolation::InProcess).await;
    refused(inside.spawn([script.as_str()]).start().await, ErrorCode::NeedsBroker, &[&value]);
}
