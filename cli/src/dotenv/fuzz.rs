//! Attacks on dotenv files.

use super::parse;
use crate::fuzz::{Input, Target};

/// Every line is told once, no remark shows a value, and what is quoted comes out as it went in.
pub(crate) const DOTENV: Target = Target { name: "dotenv", attack: dotenv, seeds, words: WORDS };

const WORDS: &[&str] =
    &["export ", "KEY=", "KEY: ", "\"", "'", "`", "\\n", "\\\"", " #", "${OTHER}", "\n", "\r\n", "\u{feff}"];
/// Stands in values alone.
const MARK: &str = "zq9value";

fn dotenv(data: &[u8]) {
    let parsed = parse(data);
    let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
    let mut last = 0;
    for entry in &parsed.entries {
        assert!(entry.line > last && entry.line <= lines, "lines come in their order");
        last = entry.line;
        assert!(!entry.key.is_empty() && entry.key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'='));
        assert!(entry.length <= data.len());
    }
    assert!(parsed.complete || !parsed.warnings.is_empty(), "what is left out is told");
    let mut input = Input::new(data);
    quoted(input.text());
}

/// A value in double quotes is the value, whatever it is.
fn quoted(value: &str) {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let parsed = parse(format!("A=1\nKEY=\"{MARK}{escaped}\" # {MARK}\nB='2'").as_bytes());
    let told: Vec<(&str, usize)> = parsed.entries.iter().map(|entry| (&*entry.key, entry.length)).collect();
    assert_eq!(told, [("A", 1), ("KEY", MARK.len() + value.len()), ("B", 1)]);
    assert!(parsed.complete && !parsed.warnings.concat().contains(MARK), "no remark shows a value");
}

fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "# comment\nexport KEY = \"a\\n\\\"b\\\" ${OTHER}\" # more\nB='x\ny'\nC: plain # comment\n\u{feff}D=`t`",
        "KEY='C:\\dir\\'\nOTHER=\"unclosed\nE=\r\nno assignment\n=x\nexport = y",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
