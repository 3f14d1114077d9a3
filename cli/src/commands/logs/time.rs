//! A point in time as it is typed.

use agentsecrets::{Error, Result};
use jiff::{SignedDuration, Timestamp};

use crate::commands::usage;

/// Reads a moment (RFC 3339), the beginning of a day in UTC, or how long ago.
pub(super) fn parse(text: &str) -> Result<Timestamp> {
    parse_at(text, Timestamp::now())
}

fn parse_at(text: &str, now: Timestamp) -> Result<Timestamp> {
    let day = if text.len() == "2026-11-23".len() { "T00:00:00Z" } else { "" };
    if let Ok(time) = format!("{text}{day}").parse() {
        return Ok(time);
    }
    let unit = match text.chars().last() {
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some('w') => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let number = Some(&text[..text.len() - 1]).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    let seconds = number.and_then(|number| number.parse::<i64>().ok()?.checked_mul(unit)).ok_or_else(wrong)?;
    now.checked_sub(SignedDuration::from_secs(seconds)).map_err(|_| wrong())
}

fn wrong() -> Error {
    usage(
        "a time is a day, a moment with its offset, or how long ago",
        "write 2026-11-23, 2026-11-23T21:00:00Z, 90m, 12h, 30d or 2w",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_moments_and_ages_are_read_and_nothing_else() {
        let now: Timestamp = "2026-11-23T21:00:00Z".parse().expect("a time");
        for (text, time) in [
            ("2026-11-23", "2026-11-23T00:00:00Z"),
            ("2026-11-23T22:00:00+01:00", "2026-11-23T21:00:00Z"),
            ("90m", "2026-11-23T19:30:00Z"),
            ("2w", "2026-11-09T21:00:00Z"),
        ] {
            assert_eq!(parse_at(text, now).expect("legal").to_string(), time);
        }
        for wrong in ["", "h", "-1h", "1.5h", "yesterday", "2026-11", "99999999999999w", "2026-11-23T21:00:00"] {
            assert!(parse_at(wrong, now).is_err(), "{wrong}");
        }
    }
}
