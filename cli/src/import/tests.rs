//! Values are looked at before they become a `SecretInput`, which shows nothing.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The keys and values that are stored of a file, in their order.
fn stored(text: &str, format: Option<Format>) -> Vec<(String, String)> {
    let documents = json::parse(text).expect("JSON");
    let format = format.unwrap_or_else(|| recognised(&documents).expect("plain"));
    let export = format.export(&documents).expect("of the format");
    let values: Vec<(String, String)> = export
        .found
        .into_iter()
        .filter_map(|found| match found.what {
            What::Stored(text) => Some((found.key, String::from_utf8(text.bytes()).expect("text"))),
            What::Skipped(..) => None,
        })
        .collect();
    let whole = parse(text.as_bytes(), Some(format)).expect("the same");
    let told = whole.entries.into_iter().filter(|entry| entry.unfit.is_none());
    let lengths: Vec<(String, usize)> = told.map(|entry| (entry.key, entry.length)).collect();
    let expected: Vec<(String, usize)> = values.iter().map(|(key, value)| (key.clone(), value.len())).collect();
    assert_eq!(lengths, expected, "the parts and the whole agree");
    values
}

/// The reasons for what is left out.
fn skipped(text: &str, format: Option<Format>) -> Vec<(String, &'static str, usize)> {
    let parsed = parse(text.as_bytes(), format).expect("read");
    parsed.entries.into_iter().filter_map(|entry| entry.unfit.map(|why| (entry.key, why, entry.length))).collect()
}

fn pairs(found: &[(String, String)]) -> Vec<(&str, &str)> {
    found.iter().map(|(key, value)| (&**key, &**value)).collect()
}

fn vault(data: &Value) -> Value {
    json!({ "request_id": "r", "lease_id": "", "lease_duration": 0, "renewable": false, "data": data, "warnings": null })
}

fn item(title: &str, fields: &Value) -> Value {
    json!({ "id": "i", "title": title, "category": "API_CREDENTIAL", "vault": { "id": "v" }, "fields": fields })
}

fn archive(details: &Value, state: &str) -> String {
    let item = json!({ "uuid": "u", "state": state, "overview": { "title": "Shop" }, "details": details });
    json!({ "accounts": [{ "attrs": {}, "vaults": [{ "attrs": {}, "items": [item] }] }] }).to_string()
}

#[test]
fn one_password_items_are_read_alone_in_a_row_and_in_a_list() {
    let fields = json!([
        { "id": "username", "type": "STRING", "purpose": "USERNAME", "label": "username", "value": "zq9-user" },
        { "id": "password", "type": "CONCEALED", "purpose": "PASSWORD", "label": "password", "value": "one" },
        { "id": "x", "type": "CONCEALED", "label": "STRIPE_KEY", "value": "two", "section": { "id": "s" } },
        { "id": "private_key", "type": "SSHKEY", "label": "", "value": "three" },
        { "id": "o", "type": "OTP", "label": "code", "value": "otpauth://zq9" },
        { "id": "e", "type": "CONCEALED", "label": "empty" },
        { "id": "v", "type": "CONCEALED", "label": "veiled", "value": "[use 'op item get i --reveal' to reveal]" },
    ]);
    let one = item("Shop", &fields).to_string();
    let expected = [("Shop/password", "one"), ("STRIPE_KEY", "two"), ("Shop/private_key", "three")];
    assert_eq!(pairs(&stored(&one, None)), expected);
    let twice = [expected, expected].concat();
    assert_eq!(pairs(&stored(&format!("{one}\n{one}\n"), None)), twice);
    assert_eq!(pairs(&stored(&format!("[{one},{one}]"), None)), twice);
    let left: Vec<String> = skipped(&one, None).into_iter().map(|(key, ..)| key).collect();
    assert_eq!(left, ["Shop/username", "Shop/code", "Shop/veiled"]);
}

#[test]
fn a_list_of_items_without_fields_says_how_to_get_them() {
    let list = json!([{ "id": "i", "title": "Shop", "category": "LOGIN" }]).to_string();
    let parsed = parse(list.as_bytes(), None).expect("read");
    assert!(parsed.entries.is_empty() && !parsed.complete && parsed.warnings[0].contains("op item get -"));
}

