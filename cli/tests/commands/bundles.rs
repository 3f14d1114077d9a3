//! Secrets that go, with their policy, to a place without an owner.

use serde_json::json;

use crate::scene::Scene;
use crate::stage::Stage;

#[test]
fn a_bundle_opens_by_its_key_does_what_was_granted_and_can_grant_nothing() {
    let scene = Scene::new();
    let stage = &scene.stage;
    let other = stage.secret("OTHER_KEY");
    stage.owner(["allow", "OTHER_KEY", &scene.url("")]).ok();
    stage.owner(["allow", "KEY", &scene.http_url("")]).ok();
    stage.agent(["deny", "KEY", &scene.http_url("")]).ok();
    let (file, key) = (stage.path("app.asbundle").display().to_string(), stage.path("app.key").display().to_string());
    let words = ["bundle", "create", "--secrets", "KEY", "--out", &file, "--key", &key];
    stage.agent(words).refused(3, "owner_required");
    let ran = stage.owner(words).ok();
    assert!(!ran.says(&scene.value));
    stage.owner(words).refused(2, "invalid_call");
    let sealed = std::fs::read(&file).expect("a bundle");
    let has = |text: &str| sealed.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!has(&scene.value) && !has(&other) && has("KEY"), "the value is sealed, and its name is not");
    let there = Stage::bare();
    for (place, wrong) in [(format!("file:{}", there.path("none").display()), 1), ("passphrase".to_owned(), 2)] {
        assert_eq!(there.agent(["bundle", "open", &file, "--unlock", &place]).code, wrong, "{place}");
        assert!(!there.home().exists());
    }
    let mut broken = sealed.clone();
    let last = broken.len() - 9;
    broken[last] ^= 1;
    std::fs::write(stage.path("broken"), broken).expect("written");
    let place = format!("file:{key}");
    there
        .agent(["bundle", "open", &stage.path("broken").display().to_string(), "--unlock", &place])
        .refused(1, "store_corrupted");
    assert!(!there.home().exists());
    there.agent(["bundle", "open", &file, "--unlock", &place]).ok();
    there.agent(["bundle", "open", &file, "--unlock", &place]).refused(1, "already_initialized");
    // The certificate of the API came along, and so did the one grant that nobody had denied.
    there.agent(["call", "--url", &scene.url("/echo"), "--bearer", "KEY"]).ok();
    assert_eq!(scene.sent("authorization"), format!("Bearer {}", scene.value));
    there.agent(["call", "--url", &scene.http_url("/echo"), "--bearer", "KEY"]).refused(3, "destination_not_allowed");
    there.agent(["call", "--url", &scene.url("/echo"), "--bearer", "OTHER_KEY"]).refused(4, "secret_not_found");
    there.owner(["allow", "KEY", "api.example.com"]).refused(3, "owner_absent");
    assert_eq!(there.agent(["logs", "verify"]).code, 0);
    let listed = there.json(["secrets", "list"]);
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["name"]), (Some(1), &json!("KEY")));
    let absent = ["bundle", "create", "--secrets", "ABSENT", "--out", &file, "--key", &key, "--force"];
    stage.owner(absent).refused(4, "secret_not_found");
    // A part of a grant that is denied cannot be kept apart in a bundle, and an agent of the project cannot be told apart.
    let again = ["bundle", "create", "--secrets", "KEY", "--out", &file, "--key", &key, "--force"];
    stage.owner(["allow", "OTHER_KEY", &scene.url("/v1/*")]).ok();
    stage.agent(["deny", "OTHER_KEY", &scene.url("/v1/*")]).ok();
    let part = ["bundle", "create", "--secrets", "OTHER_KEY", "--out", &file, "--key", &key, "--force"];
    stage.owner(part).refused(2, "invalid_call");
    stage.owner(["agent", "register", "bot"]).ok();
    stage.owner(again).refused(2, "invalid_call");
    // What somebody denied does not come back by taking the note of it away.
    stage.agent(["broker", "stop"]).ok();
    std::fs::remove_file(stage.home().join("deny.json")).expect("removed");
    assert_ne!(stage.owner(again).code, 0);
    assert!(std::fs::read(&file).expect("the one before") == sealed);
}
