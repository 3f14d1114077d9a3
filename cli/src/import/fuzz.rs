//! Attacks on the exports of other managers.

use super::{Format, MANAGERS, parse};
use crate::fuzz::{Input, Target};

/// No file is read past its end, no remark or refusal shows a value, and what is in quotes comes out as it went in.
pub(crate) const EXPORT: Target = Target { name: "export", attack: export, seeds, words: WORDS };

const WORDS: &[&str] = &[
    "\"key\"",
    "\"value\"",
    "\"secretKey\"",
    "\"secrets\"",
    "\"computed\"",
    "\"raw\"",
    "\"data\"",
    "\"metadata\"",
    "\"fields\"",
    "\"accounts\"",
    "\"details\"",
    "\"concealed\"",
    "\\ud83d\\ude00",
    "null",
    "{\"",
    "\":[",
];
/// Stands in values alone.
const MARK: &str = "zq9value";

fn export(data: &[u8]) {
    let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
    for format in MANAGERS.into_iter().map(Some).chain([None, Some(Format::Dotenv)]) {
        let Ok(parsed) = parse(data, format) else { continue };
        for entry in &parsed.entries {
            assert!(entry.line <= lines && entry.length <= data.len());
            assert!(entry.value.is_none() || entry.unfit.is_none(), "what is left out is not stored");
            assert!(!entry.key.chars().any(char::is_control), "a name commands no terminal");
        }
    }
    let mut input = Input::new(data);
    let value = format!("{MARK}{}", input.text());
    let written = serde_json::to_string(&value).unwrap_or_default();
    stored(&written, value.len());
    broken(&written);
}

/// A value in each format is the value, whatever it is.
fn stored(written: &str, length: usize) {
    let texts = [
        format!(
            r#"{{"id":"i","title":"T","category":"LOGIN","fields":[{{"type":"CONCEALED","label":"A","value":{written}}}]}}"#
        ),
        format!(r#"{{"A":{{"computed":{written},"raw":"x"}}}}"#),
        format!(r#"[{{"key":"A","value":{written}}}]"#),
        format!(r#"{{"request_id":"r","lease_id":"","renewable":false,"data":{{"A":{written}}}}}"#),
    ];
    for text in texts {
        let parsed = parse(text.as_bytes(), None).expect("plainly of one format");
        let told: Vec<(&str, usize)> = parsed.entries.iter().map(|entry| (&*entry.key, entry.length)).collect();
        assert_eq!(told, [("A", length)]);
        assert!(parsed.complete && !parsed.warnings.concat().contains(MARK), "no remark shows a value");
    }
}

/// What is refused is refused without its text.
fn broken(written: &str) {
    for text in [format!("{{{written}"), format!(r#"{{"A":{written}}}"#), format!("[{written},]")] {
        for format in [None, Some(Format::OnePassword)] {
            let error = parse(text.as_bytes(), format).err().expect("no export");
            assert!(!format!("{error:?}").contains(MARK), "no refusal shows a value");
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"id":"i","title":"T","category":"LOGIN","fields":[{"id":"p","type":"CONCEALED","label":"password","value":"a\"b"}]}"#,
        r#"{"accounts":[{"vaults":[{"items":[{"state":"active","overview":{"title":"T"},"details":{"loginFields":
        [{"designation":"password","value":"x"}],"passwordHistory":[{"value":"y"}],"sections":[{"fields":[{"title":"pin",
        "value":{"concealed":"z"}}]}]}}]}]}]}"#,
        r#"{"A":"b","DOPPLER_PROJECT":"p","DOPPLER_ENVIRONMENT":"e","DOPPLER_CONFIG":"c"}"#,
        r#"{"A":{"computed":"b","raw":"b","note":""},"B":{"computed":null,"raw":null}}"#,
        r#"[{"key":"A","value":"b","type":"shared","_id":"1"}]"#,
        r#"{"secrets":[{"secretKey":"A","secretValue":"b","secretValueHidden":false}],"imports":[]}"#,
        r#"{"request_id":"r","lease_id":"","lease_duration":1,"renewable":false,"data":{"a":"b","n":-1.5e3,"t":true}}"#,
        r#"{"request_id":"r","lease_id":"","renewable":false,"data":{"data":{"a":"b"},"metadata":{"created_time":"t","version":2}}}"#,
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