#[test]
fn the_data_of_a_whole_one_password_export_is_read() {
    let details = json!({
        "loginFields": [
            { "value": "zq9-user", "name": "user", "fieldType": "T", "designation": "username" },
            { "value": "one", "name": "pass", "fieldType": "P", "designation": "password" },
            { "value": "two", "name": "pin", "fieldType": "P" },
        ],
        "notesPlain": "zq9-notes",
        "password": "three",
        "passwordHistory": [{ "value": "zq9-former", "time": 1 }],
        "sections": [{ "title": "", "fields": [
            { "title": "API_KEY", "id": "a", "value": { "concealed": "four" } },
            { "title": "key", "id": "b", "value": { "sshKey": { "privateKey": "five", "metadata": {} } } },
            { "title": "code", "id": "c", "value": { "totp": "zq9-seed" } },
            { "title": "site", "id": "d", "value": { "url": "" } },
        ] }],
    });
    let text = archive(&details, "active");
    let expected = [
        ("Shop/password", "three"),
        ("Shop/password", "one"),
        ("Shop/pin", "two"),
        ("API_KEY", "four"),
        ("Shop/key", "five"),
    ];
    assert_eq!(pairs(&stored(&text, None)), expected);
    let left: Vec<String> = skipped(&text, None).into_iter().map(|(key, ..)| key).collect();
    assert_eq!(left, ["Shop/username", "Shop/code", "Shop/notes"]);
    let parsed = parse(text.as_bytes(), None).expect("read");
    assert!(!parsed.complete && parsed.warnings[0].contains("former passwords of Shop"));
    assert!(stored(&archive(&details, "archived"), None).is_empty());
}

