//! `secrets import` of what other managers export, from the file or the pipe to the store.

use serde_json::{Value, json};

use crate::stage::{Stage, canary};

fn vault(data: &Value) -> String {
    json!({ "request_id": "r", "lease_id": "", "lease_duration": 0, "renewable": false, "data": data }).to_string()
}

/// A file of each manager with these values in `A_KEY`, `B_KEY`; and another value in it that is not to be stored.
fn files(first: &str, second: &str, other: &str) -> [(&'static str, String); 5] {
    let fields = json!([
        { "id": "a", "type": "CONCEALED", "label": "A_KEY", "value": first },
        { "id": "b", "type": "CONCEALED", "label": "key", "value": second },
        { "id": "c", "type": "STRING", "label": "user", "value": other },
    ]);
    let one_password = json!({ "id": "i", "title": "b", "category": "LOGIN", "fields": fields });
    let details = json!({
        "loginFields": [
            { "designation": "username", "value": other, "fieldType": "T" },
            { "designation": "", "name": "key", "value": second, "fieldType": "P" },
        ],
        "sections": [{ "fields": [{ "title": "A_KEY", "value": { "concealed": first } }] }],
    });
    let item = json!({ "state": "active", "overview": { "title": "b" }, "details": details });
    let doppler = json!({
        "A_KEY": { "computed": first, "raw": "${B_KEY}" },
        "b-key": { "computed": second, "raw": other },
        "C_KEY": { "computed": null, "raw": null },
    });
    let infisical = json!([
        { "key": "A_KEY", "value": first, "type": "shared" },
        { "key": "b.key", "value": second, "type": "shared" },
        { "key": "C_KEY", "value": [other], "type": "shared" },
    ]);
    let second_version = json!({
        "data": { "A_KEY": first, "b-key": second, "deep": { "value": other } },
        "metadata": { "created_time": "t", "version": 1 },
    });
    [
        ("op.json", one_password.to_string()),
        ("export.data", json!({ "accounts": [{ "vaults": [{ "items": [item] }] }] }).to_string()),
        ("doppler.json", doppler.to_string()),
        ("infisical.json", infisical.to_string()),
        ("vault.json", vault(&second_version)),
    ]
}

#[test]
fn the_export_of_each_manager_is_stored_and_no_value_is_shown() {
    let values: [String; 3] = [canary(), canary(), canary()];
    for (name, text) in files(&values[0], &values[1], &values[2]) {
        let stage = Stage::new();
        let file = stage.path(&format!("work/{name}"));
        std::fs::write(&file, &text).expect("file");
        let ran = stage.agent(["secrets", "import", name, "--delete-file"]).ok();
        assert!(!values.iter().any(|value| ran.says(value)), "a value of {name} is shown");
        assert!(
            ran.stdout.contains("stored: A_KEY\n") && ran.stdout.contains("stored: B_KEY (was b"),
            "{name}: {ran:?}"
        );
        assert!(ran.stdout.contains("2 imported, 1 skipped."), "{name}: {ran:?}");
        assert!(file.exists() && ran.stderr.contains("is kept"), "{name}: a value of it is stored nowhere");
    }
}

#[test]
fn a_pipe_is_imported_and_has_no_file_to_delete() {
    let stage = Stage::new();
    let value = canary();
    let text = vault(&json!({ "piped": value }));
    let refused = stage.agent_with(["secrets", "import", "-", "--delete-file"], text.as_bytes());
    refused.refused(2, "invalid_call");
    let ran = stage.agent_with(["secrets", "import", "-", "--yes", "--json"], text.as_bytes()).ok();
    let told: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(told["imported"][0]["name"], "PIPED");
    assert_eq!(told["file_deleted"], false);
    assert!(!ran.says(&value));
    let dotenv = format!("LINE_KEY={}\n", canary());
    stage.agent_with(["secrets", "import", "-"], dotenv.as_bytes()).ok();
    stage.agent(["secrets", "check", "PIPED", "LINE_KEY"]).ok();
    stage.agent_with(["secrets", "import", "-"], b"").refused(2, "invalid_call");
}

#[test]
fn a_pipe_over_an_existing_name_is_the_owners() {
    let stage = Stage::new();
    stage.secret("OLD_KEY");
    let text = vault(&json!({ "OLD_KEY": canary(), "NEW_KEY": canary() }));
    stage.agent_with(["secrets", "import", "-"], text.as_bytes()).refused(3, "owner_required");
    assert_eq!(stage.agent(["secrets", "check", "NEW_KEY"]).code, 4, "nothing was done");
    stage.owner_with(["secrets", "import", "-"], text.as_bytes()).ok();
    stage.agent(["secrets", "check", "NEW_KEY", "OLD_KEY"]).ok();
}

#[test]
fn what_is_not_plain_is_refused_until_it_is_said() {
    let stage = Stage::new();
    let value = canary();
    let text = json!({ "flat": value }).to_string();
    let refused = stage.agent_with(["secrets", "import", "-"], text.as_bytes()).refused(2, "invalid_call");
    assert!(refused.hint().contains("--format") && !refused.says(&value), "{refused:?}");
    let refused = stage.agent_with(["secrets", "import", "-", "--format", "infisical"], text.as_bytes());
    assert!(!refused.refused(2, "invalid_call").says(&value));
    stage.agent_with(["secrets", "import", "-", "--format", "vault"], text.as_bytes()).ok();
    stage.agent(["secrets", "check", "FLAT"]).ok();
}

#[test]
fn two_keys_of_one_name_are_told_and_the_file_is_kept() {
    let stage = Stage::new();
    let (first, last) = (canary(), canary());
    let file = stage.path("work/vault.json");
    std::fs::write(&file, vault(&json!({ "a-key": first, "a.key": last }))).expect("file");
    let ran = stage.agent(["secrets", "import", "vault.json", "--delete-file"]).ok();
    assert!(ran.stderr.contains("A_KEY stands there twice; the last, a.key"), "{ran:?}");
    assert!(ran.stderr.contains("a-key in line 1 does not") && file.exists(), "{ran:?}");
    assert!(!ran.says(&first) && !ran.says(&last));
}
