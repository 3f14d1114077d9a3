//! What a value may look like in a text, and whether a text shows one: written apart from the scanner.

use crate::fuzz::Dice;

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
#[cfg(test)]
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
