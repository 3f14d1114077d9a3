//! Behaviours one by one; `properties` tries them on random texts, `vectors` on the shared case files.

mod hostile;
mod messages;
mod properties;
mod vectors;

use std::sync::Arc;

use super::{Found, Known, Redactor, Scanner};
use crate::secret_ref::SecretName;

pub(super) fn name(text: &str) -> SecretName {
    SecretName::parse(text).expect("legal")
}

pub(super) fn scanner(values: &[(&str, &[u8])]) -> Arc<Scanner> {
    let known: Vec<_> = values.iter().map(|(label, value)| Known { label: Some(name(label)), value }).collect();
    Arc::new(Scanner::build(&known, &[]))
}

/// Redacts a text given in chunks.
pub(super) fn redact_chunks<'c>(
    scanner: &Arc<Scanner>,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> (Vec<u8>, Found) {
    let (mut redactor, mut out) = (Redactor::new(Arc::clone(scanner)), Vec::new());
    for chunk in chunks {
        redactor.push(chunk, &mut out);
    }
    redactor.finish(&mut out);
    (out, redactor.found().clone())
}

pub(super) fn redact(scanner: &Arc<Scanner>, text: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(&redact_chunks(scanner, [text.as_ref()]).0).into_owned()
}

const VALUE: &str = "fake-value/0123+45=6789\"abc";

#[test]
fn plain() {
    let scanner = scanner(&[("A", VALUE.as_bytes())]);
    assert_eq!(redact(&scanner, format!("x{VALUE}y")), "x[REDACTED:A]y");
    assert_eq!(redact(&scanner, VALUE), "[REDACTED:A]");
    assert_eq!(redact(&scanner, format!("{VALUE}\n{VALUE}{VALUE}")), "[REDACTED:A]\n[REDACTED:A][REDACTED:A]");
}

#[test]
fn names_come_in_the_order_they_are_seen_and_the_nameless_are_told() {
    let known = [
        Known { label: Some(name("A")), value: b"fake-value-a" },
        Known { label: None, value: b"fake-value-b" },
        Known { label: Some(name("C")), value: b"fake-value-c" },
    ];
    let scanner = Arc::new(Scanner::build(&known, &[]));
    let (out, found) = redact_chunks(&scanner, [&b"fake-value-c fake-value-b fake-value-a fake-value-c"[..]]);
    assert_eq!(out, b"[REDACTED:C] [REDACTED] [REDACTED:A] [REDACTED:C]");
    assert_eq!(found.names().map(SecretName::as_str).collect::<Vec<_>>(), ["C", "A"]);
    assert!(found.any());
    let (_, found) = redact_chunks(&scanner, [&b"fake-value-b"[..]]);
    assert!(found.any() && found.names().next().is_none());
}

#[test]
fn short_values_are_known_by_what_was_on_the_wire_alone() {
    let known = [Known { label: Some(name("PIN")), value: b"4711" }];
    let wire =
        [Known { label: Some(name("PIN")), value: b"4711" }, Known { label: Some(name("PIN")), value: b"Bot 4711/x" }];
    assert!(Scanner::build(&known, &[]).is_empty());
    let scanner = Arc::new(Scanner::build(&known, &wire));
    assert_eq!(
        redact(&scanner, "a4711b Bot 4711/x %34711 Bot%204711/x"),
        "a[REDACTED:PIN]b [REDACTED:PIN] %3[REDACTED:PIN] Bot%20[REDACTED:PIN]/x"
    );
    for size in 1..12 {
        let text = b"4711 Bot 4711/x47114711";
        let out = redact_chunks(&scanner, text.chunks(size)).0;
        assert_eq!(out, b"[REDACTED:PIN] [REDACTED:PIN][REDACTED:PIN][REDACTED:PIN]");
    }
}

#[test]
fn a_clean_body_is_not_copied() {
    let scanner = scanner(&[("A", VALUE.as_bytes())]);
    let body = bytes::Bytes::from(vec![b'x'; 100_000]);
    let mut found = Found::default();
    assert_eq!(scanner.redact_bytes(body.clone(), &mut found).as_ptr(), body.as_ptr());
    let dirty = bytes::Bytes::from(format!("x{VALUE}"));
    assert_eq!(scanner.redact_bytes(dirty, &mut found), "x[REDACTED:A]");
    assert!(found.any());
}

#[test]
fn a_value_of_64_kib() {
    let value: String =
        (0..64 * 1024).map(|at: u32| char::from(b'a' + (at.wrapping_mul(2_654_435_761) >> 24) as u8 % 26)).collect();
    let scanner = scanner(&[("BIG", value.as_bytes())]);
    let json: String = value
        .chars()
        .map(|char| if char < 'd' { format!("\\u{:04x}", u32::from(char)) } else { char.to_string() })
        .collect();
    for text in [&value, &json] {
        for size in [1000, 5000, 1 << 20] {
            let text = format!("<{text}>");
            let out = redact_chunks(&scanner, text.as_bytes().chunks(size)).0;
            assert_eq!(String::from_utf8_lossy(&out), "<[REDACTED:BIG]>");
        }
    }
}

#[test]
fn three_layers_of_escapes() {
    let form: String = "0123456789abcdef".chars().map(|c| format!("&#x{:x};", c as u32)).collect();
    let json: String = form.chars().map(|c| format!("\\u{:04x}", c as u32)).collect();
    let html: String = json
        .chars()
        .enumerate()
        .map(|(i, c)| if i % 2 == 0 { c.to_string() } else { format!("&#x{:x};", c as u32) })
        .collect();
    let scanner = scanner(&[("A", b"0123456789abcdef")]);
    assert_eq!(redact(&scanner, &form), "[REDACTED:A]");
    assert_eq!(redact(&scanner, &json), "[REDACTED:A]");
    assert_eq!(redact(&scanner, &html), "[REDACTED:A]");
}
