//! Texts made by someone who wants the redactor to break, to miss a value, or to tell something by when it releases.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::oracle::{ALNUM, escape, form, noise, shows, value};
use super::super::stream::WINDOW;
use super::super::{Found, Redactor};
use super::properties::scanner_of;
use super::redact_chunks;
use crate::fuzz::{Dice, chunks};

/// A value of few different characters, most of which mean something to a decoder.
fn dull(dice: &mut Dice) -> String {
    let alphabet = *dice.one(&[&"a", &"01", &"%41", &"\\", &"&;lt", &"\\u0", &"-", &"+ ", &"nr\\", &"%&\\"]);
    let len = 8 + dice.below(16);
    dice.text(alphabet, len)
}

/// Bytes of any kind among pieces of escapes and of values.
fn fragments(dice: &mut Dice, values: &[String]) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..dice.below(10) {
        match dice.below(6) {
            0 => text.extend((0..dice.below(12)).map(|_| dice.below(256) as u8)),
            1 => text.extend(dice.one(&["%", "\\", "&", "\\u", "&#", "&#x", "%4", "\\ud83d", "\\ude00", ";"]).bytes()),
            2 => text.extend(dice.text("%\\&;u0x25\n\r", 9).bytes()),
            part => {
                let which = dice.below(values.len());
                let mut form = form(dice, &values[which]).into_bytes();
                if part == 3 {
                    let (one, other) = (dice.below(form.len() + 1), dice.below(form.len() + 1));
                    form = form[one.min(other)..one.max(other)].to_vec();
                }
                text.extend(form);
            }
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_break_it(seed: u64) {
        let dice = &mut Dice(seed);
        let values: Vec<_> = (0..1 + dice.below(3)).map(|_| if dice.below(2) == 0 { value(dice) } else { dull(dice) }).collect();
        let text = fragments(dice, &values);
        let scanner = scanner_of(&values);
        let whole = redact_chunks(&scanner, [&text[..]]).0;
        let cut = redact_chunks(&scanner, chunks(dice, &text)).0;
        prop_assert!(cut == whole, "{:?} from {:?}", values, String::from_utf8_lossy(&text));
    }

    #[test]
    fn an_escape_left_open_before_a_value_hides_nothing(seed: u64) {
        let dice = &mut Dice(seed);
        let start = *dice.one(&[&"", &"4", &"41", &"0041", &"lt;", &"newline;", &"#x41;", &"#0000065;", &"x41"]);
        let len = 8 + dice.below(20) - start.len().min(8);
        let value = start.to_owned() + &dice.text(ALNUM, len.max(8 - start.len().min(8)));
        let stray = dice.one(&["%", "%4", "&", "&#", "&#x", "\\", "\\u", "\\u0", "\\u00", "\\x", "%%", "&&", "\\\\"]);
        // The first characters as they are, so that the open escape may take them for its own.
        let plain = dice.below(value.len());
        let text = format!("{stray}{}{}", &value[..plain], escape(dice, &value[plain..]));
        let out = redact_chunks(&scanner_of(std::slice::from_ref(&value)), [text.as_bytes()]).0;
        let out = String::from_utf8_lossy(&out);
        prop_assert!(out.ends_with("[REDACTED:NAME]"), "{} from {} with {}", out, text, value);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn dull_values_are_found(seed: u64) {
        let dice = &mut Dice(seed);
        let value = dull(dice);
        if value.trim_ascii_end().len() < 8 {
            return Ok(());
        }
        let text = format!("{} {}", noise(dice, 60), escape(dice, &value));
        let mut found = Found::default();
        let scanner = scanner_of(std::slice::from_ref(&value));
        let out = scanner.redact_text(text.as_bytes(), &mut found);
        prop_assert!(found.any(), "nothing found of {:?} in {:?}", value, text);
        let out = out.unwrap_or_default();
        prop_assert_eq!(shows(&out, &value), None, "{:?} from {:?}", String::from_utf8_lossy(&out), text);
    }

    #[test]
    fn values_in_the_text_change_nothing_about_when_it_is_released(seed: u64) {
        let dice = &mut Dice(seed);
        let values: Vec<_> = (0..3).map(|_| value(dice)).collect();
        let mut text = Vec::new();
        for _ in 0..1 + dice.below(12) {
            text.extend(noise(dice, 300).into_bytes());
            let which = dice.below(values.len());
            text.extend(form(dice, &values[which]).into_bytes());
        }
        let mut redactor = Redactor::new(scanner_of(&values));
        let whole = redact_chunks(&scanner_of(&values), [&text[..]]).0;
        let (mut out, mut taken, mut line) = (Vec::new(), 0_usize, 0);
        for chunk in chunks(dice, &text) {
            line = memchr::memrchr(b'\n', chunk).map_or(line, |at| taken + at + 1);
            taken += chunk.len();
            redactor.push(chunk, &mut out);
            prop_assert_eq!(redactor.decided(), line.max(taken.saturating_sub(WINDOW)) as u64);
            prop_assert!(whole.starts_with(&out));
        }
    }
}

proptest! {
    // Each case is a long text.
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn beginnings_of_values_over_and_over_hide_nothing(seed: u64) {
        let dice = &mut Dice(seed);
        let unit = *dice.one(&[&"a", &"ab1", &"%61", &"Q7-"]);
        let length = 40 + dice.below(200);
        let value = format!("{}Z{}", unit.repeat(length / unit.len()), dice.text(ALNUM, 3));
        let mut text = String::new();
        for _ in 0..1 + dice.below(5) {
            let front = &value[..value.len() - 1 - dice.below(length / 2)];
            text += &if dice.below(2) == 0 { escape(dice, front) } else { front.to_owned() }.repeat(1 + dice.below(8));
            text += dice.one(&["", "\n", "x", " "]);
            text += &if dice.below(2) == 0 { escape(dice, &value) } else { value.clone() };
            text += dice.one(&["", "\n", "\nclean\n"]);
        }
        let scanner = scanner_of(std::slice::from_ref(&value));
        for left in [0, 300, 10_000] {
            let with = |chunks: &[&[u8]]| {
                let (mut redactor, mut out) = (Redactor::with_effort(Arc::clone(&scanner), left), Vec::new());
                chunks.iter().for_each(|chunk| redactor.push(chunk, &mut out));
                redactor.finish(&mut out);
                out
            };
            let whole = with(&[text.as_bytes()]);
            let cut = with(&chunks(dice, text.as_bytes()));
            prop_assert_eq!(String::from_utf8_lossy(&cut), String::from_utf8_lossy(&whole), "{} with {}", value.len(), left);
            prop_assert!(!String::from_utf8_lossy(&whole).contains(&value));
            prop_assert_eq!(text.matches("\nclean\n").count(), String::from_utf8_lossy(&whole).matches("\nclean\n").count());
        }
    }
}
