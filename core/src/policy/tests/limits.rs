//! The arithmetic of windows, at their borders above all.

use proptest::prelude::*;

use crate::policy::{Amount, Window};

/// Calls at these moments, and which of them are let through.
fn admitted(amount: Amount, moments: &[i64]) -> Vec<i64> {
    let mut window = Window::default();
    let mut through = Vec::new();
    for now in moments {
        if let Ok(after) = amount.with_one_more(window, *now) {
            window = after;
            through.push(*now);
        }
    }
    through
}

proptest! {
    #[test]
    fn no_window_holds_more_than_its_number(
        calls in 1_u32..6, seconds in 1_u64..5, mut steps in prop::collection::vec(0_i64..3_000, 1..60),
    ) {
        let amount = Amount { calls, seconds };
        let period = i64::try_from(seconds * 1000).expect("small");
        let mut now = 1_000_000;
        for step in &mut steps {
            now += *step;
            *step = now;
        }
        let through = admitted(amount, &steps);
        // Windows begin with the first call that is let through after the last one ended.
        let mut rest = through.as_slice();
        while let Some(began) = rest.first() {
            let inside = rest.iter().take_while(|at| **at < began + period).count();
            prop_assert!(inside <= calls as usize);
            rest = &rest[inside..];
        }
        // Any period at all holds twice as many at most.
        for began in &through {
            let inside = through.iter().filter(|at| (*began..began + period).contains(at)).count();
            prop_assert!(inside <= 2 * calls as usize);
        }
    }

    #[test]
    fn a_refusal_names_the_first_moment_that_is_let_through(
        calls in 1_u32..5, seconds in 1_u64..100_000, began in 0_i64..4_000_000_000_000, late in 0_i64..100_000_000,
    ) {
        let amount = Amount { calls, seconds };
        let window = Window { began, used: calls };
        let now = began + late;
        match amount.with_one_more(window, now) {
            Err(until) => {
                prop_assert!(until > now);
                prop_assert!(amount.with_one_more(window, until - 1).is_err());
                prop_assert_eq!(amount.with_one_more(window, until), Ok(Window { began: until, used: 1 }));
                prop_assert_eq!((amount.used(window, until - 1), amount.used(window, until)), (calls, 0));
            }
            Ok(after) => prop_assert_eq!((after, late >= 1000), (Window { began: now, used: 1 }, true)),
        }
    }

    #[test]
    fn an_amount_prints_as_it_is_read(calls in 1_u32.., seconds in 1_u64..=366 * 86_400) {
        let amount = Amount { calls, seconds };
        prop_assert_eq!(Amount::parse(&amount.to_string()).expect("legal"), amount);
    }
}

#[test]
fn a_limit_is_a_number_and_a_period() {
    let parse = |text| Amount::parse(text).ok().map(|it| (it.calls, it.seconds));
    assert_eq!(parse("1000/1d"), Some((1000, 86_400)));
    assert_eq!(parse("5/90s"), Some((5, 90)));
    for wrong in [
        "",
        "/",
        "1",
        "1/",
        "/1d",
        "0/1d",
        "1/0d",
        "1/d",
        "1/1x",
        "+1/1d",
        "1/+1d",
        "-1/1d",
        "1/99999999d",
        "99999999999/1d",
        "1/1é",
        "1 /1d",
        "1/367d",
    ] {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
}

#[test]
fn a_window_that_lies_ahead_is_not_believed() {
    let amount = Amount { calls: 1, seconds: 60 };
    assert_eq!(amount.with_one_more(Window { began: 9_000, used: 1 }, 8_999), Ok(Window { began: 8_999, used: 1 }));
    assert!(amount.with_one_more(Window { began: i64::MAX - 5, used: 1 }, i64::MAX - 1).is_err());
}
