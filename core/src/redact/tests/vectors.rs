//! The case files in `tests/vectors/redact`, which every implementation of the redactor must agree with.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{redact_chunks, scanner};

#[derive(Deserialize)]
struct Case {
    name: String,
    secrets: Vec<Secret>,
    input: Option<String>,
    input_base64: Option<String>,
    output: String,
}

#[derive(Deserialize)]
struct Secret {
    name: String,
    value: String,
}

#[test]
fn every_case_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/redact");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the folder is in the repository") {
        let path = entry.expect("readable").path();
        let case: Case = serde_json::from_slice(&fs::read(&path).expect("readable")).expect("a case file");
        assert_eq!(path.file_stem().and_then(|stem| stem.to_str()), Some(&*case.name));
        check(&case);
        count += 1;
    }
    assert!(count >= 20, "{count} case files");
}

fn check(case: &Case) {
    let values: Vec<_> = case.secrets.iter().map(|secret| (&*secret.name, secret.value.as_bytes())).collect();
    let scanner = scanner(&values);
    let input = match (&case.input, &case.input_base64) {
        (Some(input), None) => input.clone().into_bytes(),
        (None, Some(input)) => STANDARD.decode(input).expect("base64"),
        _ => panic!("{}: one input", case.name),
    };
    for size in [1, 2, 3, 5, 16, 100, input.len().max(1)] {
        let out = redact_chunks(&scanner, input.chunks(size)).0;
        assert_eq!(String::from_utf8_lossy(&out), case.output, "{} in chunks of {size}", case.name);
    }
}
