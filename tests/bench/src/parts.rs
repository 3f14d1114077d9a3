//! The parts that no single call shows: the scan and the audit log. One line each: name, number, unit.

use std::io::Write;
use std::path::Path;

use agentsecrets::measure;

use crate::Result;

const TEXT: usize = 64 * 1024 * 1024;

pub(crate) fn run() -> Result<()> {
    let mut out = std::io::stdout();
    let plain = text(TEXT, b"abcdefghijklmnopqrstuvwxyz0123456789 ,.:{}[]\"\n");
    let escapes: Vec<u8> = b"%41%42\\u0043&#68;".iter().copied().cycle().take(TEXT / 4).collect();
    for (name, values, length, text) in [
        ("scan: 6 values of 64 bytes (about 100 forms)", 6, 64, &plain),
        ("scan: 60 values of 20 bytes (about 1000 forms)", 60, 20, &plain),
        ("scan: the same, text dense with escapes", 60, 20, &escapes),
    ] {
        let values: Vec<Vec<u8>> = (0..values).map(|number| value(number, length)).collect();
        let seconds = measure::scan(&values, text);
        writeln!(out, "{name}\t{:.2}\tGB/s", text.len() as f64 / seconds / 1e9)?;
    }
    let folder = tempfile::tempdir()?;
    let seconds = measure::audit(&folder.path().join("audit"), 20_000)?;
    writeln!(out, "audit: a record, sync off the path\t{:.2}\tµs", seconds * 1e6 / 40_000.0)?;
    durable(&folder.path().join("durable"), 64, &mut out)
}

/// Records that are waited for, and what the disk of this run can do: a group of all that are in flight each sync.
fn durable(folder: &Path, in_flight: u32, out: &mut impl Write) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(measure::durable(folder, 300, in_flight))?;
    writeln!(out, "audit: durable, {in_flight} in flight\t{:.0}\trecords/s", done.records)?;
    writeln!(out, "audit: a bare append and fdatasync of {in_flight} records\t{:.0}\tµs", done.sync_us)?;
    let share = done.records * done.sync_us / 1e6 / f64::from(in_flight);
    writeln!(out, "audit: durable, of what that sync allows\t{share:.2}\t×")?;
    Ok(())
}

/// Repeatable noise over an alphabet.
fn text(length: usize, alphabet: &[u8]) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::from(state.to_le_bytes()[3])
    };
    (0..length).map(|_| alphabet[next() % alphabet.len()]).collect()
}

/// A value that no text here holds.
fn value(number: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| b"QWERTZUIOPASDFGHJKLYXCVBNM"[(at * 7 + usize::from(number) * 11 + at * at) % 26]).collect()
}
