//! No form of any value leaves, however escaped and however cut; nothing else is touched.

use proptest::prelude::*;

use super::super::{Found, Scanner, stream::WINDOW};
use super::{redact_chunks, scanner};

/// A small generator of our own: one seed gives a whole case, which proptest prints.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(super) fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    pub(super) fn text(&mut self, alphabet: &str, len: usize) -> String {
        let chars: Vec<char> = alphabet.chars().collect();
        (0..len).map(|_| chars[self.below(chars.len())]).collect()
    }
}

pub(super) const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PRINTABLE: &str = "ABCDEFabcdef0123456789 !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// A value in the shape of some vendor's.
pub(super) fn value(dice: &mut Dice) -> String {
    match dice.below(9) {
        0 => format!("sk_{}_{}", dice.one(&["live", "test"]), dice.text(ALNUM, 24)),
        1 => format!("xox{}-{}-{}", dice.text("bp", 1), dice.text("0123456789", 11), dice.text(ALNUM, 24)),
        2 => dice.text("0123456789abcdef", 32),
        3 => dice.text(BASE64, 40),
        4 => {
            let len = 8 + dice.below(30);
            dice.text(PRINTABLE, len)
        }
        5 => dice.text("äöü€漢字𝄞abc", 12),
        6 => {
            let lines: Vec<_> = (0..3).map(|_| dice.text(BASE64, 64)).collect();
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
        }
        7 => format!(
            r#"{{"type":"x","private_key":"{}\n{}\u003d","n":"a/b&c%20d"}}"#,
            dice.text(BASE64, 40),
            dice.text(BASE64, 20)
        ),
        _ => {
            let len = 8 + dice.below(4);
            dice.text(ALNUM, len)
        }
    }
}

/// One layer of escaping, each character's spelling chosen anew; what the layer must escape is always escaped.
pub(super) fn escape(dice: &mut Dice, text: &str) -> String {
    let (style, rate) = (dice.below(3), dice.below(4));
    let mut out = String::new();
    for char in text.chars() {
        let free = dice.below(4) < rate;
        match style {
            0 if char == '%' || free => {
                for byte in char.to_string().bytes() {
                    out += &if dice.below(2) == 0 { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
                }
            }
            1 if char == '\\' || char == '"' || char < ' ' || free => out += &json_escape(dice, char),
            2 if "&<>\"'".contains(char) || free => out += &html_escape(dice, char),
            _ => out.push(char),
        }
    }
    out
}

fn json_escape(dice: &mut Dice, char: char) -> String {
    let short = match char {
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '"' => "\\\"",
        '\\' => "\\\\",
        '/' => "\\/",
        _ => "",
    };
    if !short.is_empty() && dice.below(2) == 0 {
        return short.to_owned();
    }
    char.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

fn html_escape(dice: &mut Dice, char: char) -> String {
    let named = match char {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '"' => "&quot;",
        '\'' => "&apos;",
        _ => "",
    };
    let code = u32::from(char);
    match dice.below(3) {
        0 if !named.is_empty() => named.to_owned(),
        1 => format!("&#{code};"),
        _ => format!("&#x{code:x};"),
    }
}

fn base64(value: &[u8], before: &[u8], after: &[u8], url: bool) -> String {
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let all = [before, value, after].concat();
    if url { URL_SAFE_NO_PAD.encode(all) } else { STANDARD.encode(all) }
}

fn hex(value: &[u8], upper: bool) -> String {
    value.iter().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect()
}

/// A form of the value, under up to two layers of escapes; never with a plain line feed in it.
pub(super) fn form(dice: &mut Dice, value: &str) -> String {
    let bytes = value.as_bytes();
    let mut form = match dice.below(6) {
        0 => base64(bytes, &b"ab"[..dice.below(3)], &b"cd"[..dice.below(3)], dice.below(2) == 0),
        1 => hex(bytes, dice.below(2) == 0),
        _ => value.to_owned(),
    };
    for _ in 0..dice.below(3) {
        form = escape(dice, &form);
    }
    form
}

/// Text that is no value: JSON, prose, base64, escapes.
pub(super) fn noise(dice: &mut Dice, len: usize) -> String {
    let len = dice.below(len) + 1;
    match dice.below(5) {
        0 => dice.text(BASE64, len),
        1 => dice.text("abc \n", len),
        2 => escape(dice, &"{\"key\": \"a \\ b & c % d\", \"n\": [1, 2]}\r\n".repeat(len / 40 + 1)),
        3 => dice.text("\"\\/%&;#nx0aF ", len),
        _ => "word and more words, ".repeat(len / 20 + 1),
    }
}

/// A text with forms in it; what stands before a form does not reach into it.
fn text_with(dice: &mut Dice, values: &[String], parts: usize, noise_len: usize) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..parts {
        text += &noise(dice, noise_len);
        text += dice.one(&["\"", "\n", " ", "=", ">"]);
        let which = dice.below(values.len());
        text += &form(dice, &values[which]);
        text += dice.one(&["\"", "\n", " ", "<", ""]);
    }
    text.into_bytes()
}

pub(super) fn chunks<'t>(dice: &mut Dice, text: &'t [u8]) -> Vec<&'t [u8]> {
    // Not more than some thousand chunks.
    let most = [1, 7, 100, 5000][dice.below(4)].max(text.len() / 2000);
    let (mut rest, mut chunks) = (text, Vec::new());
    while !rest.is_empty() {
        let (chunk, later) = rest.split_at((1 + dice.below(most)).min(rest.len()));
        chunks.push(chunk);
        rest = later;
    }
    chunks
}

