//! Attacks on the scanner: no form of a value leaves, and how a text is cut makes no difference.

use std::sync::Arc;

use super::messages::Messages;
use super::oracle::{form, shows, value};
use super::stream::WINDOW;
use super::{Found, Known, Redactor, Scanner};
use crate::fuzz::{Dice, Input, Target, chunks};
use crate::secret_ref::SecretName;
use crate::websocket::{Agreed, Event, Kind, Reader, Writer};

/// The same for the messages of a WebSocket, each a text by itself, whatever the two sides agreed on.
pub(crate) const MESSAGES: Target = Target { name: "websocket_messages", attack: messages, seeds, words: WORDS };
/// See above.
pub(crate) const REDACT: Target = Target { name: "redact", attack: redact, seeds, words: WORDS };

const WORDS: &[&str] =
    &["%", "%25", "\\u00", "\\", "&#x", "&amp;", "&#", ";", "\n", "\"", "=", "\u{1}", "\u{2}", "\u{3}"];

/// The values, and a text: `\x01 N` plants a form of one, `\x02 N` the beginning of one, `\x03 N` many bytes.
struct Case {
    values: Vec<String>,
    text: Vec<u8>,
    dice: Dice,
}

impl Case {
    fn of(data: &[u8]) -> Self {
        let mut input = Input::new(data);
        let mut dice = Dice(u64::from(input.byte()));
        let values: Vec<String> = (0..1 + dice.below(3)).map(|_| value(&mut dice)).collect();
        let mut bytes = input.rest().iter();
        let mut text = Vec::new();
        while let Some(byte) = bytes.next() {
            let number = |bytes: &mut std::slice::Iter<'_, u8>| usize::from(bytes.next().copied().unwrap_or_default());
            match byte {
                1 => {
                    let number = number(&mut bytes);
                    let planted = form(&mut Dice(number as u64), &values[number % values.len()]);
                    text.extend_from_slice(planted.as_bytes());
                }
                2 => {
                    let number = number(&mut bytes);
                    let whole = values[number % values.len()].as_bytes();
                    text.extend_from_slice(&whole[..number % whole.len()]);
                }
                3 if text.len() < 4 * WINDOW => text.resize(text.len() + 32 * number(&mut bytes), b'x'),
                byte => text.push(*byte),
            }
        }
        Self { values, text, dice }
    }

    fn scanner(&self) -> Arc<Scanner> {
        let label = SecretName::parse("NAME").expect("a name");
        let known = |value: &String| (label.clone(), value.as_bytes().to_vec());
        let values: Vec<_> = self.values.iter().map(known).collect();
        let known: Vec<_> = values.iter().map(|(name, value)| Known { label: Some(name.clone()), value }).collect();
        Arc::new(Scanner::build(&known, &[]))
    }
}

/// What comes out of each chunk, and what was found.
fn pushed<'c>(scanner: &Arc<Scanner>, chunks: impl IntoIterator<Item = &'c [u8]>) -> (Vec<u8>, Vec<usize>, Found) {
    let (mut redactor, mut out, mut lengths) = (Redactor::new(Arc::clone(scanner)), Vec::new(), Vec::new());
    for chunk in chunks {
        redactor.push(chunk, &mut out);
        lengths.push(out.len());
    }
    redactor.finish(&mut out);
    (out, lengths, redactor.found().clone())
}

fn redact(data: &[u8]) {
    let mut case = Case::of(data);
    let scanner = case.scanner();
    let (whole, _, found) = pushed(&scanner, [&case.text[..]]);
    for value in &case.values {
        assert_eq!(shows(&whole, value), None, "a value leaves");
    }
    let cut = chunks(&mut case.dice, &case.text);
    let (chunked, lengths, found_in_chunks) = pushed(&scanner, cut.iter().copied());
    assert!(chunked == whole && found_in_chunks.any() == found.any(), "how a text is cut makes a difference");
    let at_once = scanner.redact_text(&case.text, &mut Found::default());
    assert_eq!(at_once.as_deref(), found.any().then_some(&whole[..]));
    if !found.any() {
        assert_eq!(whole, case.text, "what holds no value is touched");
        let (mut taken, mut line) = (0, 0);
        for (chunk, length) in cut.iter().zip(lengths) {
            line = memchr::memrchr(b'\n', chunk).map_or(line, |at| taken + at + 1);
            taken += chunk.len();
            assert_eq!(length, line.max(taken.saturating_sub(WINDOW)), "what is known decides when bytes are released");
        }
    }
}

fn messages(data: &[u8]) {
    let mut case = Case::of(data);
    let (scanner, number) = (case.scanner(), case.dice.next());
    let agreed =
        |bit: u64| (number >> bit & 1 == 1).then(|| Agreed::read("permessage-deflate").ok().flatten()).flatten();
    let (from, to) = (agreed(0), agreed(1));
    let mut sent = Vec::new();
    let mut writer = Writer::new(true, from);
    for text in [&case.text[..], b"between", &case.text[..]] {
        writer.begin(Kind::Binary);
        writer.write(text, true, &mut sent);
    }
    let reader = Reader::new(true, from.map(|_| false));
    let mut through = Messages::new(reader, Writer::new(false, to), Arc::clone(&scanner));
    let (mut passed, mut out) = (Vec::new(), Vec::new());
    for mut piece in chunks(&mut case.dice, &sent) {
        loop {
            let taken = through.push(piece, &mut out).expect("whole frames");
            let full = Messages::is_full(&out);
            piece = &piece[taken..];
            passed.append(&mut out);
            if piece.is_empty() && !full {
                break;
            }
        }
    }
    let (wanted, _, found) = pushed(&scanner, [&case.text[..]]);
    assert_eq!(said(&passed, to.map(|_| false)), [&wanted[..], b"between", &wanted]);
    assert_eq!(through.found().any(), found.any());
}

/// The messages of a side, whole.
fn said(bytes: &[u8], deflate: Option<bool>) -> Vec<Vec<u8>> {
    let (mut reader, mut rest, mut messages, mut data) = (Reader::new(false, deflate), bytes, Vec::new(), Vec::new());
    while let Some(event) = reader.step(&mut rest, &mut data).expect("what was written is read") {
        if event == Event::End {
            messages.push(std::mem::take(&mut data));
        }
    }
    messages
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = (0..12_u8)
        .map(|number| {
            [&[number][..], b"{\"a\": \"\x01", &[number.wrapping_mul(37)], b"\", \"b\": \"\x02\x05\"}\n\x01\x07"]
                .concat()
        })
        .collect();
    seeds.push(b"\x05\x03\x80\x01\x09\n\x03\x7f=\x01\x0a".to_vec());
    seeds.push(b"\x08no value at all, only words & 100% \\ more\nof them".to_vec());
    seeds
}
