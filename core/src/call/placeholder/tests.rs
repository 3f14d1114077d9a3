use proptest::prelude::*;

use super::*;
use http::Method;

fn call(url: &str, headers: &[(&str, &str)]) -> Call {
    let mut call = Call::new(Method::GET, url).expect("a URL");
    for (name, value) in headers {
        call.header(name, value.as_bytes()).expect("a header");
    }
    call
}

/// What a call says after its placeholders were taken: places, names and patterns.
fn taken(url: &str, headers: &[(&str, &str)]) -> Result<Vec<(Auth, String, Option<String>)>> {
    let mut call = call(url, headers);
    call.take_placeholders()?;
    let told = call.injections.iter().map(|it| (it.auth.clone(), it.secret.name().to_string(), it.secret.pattern()));
    Ok(told.collect())
}

fn basic_header(text: &str) -> String {
    format!("Basic {}", BASIC.encode(text))
}

const URL: &str = "https://api.example.com/v1";

#[test]
fn a_name_is_the_longest_run_and_no_part_of_a_word() {
    for (text, name) in [
        ("AS_SECRET_KEY", Some("KEY")),
        ("AS_SECRET_KEY_2x", Some("KEY_2")),
        ("(AS_SECRET_A)", Some("A")),
        ("MY_AS_SECRET_KEY", None),
        ("as_secret_key", None),
        ("AS_SECRET_", None),
        ("AS_SECRET__A", None),
        ("AS_SECRET_x AS_SECRET_B", Some("B")),
        ("AS_SECRET_AS_SECRET_B", Some("AS_SECRET_B")),
    ] {
        assert_eq!(find(text.as_bytes()).map(|found| found.name.to_string()).as_deref(), name, "{text}");
    }
}

#[test]
fn a_key_like_placeholder_takes_its_beginning_along() {
    let like = SecretRef::new("KEY").and_then(|key| key.placeholder_like("sk-")).expect("a beginning");
    assert_eq!(like, "sk-AS_SECRET_3_KEY");
    let found = find(like.as_bytes()).expect("found");
    assert_eq!((found.start, found.end), (0, like.len()));
    assert_eq!(find(b"xAS_SECRET_3_KEY"), None, "there are not so many bytes before it");
    assert_eq!(find(b"a bAS_SECRET_3_KEY"), None, "a space is no part of a key");
    assert_eq!(find(b"AS_SECRET_99_KEY"), None);
    for wrong in ["", " ", "a b", "ä", &"x".repeat(65)] {
        assert!(SecretRef::new("KEY").and_then(|key| key.placeholder_like(wrong)).is_err(), "{wrong:?}");
    }
}

#[test]
fn each_place_becomes_its_own_style() {
    let bearer = taken(URL, &[("authorization", "bearer AS_SECRET_A")]).expect("taken");
    assert_eq!(bearer, [(Auth::Bearer, "A".to_owned(), None)]);
    let like = taken(URL, &[("authorization", "Bearer sk-ant-AS_SECRET_7_A")]).expect("taken");
    assert_eq!(like, [(Auth::Bearer, "A".to_owned(), None)]);
    let bot = taken(URL, &[("authorization", "Bot AS_SECRET_A")]).expect("taken");
    assert_eq!(bot, [(Auth::Header(header::AUTHORIZATION), "A".to_owned(), Some("Bot {}".to_owned()))]);
    let key = taken(URL, &[("x-api-key", "AS_SECRET_A"), ("accept", "text/plain")]).expect("taken");
    assert_eq!(key, [(Auth::Header(HeaderName::from_static("x-api-key")), "A".to_owned(), None)]);
    let query = taken(&format!("{URL}?a=1&key=AS_SECRET_A&b=%2f"), &[]).expect("taken");
    assert_eq!(query, [(Auth::Query("key".to_owned()), "A".to_owned(), None)]);
}

#[test]
fn the_query_keeps_its_other_parameters_byte_for_byte() {
    let mut call = call(&format!("{URL}?sig=a'b%2f&key=AS_SECRET_A&flag&x=AS_SECRET_B"), &[]);
    call.take_placeholders().expect("taken");
    assert_eq!(call.url.query(), Some("sig=a'b%2f&flag"));
    assert_eq!(call.injections.len(), 2);
}

#[test]
fn basic_is_looked_into() {
    for (text, pattern) in [
        ("AS_SECRET_A", None),
        ("AS_SECRET_A:", Some("{}:")),
        ("x-access-token:AS_SECRET_A", Some("x-access-token:{}")),
    ] {
        let found = taken(URL, &[("authorization", &basic_header(text))]).expect("taken");
        assert_eq!(found, [(Auth::Basic, "A".to_owned(), pattern.map(str::to_owned))], "{text}");
    }
    let unpadded = basic_header("AS_SECRET_AB:").trim_end_matches('=').to_owned();
    assert_eq!(taken(URL, &[("authorization", &unpadded)]).expect("taken").len(), 1);
    assert!(taken(URL, &[("authorization", &basic_header("someone:else"))]).expect("none").is_empty());
}

#[test]
fn a_second_one_in_a_place_is_refused() {
    for headers in [
        vec![("x-key", "AS_SECRET_A AS_SECRET_B")],
        vec![("x-key", "AS_SECRET_A"), ("x-key", "plain")],
        vec![("authorization", "Bearer AS_SECRET_A"), ("authorization", "Bot AS_SECRET_B")],
    ] {
        assert_eq!(taken(URL, &headers).expect_err("refused").code(), ErrorCode::InvalidCall, "{headers:?}");
    }
    assert!(taken(&format!("{URL}?k=AS_SECRET_A&k=AS_SECRET_A"), &[]).is_ok(), "the same, said twice");
    assert!(taken(&format!("{URL}?k=AS_SECRET_A&k=AS_SECRET_B"), &[]).is_err());
}

proptest! {
    #[test]
    fn what_is_found_stands_there_and_nothing_panics(text in "[AS_ECRT3K \u{e4}-]{0,40}") {
        if let Some(found) = find(text.as_bytes()) {
            let said = &text.as_bytes()[found.start..found.end];
            prop_assert!(said.ends_with(found.name.as_str().as_bytes()));
            prop_assert_eq!(find(said), Some(Found { start: 0, end: said.len(), name: found.name }));
        }
    }

    #[test]
    fn every_name_is_found_in_its_placeholder(name in "[A-Z][A-Z0-9_]{0,30}", before in "[a-z0-9-]{1,20}") {
        let key = SecretRef::new(&name).expect("a name");
        let plain = find(key.placeholder().expect("bare").as_bytes()).expect("found");
        prop_assert_eq!(plain.name.as_str(), name.as_str());
        let like = key.placeholder_like(&before).expect("bare");
        let found = find(like.as_bytes()).expect("found");
        prop_assert_eq!((found.start, found.name.as_str()), (0, name.as_str()));
    }
}