/// Everything a text could be read as by up to three decoders in a row: the oracle, written apart from the scanner.
fn readings(text: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![text.to_vec()];
    let mut from = 0;
    for _ in 0..3 {
        let until = all.len();
        for index in from..until {
            for decode in [percent_decoded, json_decoded, html_decoded] {
                let decoded = decode(&all[index]);
                if !all.contains(&decoded) {
                    all.push(decoded);
                }
            }
        }
        from = until;
    }
    all
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    percent_encoding::percent_decode(text).collect()
}

fn json_decoded(text: &[u8]) -> Vec<u8> {
    let text: Vec<char> = String::from_utf8_lossy(text).chars().collect();
    let (mut out, mut at) = (Vec::<u16>::new(), 0);
    while at < text.len() {
        let (unit, len) = match text[at..] {
            ['\\', 'u', a, b, c, d, ..] => {
                let digits: String = [a, b, c, d].iter().collect();
                u16::from_str_radix(&digits, 16).map_or((u16::from(b'\\'), 1), |unit| (unit, 6))
            }
            ['\\', 'n', ..] => (10, 2),
            ['\\', 'r', ..] => (13, 2),
            ['\\', 't', ..] => (9, 2),
            ['\\', plain @ ('"' | '\\' | '/'), ..] => (plain as u16, 2),
            [char, ..] => {
                out.extend_from_slice(char.encode_utf16(&mut [0; 2]));
                at += 1;
                continue;
            }
            [] => break,
        };
        out.push(unit);
        at += len;
    }
    String::from_utf16_lossy(&out).into_bytes()
}

fn html_decoded(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let mut out = String::new();
    let mut rest = &*text;
    while let Some(at) = rest.find('&') {
        out += &rest[..at];
        rest = &rest[at..];
        let decoded = rest.find(';').and_then(|end| {
            let char = match &rest[1..end] {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                number => {
                    let number = number.strip_prefix('#')?;
                    let hex = number.strip_prefix('x').map(|hex| u32::from_str_radix(hex, 16));
                    char::from_u32(hex.unwrap_or_else(|| number.parse()).ok()?)?
                }
            };
            Some((char, end + 1))
        });
        let (char, len) = decoded.unwrap_or(('&', 1));
        out.push(char);
        rest = &rest[len..];
    }
    (out + rest).into_bytes()
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(text, wanted).is_some()
}

/// Whether some reading of a text shows a value, a long line of it, or its base64 or hex.
pub(super) fn shows(text: &[u8], value: &str) -> Option<&'static str> {
    let value = value.trim_end();
    let bytes = value.as_bytes();
    for reading in readings(text) {
        let lines = value.lines().filter(|line| line.len() >= 8 && !line.starts_with("-----"));
        if contains(&reading, bytes) || lines.map(str::as_bytes).any(|line| contains(&reading, line)) {
            return Some("plain");
        }
        if contains(&reading.to_ascii_lowercase(), hex(bytes, false).as_bytes()) {
            return Some("hex");
        }
        for shift in 0..3 {
            for url in [false, true] {
                let whole = base64(bytes, &b"\0\0"[..shift], b"", url);
                let sure = &whole.as_bytes()[(8 * shift).div_ceil(6)..8 * (shift + bytes.len()) / 6];
                if contains(&reading, sure) {
                    return Some("base64");
                }
            }
        }
    }
    None
}

