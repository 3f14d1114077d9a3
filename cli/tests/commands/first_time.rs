//! Five minutes, first time: at a terminal, with the prompts counted.

use crate::stage::{Stage, canary, read};
use crate::terminal::Terminal;

#[test]
fn at_a_terminal_everything_is_asked_once_and_nothing_is_shown() {
    let stage = Stage::bare();
    let mut init = Terminal::run(stage.command(["init", "--store", "file"]));
    init.expect("New passphrase, for the owner and the store: ");
    init.type_line(&stage.passphrase);
    init.expect("The same once more: ");
    init.type_line(&stage.passphrase);
    let (code, shown) = init.end();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("encrypted files in the home") && shown.contains("under the passphrase"), "{shown}");
    assert!(shown.contains("unlocked"), "{shown}");
    assert_eq!(shown.matches("nce more").count() + shown.matches("New passphrase").count(), 2, "{shown}");
    assert_eq!(read(&stage.path("work/.agentsecrets/project.json")), "{\"project\":\"work\"}\n");

    let value = canary();
    let mut set = Terminal::run(stage.command(["secrets", "set", "STRIPE_KEY", "--allow", "api.stripe.com"]));
    set.expect("Value of STRIPE_KEY (hidden): ");
    set.type_line(&value);
    // The owner reads what becomes possible, and who asks, before typing.
    set.expect("STRIPE_KEY may go to api.stripe.com");
    set.expect("asked by: ");
    set.expect("Owner's passphrase: ");
    set.type_line(&stage.passphrase);
    set.expect("stored");
    let (code, all) = set.end();
    assert_eq!(code, 0, "{all}");
    assert_eq!(all.matches("passphrase: ").count(), 1, "{all}");
    for text in [&value, &stage.passphrase] {
        assert!(
            !all.contains(text.as_str()) && !shown.contains(text.as_str()),
            "the terminal shows what was typed hidden"
        );
    }

    for arguments in [&["secrets", "list"][..], &["logs"], &["grants"], &["status"]] {
        let (code, shown) = Terminal::run(stage.command(arguments)).end();
        assert_eq!(code, 0, "{arguments:?}: {shown}");
        assert!(!shown.contains("assphrase:"), "{arguments:?} asks: {shown}");
    }
    let files = stage.files();
    assert!(!contains(&files, value.as_bytes()) && !contains(&files, stage.passphrase.as_bytes()));
    assert!(contains(&files, b"STRIPE_KEY"), "the search finds what is there");
}

#[test]
fn a_new_name_without_a_grant_never_asks_for_the_passphrase() {
    let stage = Stage::new();
    let mut set = Terminal::run(stage.command(["secrets", "set", "NEW_KEY"]));
    set.expect("Value of NEW_KEY (hidden): ");
    set.type_line(&canary());
    let (code, shown) = set.end();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains("assphrase:"), "{shown}");
}

#[test]
fn overwriting_with_a_grant_asks_for_the_passphrase_once() {
    let stage = Stage::new();
    stage.secret("KEY");
    let mut set = Terminal::run(stage.command(["secrets", "set", "KEY", "--allow", "api.example.com"]));
    set.expect("Value of KEY (hidden): ");
    set.type_line(&canary());
    set.expect("the old one is lost");
    set.expect("Owner's passphrase: ");
    set.type_line(&stage.passphrase);
    let (code, shown) = set.end();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("replaced") && shown.contains("allowed"), "{shown}");
    assert_eq!(shown.matches("assphrase: ").count(), 1, "{shown}");
    assert_eq!(stage.json(["secrets", "list"])[0]["version"], 2);
}

#[test]
fn a_mistyped_passphrase_may_be_typed_again_and_a_wrong_one_changes_nothing() {
    let stage = Stage::new();
    let mut allow = Terminal::run(stage.command(["allow", "KEY", "api.example.com"]));
    allow.expect("Owner's passphrase: ");
    allow.type_line("not the passphrase");
    allow.expect("does not open");
    allow.type_line(&stage.passphrase);
    let (code, shown) = allow.end();
    assert_eq!(code, 0, "{shown}");
    let wrong = stage.with_passphrase(["allow", "KEY", "other.example.com"], b"", "not the passphrase");
    wrong.refused(3, "wrong_passphrase");
    assert_eq!(stage.json(["grants"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn without_a_terminal_init_names_what_is_missing() {
    let stage = Stage::bare();
    let ran = stage.agent(["init"]).refused(2, "invalid_call");
    for choice in ["--store", "--unlock", "--passphrase-fd N or --no-owner"] {
        assert!(ran.stderr.contains(choice), "{ran:?}");
    }
    let ran =
        stage.agent(["init", "--store", "file", "--unlock", "passphrase", "--no-owner"]).refused(2, "invalid_call");
    assert!(ran.stderr.contains("--passphrase-fd N") && !ran.stderr.contains("--store k"), "{ran:?}");
    assert!(!stage.home().join("home.json").exists());
    let key = format!("file:{}", stage.path("use.key").display());
    stage.agent(["init", "--store", "file", "--unlock", &key, "--no-owner", "--project", "ci"]).ok();
    stage.agent(["init", "--store", "file", "--unlock", &key, "--no-owner"]).refused(1, "already_initialized");
    stage.agent(["allow", "KEY", "api.example.com"]).refused(3, "owner_absent");
    stage.secret("KEY");
    assert_eq!(stage.json(["status"])["project"], "ci");
}

#[test]
fn lock_holds_until_unlock_wherever_the_key_lies() {
    let stage = Stage::new();
    let value = stage.secret("KEY");
    stage.agent(["lock"]).ok();
    stage.agent(["secrets", "list"]).refused(5, "store_locked");
    assert_eq!(stage.json(["status"])["locked"], true);
    stage.agent(["unlock"]).ok();
    assert_eq!(stage.json(["secrets", "list"])[0]["name"], "KEY");
    let again = stage.agent(["unlock"]).ok();
    assert!(again.stdout.contains("already") && !again.says(&value));

    let sealed = Stage::bare();
    sealed.owner(["init", "--store", "file", "--unlock", "passphrase"]).ok();
    sealed.secret("KEY");
    sealed.agent(["lock"]).ok();
    sealed.agent(["unlock"]).refused(3, "owner_required");
    let mut unlock = Terminal::run(sealed.command(["unlock"]));
    unlock.expect("Passphrase: ");
    unlock.type_line(&sealed.passphrase);
    let (code, shown) = unlock.end();
    assert_eq!(code, 0, "{shown}");
    assert_eq!(sealed.json(["status"])["locked"], false);
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
