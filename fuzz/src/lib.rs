//! What makes a fuzzer of a target. The targets themselves lie beside their parsers, in the core and the command line.

use std::fs;
use std::io;
use std::path::Path;

#[doc(hidden)]
pub use libfuzzer_sys;

/// Where a fuzzer writes its seeds and words before it begins, if `cargo xtask fuzz` asks for them.
const PREPARE: &str = "AGENTSECRETS_FUZZ_PREPARE";

/// A fuzzer of the target of this name.
#[macro_export]
macro_rules! attack {
    ($targets:path, $name:literal) => {
        use $targets as targets;

        fn target() -> &'static targets::Target {
            targets::TARGETS.iter().find(|target| target.name == $name).expect("a target of this name")
        }

        $crate::libfuzzer_sys::fuzz_target!(
            init: $crate::prepare(&(target().seeds)(), target().words),
            |data: &[u8]| (target().attack)(data)
        );
    };
}

/// Writes the seeds, each a file, and the words as a dictionary.
///
/// # Panics
/// Where they cannot be written.
pub fn prepare(seeds: &[Vec<u8>], words: &[&str]) {
    let Some(folder) = std::env::var_os(PREPARE) else { return };
    write(Path::new(&folder), seeds, words).expect("seeds and words are written");
}

fn write(folder: &Path, seeds: &[Vec<u8>], words: &[&str]) -> io::Result<()> {
    let corpus = folder.join("seeds");
    fs::create_dir_all(&corpus)?;
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(corpus.join(format!("{number:02}")), seed)?;
    }
    let byte = |byte: u8| match byte {
        b' '..=b'~' if !matches!(byte, b'"' | b'\\') => char::from(byte).to_string(),
        _ => format!("\\x{byte:02X}"),
    };
    let line = |word: &&str| format!("\"{}\"\n", word.bytes().map(byte).collect::<String>());
    fs::write(folder.join("words"), words.iter().map(line).collect::<String>())
}
