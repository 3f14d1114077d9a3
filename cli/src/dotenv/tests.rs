//! Values are looked at through a reader of their bounds, as a `SecretInput` shows nothing: the parser is run on its parts.

use proptest::prelude::*;

use super::*;

/// The keys, lines and values of a text. The value is read by the same parts that `parse` puts together.
fn read(text: &[u8]) -> Vec<(String, Vec<u8>)> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut reader = Reader { text, at: 0, line: 1 };
    let mut found = Vec::new();
    while reader.at < text.len() {
        let (begin, end) = (reader.at, reader.end_of_line(reader.at));
        let Some((key, value_at)) = key_of(&text[begin..end]) else {
            reader.go_on(end);
            continue;
        };
        let value_at = begin + value_at;
        let quote = text.get(value_at).copied().filter(|c| matches!(c, b'"' | b'\'' | b'`'));
        let value =
            quote.and_then(|quote| reader.quoted(value_at + 1, quote)).unwrap_or_else(|| reader.bare(value_at, end));
        reader.go_on(value.next);
        found.push((key, value.value));
    }
    let lengths: Vec<(String, usize)> =
        parse(text).entries.into_iter().map(|entry| (entry.key, entry.length)).collect();
    let expected: Vec<(String, usize)> = found.iter().map(|(key, value)| (key.clone(), value.len())).collect();
    assert_eq!(lengths, expected, "the parts and the whole agree");
    found
}

fn one(line: &str) -> String {
    let found = read(line.as_bytes());
    assert_eq!(found.len(), 1, "{line:?}");
    assert_eq!(found[0].0, "KEY", "{line:?}");
    String::from_utf8(found[0].1.clone()).expect("text")
}

