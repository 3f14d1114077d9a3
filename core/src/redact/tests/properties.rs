//! No form of any value leaves, however escaped and however cut; nothing else is touched.

use proptest::prelude::*;

use super::super::oracle::{ALNUM, escape, form, noise, shows, value};
use super::super::{Found, Scanner, stream::WINDOW};
use super::{redact_chunks, scanner};
use crate::fuzz::{Dice, chunks};

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
