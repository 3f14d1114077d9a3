//! The public surface: nothing prints a value, and nothing outside core reaches one.

use std::path::{Path, PathBuf};
use std::process::Command;

use agentsecrets::{Call, Client, Isolation, SecretInput, SecretRef};
use http::Method;

use crate::kit::{canary, shared};

/// Trap 20: whatever is printed of our objects holds names, and the query and bodies of nobody.
#[tokio::test]
async fn debug_of_every_public_type_is_free_of_values() {
    let shared = shared();
    let body = canary();
    for client in shared.clients().await {
        let url = shared.http1.url("/echo?plain=query-value");
        let mut call = Call::new(Method::POST, &url).expect("a URL");
        call.inject(agentsecrets::Auth::Bearer, SecretRef::new("KEY").expect("a name")).expect("a place");
        call.body(body.clone());
        let said = format!("{call:?} {:?}", call.url());
        assert!(!said.contains(&body) && !said.contains("query-value"), "{said}");
        assert!(said.contains("KEY"), "the control: names are shown");
        let answer = client.send(call).await.expect("sent");
        let response = format!("{answer:?}");
        let buffered = answer.buffered().await.expect("read");
        assert!(buffered.text().contains(&body), "the control: the caller's own body comes back to it");
        let status = client.status().await.expect("a status");
        let all = format!(
            "{response} {buffered:?} {status:?} {:?} {:?} {:?} {:?} {:?}",
            client.secrets().await.expect("names"),
            client.grants(None).await.expect("grants"),
            client.check(vec![crate::kit::name("KEY")]).await.expect("checked"),
            client.home(),
            shared.home.records(),
        );
        for value in [&shared.key, &shared.other, &body] {
            assert!(!all.contains(value.as_str()), "a value is printed");
        }
        assert!(!all.contains("query-value"), "a query is printed");
    }
    let builder = format!("{:?}", Client::builder().isolation(Isolation::Broker).project("p"));
    assert!(builder.contains("Broker"));
}

#[test]
fn an_error_about_a_value_does_not_repeat_it() {
    let value = canary();
    let long = value.repeat(4000);
    let error = SecretInput::from_bytes(long.into_bytes()).map(|_| ()).expect_err("too long");
    assert!(!format!("{error} {error:?}").contains(&value));
}

/// Each file of `compile_fail` names in its first line the error it must meet; the file without one must compile.
#[test]
fn there_is_no_way_to_a_value_from_outside() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("the cases").flatten().map(|entry| entry.path()).collect();
    files.sort();
    let libraries = libraries();
    let (mut passed, mut refused) = (0, 0);
    for file in &files {
        let source = std::fs::read_to_string(file).expect("readable");
        let wanted = source.lines().next().and_then(|line| line.strip_prefix("// refused: "));
        let (compiles, said) = compile(file, &libraries);
        match wanted {
            None => {
                assert!(compiles, "the control {} does not compile: {said}", file.display());
                passed += 1;
            }
            Some(wanted) => {
                assert!(!compiles, "{} compiles", file.display());
                for word in wanted.split(" + ") {
                    assert!(said.contains(word), "{} fails otherwise than by {word}: {said}", file.display());
                }
                refused += 1;
            }
        }
    }
    assert!(passed >= 1 && refused >= 10, "{passed} controls, {refused} refusals");
}

/// The library under test and the `serde_json` it was built with. A target folder may hold several builds of each; the
/// control tells which two belong together.
fn libraries() -> (PathBuf, PathBuf) {
    let deps = std::env::current_exe().expect("the test's own path").parent().expect("deps").to_owned();
    let newest_first = |prefix: &str| {
        let of = |entry: &std::fs::DirEntry| entry.metadata().and_then(|found| found.modified()).ok();
        let named = |entry: &std::fs::DirEntry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with(prefix) && name.ends_with(".rlib")
        };
        let mut found: Vec<_> = std::fs::read_dir(&deps).expect("deps").flatten().filter(named).collect();
        found.sort_by_key(|entry| std::cmp::Reverse(of(entry)));
        found.into_iter().map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let control = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail/control.rs");
    let mut said = String::new();
    for core in newest_first("libagentsecrets-") {
        for json in newest_first("libserde_json-") {
            let both = (core.clone(), json);
            match compile(&control, &both) {
                (true, _) => return both,
                (false, why) => said = why,
            }
        }
    }
    panic!("the control compiles with no build of the library: {said}")
}

/// Compiles a file against the very library under test, which is many times faster than a project of its own.
fn compile(file: &Path, (core, json): &(PathBuf, PathBuf)) -> (bool, String) {
    let out = tempfile::tempdir().expect("a folder");
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--cap-lints", "allow"])
        .arg("--out-dir")
        .arg(out.path())
        .arg("-L")
        .arg(format!("dependency={}", core.parent().expect("deps").display()))
        .arg("--extern")
        .arg(format!("agentsecrets={}", core.display()))
        .arg("--extern")
        .arg(format!("serde_json={}", json.display()))
        .arg(file)
        .output()
        .expect("rustc runs");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}