pub(super) fn scanner_of(values: &[String]) -> std::sync::Arc<Scanner> {
    let named: Vec<_> = values.iter().map(|value| ("NAME", value.as_bytes())).collect();
    scanner(&named)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_form_of_a_value_leaves_and_chunks_make_no_difference(seed: u64) {
        let dice = &mut Dice(seed);
        let values: Vec<_> = (0..1 + dice.below(3)).map(|_| value(dice)).collect();
        let text = text_with(dice, &values, 3, 60);
        let scanner = scanner_of(&values);
        let (whole, found) = redact_chunks(&scanner, [&text[..]]);
        prop_assert!(found.any(), "nothing found in {:?}", String::from_utf8_lossy(&text));
        for value in &values {
            prop_assert_eq!(shows(&whole, value), None, "{:?} in {:?} from {:?}", value,
                String::from_utf8_lossy(&whole), String::from_utf8_lossy(&text));
        }
        let cut = redact_chunks(&scanner, chunks(dice, &text)).0;
        prop_assert_eq!(String::from_utf8_lossy(&cut), String::from_utf8_lossy(&whole), "from {:?} with {:?}",
            String::from_utf8_lossy(&text), values);
        let text_found = scanner.redact_text(&text, &mut Found::default());
        prop_assert_eq!(text_found.as_deref(), Some(&whole[..]));
    }

    #[test]
    fn text_without_values_is_untouched(seed: u64) {
        let dice = &mut Dice(seed);
        let values: Vec<_> = (0..20).map(|_| value(dice)).collect();
        let text: String = (0..12).map(|_| noise(dice, 300)).collect();
        let scanner = scanner_of(&values);
        let (out, found) = redact_chunks(&scanner, chunks(dice, text.as_bytes()));
        prop_assert!(out == text.as_bytes() && !found.any());
        prop_assert!(scanner.redact_text(text.as_bytes(), &mut Found::default()).is_none());
    }

    #[test]
    fn what_is_released_when_depends_on_lengths_and_line_feeds_alone(seed: u64) {
        let dice = &mut Dice(seed);
        let values: Vec<_> = (0..3).map(|_| value(dice)).collect();
        let mut text: Vec<u8> = (0..3 + dice.below(60)).flat_map(|_| noise(dice, 400).into_bytes()).collect();
        // The beginning of a value, not at a line's edge: nothing is redacted, and nothing may be held for it.
        let head: String = values[0].chars().take(7).collect();
        text.splice(text.len() / 2..text.len() / 2, format!("<{head}>").into_bytes());
        let knowing = scanner_of(&values);
        let ignorant = scanner_of(&[]);
        let chunks = chunks(dice, &text);
        let mut redactors = [knowing, ignorant].map(super::Redactor::new);
        let mut outs = [Vec::new(), Vec::new()];
        let (mut taken, mut line) = (0_usize, 0);
        for chunk in chunks {
            line = memchr::memrchr(b'\n', chunk).map_or(line, |at| taken + at + 1);
            taken += chunk.len();
            for (redactor, out) in redactors.iter_mut().zip(&mut outs) {
                redactor.push(chunk, out);
                prop_assert_eq!(out.len(), line.max(taken.saturating_sub(WINDOW)));
            }
        }
    }
}

proptest! {
    // Long texts are slow to try unoptimised.
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn long_lines_are_the_same_in_any_chunks(seed: u64) {
        let dice = &mut Dice(seed);
        let mut values: Vec<_> = (0..2).map(|_| value(dice)).collect();
        let len = WINDOW - 200 + dice.below(400);
        let long = dice.text(ALNUM, len);
        let mut text = noise(dice, 100) + "=";
        text += &if dice.below(2) == 0 { long.clone() } else { escape(dice, &long[..WINDOW / 4]) + &long[WINDOW / 4..] };
        values.push(long);
        text += " ";
        let last = text_with(dice, &values[..2], 1, 100);
        let text = [text.as_bytes(), &last].concat();
        let scanner = scanner_of(&values);
        let whole = redact_chunks(&scanner, [&text[..]]).0;
        let mut cuts: Vec<_> = (0..dice.below(12)).map(|_| dice.below(text.len())).chain([text.len()]).collect();
        cuts.sort_unstable();
        let mut from = 0;
        let chunks: Vec<_> = cuts.iter().map(|cut| &text[std::mem::replace(&mut from, *cut)..*cut]).collect();
        let cut = redact_chunks(&scanner, chunks).0;
        prop_assert!(cut == whole, "{:?} from {:?}", values, String::from_utf8_lossy(&text));
    }

    #[test]
    fn short_values_are_found_under_any_escapes(seed: u64) {
        let dice = &mut Dice(seed);
        for _ in 0..50 {
            let len = 8 + dice.below(9);
            let value = dice.text(ALNUM, len);
            let once = escape(dice, &value);
            let text = if dice.below(2) == 0 { once } else { escape(dice, &once) };
            let out = redact_chunks(&scanner_of(std::slice::from_ref(&value)), [text.as_bytes()]).0;
            prop_assert_eq!(String::from_utf8_lossy(&out), "[REDACTED:NAME]", "{} in {}", value, text);
        }
    }
}
