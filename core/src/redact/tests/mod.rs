//! Behaviours one by one; `properties` tries them on random texts, `vectors` on the shared case files.

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
fn dbg_deep() {
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
