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
    for (name, values, text) in hostile() {
        let text: Vec<u8> = text.iter().copied().cycle().take(TEXT / 64).collect();
        let seconds = measure::scan(&values, &text);
        writeln!(out, "scan, hostile: {name}\t{:.3}\tGB/s", text.len() as f64 / seconds / 1e9)?;
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

/// What a body made by someone who knows the values may cost: a name, values, and the text that is repeated.
type Case = (&'static str, Vec<Vec<u8>>, Vec<u8>);

fn hostile() -> Vec<Case> {
    let escaped = |text: &[u8]| text.iter().flat_map(|byte| format!("%{byte:02x}").into_bytes()).collect::<Vec<u8>>();
    let with = |value: &[u8]| (0..60).map(|number| self::value(number, 20)).chain([value.to_vec()]).collect::<Vec<_>>();
    let alike = |front: &[u8]| (0..100).map(|number| [front, &value(number, 24)].concat()).collect::<Vec<_>>();
    let dull = |length: usize| vec![[vec![b'a'; length], vec![b'Z']].concat()];
    let token = b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.";
    vec![
        ("a value that looks like escapes", with(b"%41%42%43%44%45%46"), b"%41%42\\u0043&#68;".to_vec()),
        ("a value of 8 bytes that begins with digits", with(b"12ab34cd"), b"%12ab34cc".to_vec()),
        ("a value of 8 bytes, clean text", with(b"Qw3rTz9x"), b"nothing of all that, ".to_vec()),
        ("aaaa, nearly a value of 200", dull(200), b"a".to_vec()),
        ("aaaa, nearly a value of 4000", dull(4000), b"a".to_vec()),
        ("aaaa escaped, nearly a value of 4000", dull(4000), b"%61".to_vec()),
        ("aaaa escaped twice, nearly a value of 4000", dull(4000), b"%2561".to_vec()),
        ("a vendor's prefix, 100 values have it", alike(b"sk_live_"), b"sk_live_".to_vec()),
        ("a vendor's prefix, escaped", alike(b"sk_live_"), escaped(b"sk_live_")),
        ("a header all tokens share", alike(token), token.to_vec()),
        ("a header all tokens share, by line", alike(token), [&token[..], b"\n"].concat()),
        ("percent signs escaped ten deep", with(b""), b"%25252525252525252541".to_vec()),
        ("ampersands escaped four deep", with(b""), b"&amp;amp;amp;amp;#65;".to_vec()),
        ("a value over and over", with(b""), value(3, 20)),
        ("a value over and over, escaped", with(b""), escaped(&value(3, 20))),
    ]
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
