use super::*;

#[test]
fn a_reference_prints_as_it_was_written() {
    for text in ["A", "STRIPE_KEY", "payments/production/STRIPE_KEY", "agentsecrets://w/p/e/NAME_1"] {
        assert_eq!(SecretRef::new(text).expect("legal").to_string(), text);
    }
}

#[test]
fn what_is_no_name_is_refused_and_never_repeated() {
    let pasted = format!("sk_live_{}", "x7Zq".repeat(8));
    for text in ["", "a", "1A", "A-B", "_A", "Ä", "p/NAME", "a/b/c/D", "agentsecrets://A", &"A".repeat(129), &pasted] {
        let error = SecretRef::new(text).expect_err("illegal");
        assert_eq!(error.code(), ErrorCode::InvalidCall);
        assert!(!format!("{error} {error:?}").contains(&pasted));
    }
    assert!(SecretRef::new(&"A".repeat(128)).is_ok());
}

#[test]
fn foreign_spellings_are_mapped() {
    let nearest = |text| SecretName::nearest(text).map(|name| name.to_string());
    assert_eq!(nearest("stripe-key").as_deref(), Some("STRIPE_KEY"));
    assert_eq!(nearest("2captcha").as_deref(), Some("S_2CAPTCHA"));
    assert_eq!(nearest("--"), None);
    assert_eq!(nearest(&"9".repeat(200)).map(|name| name.len()), Some(SecretName::MAX_LEN));
}

#[test]
fn only_a_bare_name_has_a_placeholder() {
    assert_eq!(SecretRef::new("A_1").and_then(|r| r.placeholder()).expect("bare"), "AS_SECRET_A_1");
    assert!(SecretRef::new("p/e/A").expect("scoped").placeholder().is_err());
}

#[test]
fn a_format_has_one_slot() {
    let key = SecretRef::new("K").expect("legal");
    assert_eq!(key.format("Bot {}").expect("one slot").surround(), ("Bot ", ""));
    assert!(key.format("Bot").is_err());
    assert!(key.format("{}{}").is_err());
}
