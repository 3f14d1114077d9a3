//! `secrets import` from the file to the store, with what it says on the way.

use crate::stage::{Stage, canary};
use crate::terminal::Terminal;

#[test]
fn a_file_of_every_dialect_is_imported_and_no_value_is_shown() {
    let stage = Stage::new();
    let values: Vec<String> = (0..8).map(|_| canary()).collect();
    let text = format!(
        "\u{feff}# comment\r\nPLAIN={}\r\nexport EXPORTED='{}'\r\nyaml-style: \"{}\"\nMULTI=\"{}\n{}\"\nEMPTY=\nSHORT=abc\n\
         REFERS=\"${{PLAIN}}{}\"\nDOUBLE=first{}\nDOUBLE={} # comment\nnot an assignment\n",
        values[0], values[1], values[2], values[3], values[4], values[5], values[6], values[7],
    );
    let file = stage.path("work/.env");
    std::fs::write(&file, text).expect("file");
    let ran = stage.agent(["secrets", "import", ".env", "--delete-file"]).ok();
    for value in &values {
        assert!(!ran.says(value), "a value is shown");
    }
    assert!(ran.stdout.contains("YAML_STYLE (was yaml-style)"), "{ran:?}");
    for told in [
        "EMPTY (line 7): it is empty",
        "SHORT (line 8)",
        "refers to another variable",
        "DOUBLE stands there twice",
        "no assignment",
    ] {
        assert!(ran.stderr.contains(told), "{told}: {ran:?}");
    }
    assert!(file.exists(), "a file that still holds a value stored nowhere is kept");
    let names: Vec<String> =
        stage.json(["secrets", "list"]).as_array().expect("a list").iter().map(|one| one["name"].to_string()).collect();
    assert_eq!(names.join(" "), r#""DOUBLE" "EXPORTED" "MULTI" "PLAIN" "REFERS" "YAML_STYLE""#);
}

#[test]
fn the_file_is_deleted_only_where_that_was_said_or_agreed() {
    let stage = Stage::new();
    let file = stage.path("work/.env");
    let put = |name: &str| std::fs::write(&file, format!("{name}={}\n", canary())).expect("file");
    put("A_KEY");
    let ran = stage.agent(["secrets", "import", ".env"]).ok();
    assert!(file.exists() && ran.stderr.contains("delete it"), "{ran:?}");
    put("B_KEY");
    let mut import = Terminal::run(stage.command(["secrets", "import", ".env"]));
    import.expect("Delete .env now? [y/N] ");
    import.type_line("n");
    let (code, shown) = import.end();
    assert!(code == 0 && file.exists(), "{shown}");
    put("C_KEY");
    let mut import = Terminal::run(stage.command(["secrets", "import", ".env"]));
    import.expect("[y/N] ");
    import.type_line("y");
    let (code, shown) = import.end();
    assert!(code == 0 && !file.exists(), "{shown}");
    put("D_KEY");
    let ran = stage.agent(["secrets", "import", ".env", "--yes", "--json"]).ok();
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(told["imported"][0]["name"], "D_KEY");
    assert_eq!(told["file_deleted"], true);
    assert!(!file.exists());
    stage.agent(["secrets", "import", "missing.env"]).refused(2, "invalid_call");
}