#[test]
fn every_dialect_of_one_line() {
    for (line, value) in [
        ("KEY=value", "value"),
        ("KEY=value\r\n", "value"),
        ("\u{feff}KEY=value", "value"),
        ("export KEY=value", "value"),
        ("  export\tKEY = value  ", "value"),
        ("KEY = value", "value"),
        ("KEY: value", "value"),
        ("KEY: \"value\"", "value"),
        ("KEY='value'", "value"),
        ("KEY=\"value\"", "value"),
        ("KEY=`it's \"so\"`", "it's \"so\""),
        ("KEY=value # comment", "value"),
        ("KEY=value#no-comment", "value#no-comment"),
        ("KEY=#abc", "#abc"),
        ("KEY= # comment", ""),
        ("KEY=\"value # text\" # comment", "value # text"),
        ("KEY='value # text'   #comment", "value # text"),
        ("KEY=", ""),
        ("KEY=\"\"", ""),
        ("KEY=''", ""),
        ("KEY=a=b==", "a=b=="),
        ("KEY=https://user:pw@host/p?q=1&r=2#frag", "https://user:pw@host/p?q=1&r=2#frag"),
        ("KEY=two words", "two words"),
        (r#"KEY="a\nb\tc\"d\\e\$f""#, "a\nb\tc\"d\\e$f"),
        (r#"KEY="C:\dir\file""#, "C:\\dir\\file"),
        (r"KEY='a\nb'", r"a\nb"),
        (r"KEY='it\'s'", "it's"),
        (r"KEY='C:\dir\'", r"C:\dir\"),
        (r"KEY=a\nb", r"a\nb"),
        ("KEY=\"${OTHER}/x\"", "${OTHER}/x"),
        ("KEY=pa$$word", "pa$$word"),
        ("KEY=\"a\"b", "\"a\"b"),
        ("KEY=\"open", "\"open"),
    ] {
        assert_eq!(one(line), value, "{line:?}");
    }
}

#[test]
fn quoted_values_span_lines() {
    let pem = "-----BEGIN KEY-----\nabc\n-----END KEY-----";
    for quote in ['"', '\'', '`'] {
        let text = format!("A=1\nKEY={quote}{pem}{quote} # key\nB=2\n");
        let found = read(text.as_bytes());
        assert_eq!(found.len(), 3);
        assert_eq!(found[1], ("KEY".to_owned(), pem.as_bytes().to_vec()));
        assert_eq!(parse(text.as_bytes()).entries[2].line, 5);
    }
    let json = "KEY=\"{\n \\\"type\\\": \\\"service_account\\\"\n}\"";
    assert_eq!(one(json), "{\n \"type\": \"service_account\"\n}");
    let crlf = read(b"KEY=\"a\r\nb\"\r\nB=2\r\n");
    assert_eq!(crlf, [("KEY".to_owned(), b"a\r\nb".to_vec()), ("B".to_owned(), b"2".to_vec())]);
}

#[test]
fn an_open_quote_swallows_no_other_line() {
    let found = read(b"A=\"open\nB=\"closed\"\n");
    assert_eq!(found, [("A".to_owned(), b"\"open".to_vec()), ("B".to_owned(), b"closed".to_vec())]);
    assert!(parse(b"A=\"open\nB=2\n").warnings.iter().any(|text| text.contains("line 1 (A)")));
}

#[test]
fn what_is_no_assignment_is_told_by_its_line_alone() {
    let parsed = parse(b"# comment\n\nzq9-loose-text\nKEY=1\n  # more\nexport\n=x\n");
    assert_eq!(parsed.entries.len(), 1);
    assert!(!parsed.complete);
    assert_eq!(parsed.warnings.len(), 3);
    assert!(parsed.warnings.iter().all(|text| !text.contains("zq9")));
    assert!(parsed.warnings[0].contains("line 3"));
}

#[test]
fn references_are_reported() {
    let told = |text: &str| parse(text.as_bytes()).warnings.len();
    assert_eq!(told("A=${B}"), 1);
    assert_eq!(told("A=\"x${B}\""), 1);
    assert_eq!(told("A='${B}'"), 0);
    assert_eq!(told("A=\"\\${B}\""), 0);
    assert_eq!(told("A=$5"), 0);
}

#[test]
fn bytes_that_are_no_text_are_kept() {
    assert_eq!(read(b"KEY=\xff\xfe\x00abc\n"), [("KEY".to_owned(), b"\xff\xfe\x00abc".to_vec())]);
}

#[test]
fn a_value_too_long_is_an_entry_without_one() {
    let text = format!("KEY={}\n", "x".repeat(70_000));
    let parsed = parse(text.as_bytes());
    assert_eq!(parsed.entries[0].length, 70_000);
    assert!(parsed.entries[0].value.is_none());
}

/// A value as double quotes write it.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '"' | '\\' | '$' => text.extend(['\\', c]),
            _ => text.push(c),
        }
    }
    text + "\""
}

proptest! {
    #[test]
    fn what_is_quoted_is_read_back(values in prop::collection::vec(".{0,40}", 0..6)) {
        let text: String = values.iter().enumerate().map(|(at, value)| format!("K{at}={} # c\n", quoted(value))).collect();
        let read: Vec<Vec<u8>> = read(text.as_bytes()).into_iter().map(|(_, value)| value).collect();
        let values: Vec<Vec<u8>> = values.into_iter().map(String::into_bytes).collect();
        prop_assert_eq!(read, values);
    }

    #[test]
    fn any_bytes_are_read_to_their_end(text in prop::collection::vec(any::<u8>(), 0..300)) {
        let parsed = parse(&text);
        let lines = text.split(|byte| *byte == b'\n').count();
        prop_assert!(parsed.entries.iter().all(|entry| entry.line <= lines && entry.length <= text.len()));
    }

    #[test]
    fn no_warning_repeats_a_value(value in "[a-z]{12}", head in "(A=\"|A=|A: |A='|)") {
        let text = format!("{head}{value}${{X}}\n");
        prop_assert!(parse(text.as_bytes()).warnings.iter().all(|told| !told.contains(&value)));
    }
}
