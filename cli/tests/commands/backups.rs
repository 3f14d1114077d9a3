//! A home in one file, and out of it again: after the first is gone, or over itself.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::scene::Scene;
use crate::stage::{Ran, Stage};
use crate::terminal::Terminal;

fn file(stage: &Stage) -> String {
    stage.path("home.asbk").display().to_string()
}

/// Makes the home go away, its broker and its key with it.
fn lose(stage: &Stage) {
    stage.agent(["broker", "stop"]).ok();
    std::fs::remove_dir_all(stage.home()).expect("removed");
    let _ = std::fs::remove_file(stage.path("use.key"));
}

fn call(scene: &Scene) -> Ran {
    scene.stage.agent(["call", "--url", &scene.url("/echo"), "--bearer", "KEY"])
}

#[test]
fn a_home_comes_back_after_it_is_gone() {
    let scene = Scene::new();
    let stage = &scene.stage;
    stage.secret("OTHER_KEY");
    stage.agent(["deny", "OTHER_KEY"]).ok();
    stage.owner(["limit", "KEY", "--calls", "9/1d"]).ok();
    let backup = file(stage);
    let made = stage.owner(["backup", &backup, "--json"]).ok();
    assert!(made.stdout.contains("\"secrets\":2"), "{made:?}");
    let sealed = std::fs::read(&backup).expect("backup");
    assert_eq!(std::fs::metadata(&backup).expect("metadata").permissions().mode() & 0o777, 0o600);
    for clear in [scene.value.as_str(), "OTHER_KEY", "localhost", "policy", &stage.passphrase] {
        assert!(!sealed.windows(clear.len()).any(|window| window == clear.as_bytes()), "{clear} stands in the backup");
    }
    let grants = stage.json(["grants"]);
    lose(stage);
    let restored = stage.owner(["restore", &backup]).ok();
    assert!(restored.stdout.contains("begins anew") && !restored.says(&scene.value), "{restored:?}");
    assert_eq!(stage.json(["grants"]), grants, "grants, denies and limits are those of before");
    call(&scene).ok();
    assert_eq!(scene.sent("authorization"), format!("Bearer {}", scene.value));
    let files = stage.files();
    assert!(!files.windows(scene.value.len()).any(|window| window == scene.value.as_bytes()));
    // The log is a new one and says where it comes from; the owner verifies every MAC of it.
    assert_eq!(stage.json(["logs", "list"]).as_array().expect("a list").last().expect("one")["act"], "restored");
    let full = stage.owner(["logs", "verify", "--json"]).ok();
    assert!(full.stdout.contains("\"macs_checked\":true"), "{full:?}");
    assert_eq!(stage.json(["doctor"])["ok"], true);
    // The owner is the same, and goes on deciding.
    stage.owner(["allow", "OTHER_KEY", "api.example.com"]).ok();
    stage.agent(["deny", "KEY"]).ok();
    call(&scene).refused(3, "destination_not_allowed");
}

#[test]
fn a_restored_home_has_the_place_of_its_key_that_was_chosen() {
    let scene = Scene::new();
    let backup = file(&scene.stage);
    scene.stage.owner(["backup", &backup]).ok();
    lose(&scene.stage);
    scene.stage.owner(["restore", &backup, "--store", "file", "--unlock", "passphrase"]).ok();
    call(&scene).refused(5, "store_locked");
    scene.stage.owner(["unlock"]).ok();
    call(&scene).ok();
    // And from there once more: the key lies in the home now.
    std::fs::remove_file(&backup).expect("removed");
    scene.stage.owner(["backup", &backup]).ok();
    lose(&scene.stage);
    scene.stage.owner(["restore", &backup]).ok();
    scene.stage.owner(["unlock"]).ok();
    call(&scene).ok();
}

#[test]
fn a_wrong_passphrase_or_an_altered_file_changes_nothing() {
    let stage = Stage::new();
    stage.secret("KEY");
    let backup = file(&stage);
    stage.owner(["backup", &backup]).ok();
    let sealed = std::fs::read(&backup).expect("backup");
    let before = stage.files();
    let over = ["restore", &backup, "--force"];
    stage.with_passphrase(over, b"", "another passphrase").refused(3, "wrong_passphrase");
    for (at, error) in [(0, "store_corrupted"), (200, "store_corrupted"), (sealed.len() - 1, "store_corrupted")] {
        let mut altered = sealed.clone();
        altered[at] ^= 1;
        std::fs::write(&backup, altered).expect("written");
        stage.owner(over).refused(1, error);
    }
    std::fs::write(&backup, &sealed[..sealed.len() / 2]).expect("written");
    stage.owner(over).refused(1, "store_corrupted");
    assert!(stage.files() == before, "the home is as it was");
    std::fs::write(&backup, &sealed).expect("written");
    lose(&stage);
    stage.with_passphrase(["restore", &backup], b"", "another passphrase").refused(3, "wrong_passphrase");
    assert!(!stage.home().exists(), "no home came to be");
    stage.owner(["restore", &stage.path("nothing").display().to_string()]).refused(2, "invalid_call");
}

#[test]
fn a_home_is_put_back_over_itself_and_another_is_not() {
    let stage = Stage::new();
    stage.secret("KEY");
    let backup = file(&stage);
    stage.owner(["backup", &backup]).ok();
    stage.owner(["backup", &backup]).refused(2, "invalid_call");
    stage.owner(["backup", &backup, "--force"]).ok();
    stage.secret("LATER_KEY");
    stage.agent(["deny", "KEY"]).ok();
    stage.owner(["restore", &backup]).refused(1, "already_initialized");
    // An index that was damaged names the way back.
    stage.agent(["broker", "stop"]).ok();
    std::fs::write(stage.home().join("index.sealed"), b"damaged").expect("written");
    let damaged = stage.agent(["secrets", "list"]);
    assert!(damaged.code == 1 && damaged.hint().starts_with("agentsecrets restore FILE"), "{damaged:?}");
    let restored = stage.owner(["restore", &backup, "--force"]).ok();
    assert!(restored.stdout.contains("goes on"), "{restored:?}");
    let names = stage.json(["secrets", "list"]);
    assert_eq!((names.as_array().map(Vec::len), &names[0]["name"]), (Some(1), &json!("KEY")));
    assert_eq!(stage.agent(["logs", "verify"]).code, 0);
    stage.owner(["restore", &backup, "--force", "--unlock", "passphrase"]).refused(2, "invalid_call");
    let other = Stage::new();
    other.with_passphrase(["restore", &backup, "--force"], b"", &stage.passphrase).refused(1, "already_initialized");
    assert_eq!(other.json(["secrets", "list"]), json!([]));
}

#[test]
fn a_human_is_told_what_is_lost() {
    let stage = Stage::new();
    let backup = file(&stage);
    let mut terminal = Terminal::run(stage.command(["backup", &backup]));
    terminal.expect("gets every value of this home");
    terminal.expect("Owner's passphrase: ");
    terminal.type_line(&stage.passphrase);
    assert_eq!(terminal.end().0, 0);
    let mut terminal = Terminal::run(stage.command(["restore", &backup]));
    terminal.expect("values and grants that changed since are LOST");
    terminal.expect("Owner's passphrase: ");
    terminal.type_line(&stage.passphrase);
    assert_eq!(terminal.end().0, 0);
}