#[test]
fn doppler_is_read_as_downloaded_and_as_listed() {
    let own = r#""DOPPLER_CONFIG":"dev","DOPPLER_ENVIRONMENT":"dev","DOPPLER_PROJECT":"shop""#;
    let flat = format!(r#"{{"A":"one",{own},"B":"two"}}"#);
    assert_eq!(pairs(&stored(&flat, None)), [("A", "one"), ("B", "two")]);
    assert!(skipped(&flat, None).iter().all(|(_, why, length)| why.contains("by itself") && *length == 0));
    let listed = json!({
        "A": { "computed": "one", "computedVisibility": "masked", "note": "", "raw": "${B}" },
        "B": { "computed": null, "computedVisibility": "restricted", "note": "", "raw": null },
    });
    for text in [listed.to_string(), json!({ "secrets": listed, "success": true }).to_string()] {
        assert_eq!(pairs(&stored(&text, None)), [("A", "one")]);
        assert!(skipped(&text, None)[0].1.contains("withheld"));
        assert!(!parse(text.as_bytes(), None).expect("read").complete);
    }
}

#[test]
fn infisical_is_read_as_exported_and_as_its_api_answers() {
    let exported = json!([
        { "key": "A", "value": "one", "type": "shared", "_id": "1", "tags": [] },
        { "key": "B", "value": "<hidden-by-infisical>", "type": "shared", "_id": "2" },
    ]);
    assert_eq!(pairs(&stored(&exported.to_string(), None)), [("A", "one")]);
    let answer = json!({
        "secrets": [
            { "secretKey": "A", "secretValue": "one", "secretValueHidden": false },
            { "secretKey": "B", "secretValue": "x", "secretValueHidden": true },
        ],
        "imports": [{ "secretPath": "/other", "secrets": [] }],
    });
    let text = answer.to_string();
    assert_eq!(pairs(&stored(&text, None)), [("A", "one")]);
    assert!(skipped(&text, None)[0].1.contains("hidden"));
    assert!(!parse(text.as_bytes(), None).expect("read").complete, "imports are left out");
}

#[test]
fn vault_is_read_in_both_versions_and_what_is_no_text_is_left_out() {
    let values = json!({ "a": "one", "n": 5, "t": true, "list": ["zq9"], "map": { "k": "zq9" }, "none": null });
    let described = json!({ "data": values, "metadata": { "created_time": "t", "version": 3 } });
    for data in [&values, &described] {
        let text = vault(data).to_string();
        assert_eq!(pairs(&stored(&text, None)), [("a", "one")]);
        let left = skipped(&text, None);
        assert_eq!(left.len(), 5);
        assert!(left.iter().all(|(key, _, length)| (*length == 0) == (key == "none")), "only nothing is no loss");
    }
    let odd = vault(&json!({ "data": "one", "metadata": "two" })).to_string();
    assert_eq!(pairs(&stored(&odd, None)), [("data", "one"), ("metadata", "two")], "names of the first version");
    let gone = vault(&json!({ "data": null, "metadata": { "created_time": "t", "version": 1 } })).to_string();
    assert!(parse(gone.as_bytes(), None).expect("read").warnings[0].contains("deleted"));
    assert_eq!(pairs(&stored(r#"{"a":"one"}"#, Some(Format::Vault))), [("a", "one")]);
}

#[test]
fn what_is_not_plainly_one_format_is_refused_with_a_way_out() {
    for text in [
        r#"{"A":"zq9-value"}"#,
        "{}",
        "[]",
        r#"["zq9"]"#,
        r#"{"data":{"a":"zq9"}}"#,
        r#"{"accounts":[]} {"accounts":[]}"#,
        r#"[{"key":"A","value":"zq9"},{"other":1}]"#,
        r#"{"A":{"computed":"zq9","raw":"x"},"B":"zq9"}"#,
    ] {
        let error = parse(text.as_bytes(), None).err().expect(text);
        assert_eq!(error.code(), ErrorCode::InvalidCall);
        assert!(error.hint().is_some_and(|hint| hint.contains("--format")), "{text}");
        assert!(!format!("{error:?}").contains("zq9"), "{text}");
    }
    for format in MANAGERS {
        let error = parse(br#"["zq9"]"#, Some(format)).err().expect("refused");
        assert!(error.message().contains(&format.name()) && !format!("{error:?}").contains("zq9"));
    }
    let error = parse(b"{\n\"A\": \"zq9\n\"}", None).err().expect("broken");
    assert!(error.message().contains("line 2") && error.hint().is_some_and(|hint| hint.contains("dotenv")));
    assert!(
        parse(b"PK\x03\x04...", None)
            .err()
            .is_some_and(|error| error.hint().is_some_and(|hint| hint.contains("unzip")))
    );
    assert_eq!(parse(b"A=1\n", None).expect("dotenv").entries.len(), 1);
    assert_eq!(parse(b"{\nA=1\n", Some(Format::Dotenv)).expect("said").entries.len(), 1);
}

#[test]
fn a_value_too_long_is_an_entry_without_one_and_lines_are_told() {
    let text = format!("{{\"a\":\n\"{}\",\n\n\"b\":\"two\"}}", "x".repeat(70_000));
    let parsed = parse(text.as_bytes(), Some(Format::Vault)).expect("read");
    assert_eq!((parsed.entries[0].length, parsed.entries[0].line), (70_000, 2));
    assert!(parsed.entries[0].value.is_none());
    assert_eq!(parsed.entries[1].line, 4);
}

#[test]
fn names_command_no_terminal() {
    let text = "{\"a\\u001b[2J\\u202e\\nb\":\"one\"}";
    assert_eq!(pairs(&stored(text, Some(Format::Vault))), [("a\u{fffd}[2J\u{fffd}\u{fffd}b", "one")]);
}

#[test]
fn json_is_read_as_it_is_written_and_nothing_else_is() {
    for text in [
        "{",
        "[1,]",
        "{\"a\" 1}",
        "{a:1}",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "01",
        "1.",
        "-",
        "\"\t\"",
        "nul",
        "\"a",
    ] {
        assert!(json::parse(text).is_err(), "{text}");
    }
    for text in ["", " [ ] ", "-0.5e+10", "\"\\ud83d\\ude00\\/\\u00e9\"", "1 2", "{\"a\":{\"a\":[null,true,false]}}"] {
        assert!(json::parse(text).is_ok(), "{text}");
    }
    assert!(json::parse(&"[".repeat(100_000)).is_err(), "depth is bounded");
}

proptest! {
    #[test]
    fn each_format_gives_back_what_was_put_in(values in prop::collection::vec(any::<String>(), 1..5), pretty: bool) {
        let named: Vec<(String, &String)> = values.iter().enumerate().map(|(at, value)| (format!("K{at}"), value)).collect();
        let write = |value: &Value| if pretty { format!("{value:#}") } else { value.to_string() };
        let map: Value = named.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let listed: Value = named.iter().map(|(name, value)| (name.clone(), json!({ "computed": value, "raw": "" }))).collect();
        let rows: Vec<Value> = named.iter().map(|(name, value)| json!({ "key": name, "value": value })).collect();
        let fields: Vec<Value> = named.iter()
            .map(|(name, value)| json!({ "id": "f", "type": "CONCEALED", "label": name, "value": value })).collect();
        let second = json!({ "data": map, "metadata": { "created_time": "t", "version": 1 } });
        for text in [vault(&map), vault(&second), listed, json!(rows), item("T", &json!(fields))] {
            let found = stored(&write(&text), None);
            let found: Vec<(String, &String)> = found.iter().map(|(name, value)| (name.clone(), value)).collect();
            prop_assert_eq!(&found, &named);
        }
    }

    #[test]
    fn another_reader_finds_no_other_text(value: String, name: String) {
        let text = json!({ name.clone(): value }).to_string();
        let documents = json::parse(&text).expect("JSON");
        let (key, node) = &documents[0].map().expect("a map")[0];
        prop_assert!(key.is(&name) && node.text().expect("a text").bytes() == value.as_bytes());
    }

    #[test]
    fn what_is_no_json_for_another_reader_is_none_here(text in r#"[\[\]{}:,"\\a-fu0-9.eE+\- ntrl]{0,12}"#) {
        let another = serde_json::Deserializer::from_str(&text).into_iter::<Value>().all(|document| document.is_ok());
        let ours = json::parse(&text).is_ok();
        prop_assert!(ours || !another, "{text}");
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_their_text(text in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in MANAGERS {
            drop(parse(&text, Some(format)));
        }
        drop(parse(&text, None));
    }
}
