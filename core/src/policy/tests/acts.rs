//! The owner's acts, the denies, and what is read back.

use serde_json::{Value, json};

use super::kit::{Home, NOW, label, name, rule, terms};
use crate::error::ErrorCode;
use crate::policy::{Document, Grant, Rule, Slot, TrustRoot, parse_expiry};

const URL: &str = "https://api.stripe.com/v1/charges";
const CALL: &[(&str, &str)] = &[("STRIPE_KEY", "bearer")];

#[test]
fn a_sentence_says_what_becomes_possible() {
    let sentence = |terms| Grant::new(Home::new().project(), name("STRIPE_KEY"), terms, NOW).expect("legal").sentence();
    let mut long = terms("http://localhost:9000/v1/*").with_slots(vec![Slot::parse("bearer").expect("a slot")]);
    assert_eq!(
        sentence(long.clone()),
        "STRIPE_KEY may go to http://localhost:9000/v1/* in cleartext as bearer, with any method"
    );
    assert_eq!(
        sentence(terms("api.stripe.com")),
        "STRIPE_KEY may go to api.stripe.com as bearer, basic or header Authorization, with any method"
    );
    long.slots = vec![Slot::parse("form:a\u{1b}[2J").expect("a slot")];
    long.methods = vec!["get".parse().expect("a method"), "POST".parse().expect("a method")];
    long.environment = Some(label("production"));
    long.private = true;
    long.permit_headers = vec![http::header::RANGE];
    long.expires = Some(parse_expiry("30d", NOW).expect("a time"));
    assert_eq!(
        sentence(long),
        "STRIPE_KEY may go to http://localhost:9000/v1/* in cleartext as form field a\\u{1b}[2J, with GET or POST, in \
         production only, at private addresses too, with the caller's own Range, until 2023-12-14T22:13:20Z"
    );
}

#[test]
fn a_deny_is_lifted_by_the_owners_allow_of_the_same_rule_only() {
    let home = Home::new().grant("STRIPE_KEY", terms("api.stripe.com")).deny("STRIPE_KEY", Some("*.stripe.com"));
    assert!(home.ask(URL, CALL).is_err());
    let home = home.grant("STRIPE_KEY", terms("api.stripe.com")).grant("STRIPE_KEY", terms("http://*.stripe.com"));
    assert!(home.ask(URL, CALL).is_err(), "a narrower rule, or another, lifts no wider deny");
    let home = home.grant("STRIPE_KEY", terms("HTTPS://*.Stripe.com:443"));
    assert!(home.ask(URL, CALL).is_ok());
    let home = home.deny("STRIPE_KEY", Some("*.stripe.com"));
    assert!(home.ask(URL, CALL).is_err(), "and a later deny counts again");
}

#[test]
fn a_deny_of_everything_leaves_what_the_owner_allows_later() {
    let home = Home::new().grant("STRIPE_KEY", terms("api.stripe.com")).grant("STRIPE_KEY", terms("a.example.com"));
    let home = home.deny("STRIPE_KEY", None);
    assert!(home.ask(URL, CALL).is_err());
    let home = home.grant("STRIPE_KEY", terms("api.stripe.com"));
    assert!(home.ask(URL, CALL).is_ok());
    assert!(home.ask("https://a.example.com/", CALL).is_err(), "the other grant is older than the deny");
}

#[test]
fn grants_add_up() {
    let mut home = Home::new().grant("STRIPE_KEY", terms("api.stripe.com")).grant("STRIPE_KEY", terms("a.example.com"));
    let mut again = terms("https://API.stripe.com:443");
    again.expires = Some(parse_expiry("1h", NOW).expect("a time"));
    home = home.grant("STRIPE_KEY", again);
    assert_eq!(home.document.grants.len(), 2, "the same opening again replaces its expiry");
}

#[test]
fn a_grant_that_opens_too_much_is_not_made() {
    let make = |terms| Grant::new(Home::new().project(), name("K"), terms, NOW).map(drop);
    for slot in ["body:a", "form:a"] {
        let slots = vec![Slot::parse("bearer").expect("a slot"), Slot::parse(slot).expect("a slot")];
        let error = make(terms("api.example.com").with_slots(slots.clone())).expect_err("no path");
        assert_eq!((error.code(), error.code().exit_code()), (ErrorCode::InvalidCall, 2));
        assert!(error.hint().expect("a hint").contains("--path"));
        make(terms("api.example.com/oauth/token").with_slots(slots)).expect("a path");
    }
    for header in ["host", "proxy-authorization", "accept-encoding", "authorization"] {
        let mut terms = terms("api.example.com");
        terms.permit_headers = vec![header.parse().expect(header)];
        assert!(make(terms).is_err(), "{header}");
    }
    let mut late = terms("api.example.com");
    late.expires = Some(NOW);
    assert!(make(late).is_err());
    let mut trace = terms("api.example.com");
    trace.methods = vec!["trace".parse().expect("a method")];
    assert!(make(trace).is_err());
    assert!(rule("a.example.com/x").with_path("/y").is_err());
    assert_eq!(rule("a.example.com").with_path("/y").expect("a path"), rule("a.example.com/y"));
}

#[test]
fn times_are_read() {
    let seconds = |text| parse_expiry(text, NOW).map(|end| end.as_second() - NOW.as_second()).ok();
    assert_eq!(
        ["90m", "12h", "30d", "2w", "3660d"].map(seconds),
        [Some(5_400), Some(43_200), Some(2_592_000), Some(1_209_600), Some(316_224_000)]
    );
    for text in ["", "d", "0d", "-1d", "+1d", "1", "1s", "1.5d", "3661d", "99999999999999999999d", "1 d", "1é", "30D"]
    {
        assert_eq!(seconds(text), None, "{text}");
    }
}

#[test]
fn projects_links_and_roots() {
    let mut document = Home::new().document;
    let (payments, change) = document.create_project(label("payments")).expect("a new name");
    assert!(change.changed && document.create_project(label("payments")).is_err());
    assert!(!document.is_linked(payments));
    assert!(document.link("relative".as_ref(), payments).is_err());
    assert!(document.link("/w".as_ref(), uuid::Uuid::nil()).is_err());
    let change = document.link("/w/pay".as_ref(), payments).expect("known");
    assert_eq!(change.says, "Agents in /w/pay may use the secrets of payments");
    assert!(!document.link("/w/pay".as_ref(), payments).expect("known").changed);
    let found =
        |document: &Document, path: &str| document.linked(path.as_ref()).map(|project| project.name.to_string());
    assert_eq!(found(&document, "/w/pay/src/deep").as_deref(), Some("payments"));
    assert_eq!(found(&document, "/w/payments"), None);
    assert!(document.link("/w/pay".as_ref(), document.default_project).expect("known").changed);
    assert_eq!(found(&document, "/w/pay").as_deref(), Some("shop"));
    assert_eq!(document.links.len(), 1);

    let root = TrustRoot { id: "ab".repeat(32), pem: String::new(), subject: "CN=corp".to_owned() };
    assert!(document.add_trust(root.clone()).changed && !document.add_trust(root).changed);
    assert!(document.remove_trust("abab").is_err() && document.remove_trust("cdcdcdcd").is_err());
    assert!(document.remove_trust("ABABABAB").expect("one").changed && document.trust.is_empty());
}

#[test]
fn what_is_granted_is_looked_for() {
    let mut short = terms("b.example.com");
    short.expires = Some(parse_expiry("1h", NOW).expect("a time"));
    let mut only = terms("c.example.com");
    only.environment = Some(label("production"));
    let home = Home::new().grant("A", terms("a.example.com")).grant("B", short).grant("C", only).deny("A", None);
    let later = NOW + jiff::SignedDuration::from_hours(2);
    let names = |environment: &str, now| {
        let policy = home.policy();
        let environment = label(environment);
        let mut names: Vec<String> =
            policy.granted_secrets(home.project(), &environment, now).map(|(name, _)| name.to_string()).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(names("development", NOW), "A B");
    assert_eq!(names("production", NOW), "A B C");
    assert_eq!(names("production", later), "A C");
    assert_eq!(home.policy().granted_secrets(uuid::Uuid::nil(), &label("production"), NOW).count(), 0);
}

#[test]
fn a_document_that_is_not_understood_is_refused() {
    let home =
        Home::new().grant("K", terms("api.example.com/x").with_slots(vec![Slot::parse("form:f").expect("a slot")]));
    let whole: Value = serde_json::from_slice(&home.document.to_bytes()).expect("JSON");
    let parse = |change: &dyn Fn(&mut Value)| {
        let mut changed = whole.clone();
        change(&mut changed);
        Document::parse(changed.to_string().as_bytes()).map_err(|error| error.code())
    };
    assert!(parse(&|_| {}).is_ok());
    let stranger = json!(uuid::Uuid::nil());
    // A shared workspace's projects are not among the document's own.
    assert!(parse(&|v| v["links"] = json!([{"directory": "/", "project": stranger}])).is_ok());
    let changes: [&dyn Fn(&mut Value); 12] = [
        &|v| v["format"] = json!(2),
        &|v| v["format"] = json!(0),
        &|v| v["surprise"] = json!(true),
        &|v| v["grants"][0]["surprise"] = json!(true),
        &|v| v["grants"][0]["terms"]["agent"] = json!("ci"),
        &|v| v["grants"][0]["terms"]["rule"] = json!("https://api.example.com"),
        &|v| v["grants"][0]["terms"]["rule"] = json!("no rule"),
        &|v| v["grants"][0]["terms"]["slots"] = json!([]),
        &|v| v["grants"][0]["terms"]["slots"] = json!(["everywhere"]),
        &|v| v["grants"][0]["project"] = stranger.clone(),
        &|v| v["default_project"] = stranger.clone(),
        &|v| v["projects"].as_array_mut().map(|list| list.push(list[0].clone())).unwrap_or_default(),
    ];
    for (at, change) in changes.iter().enumerate() {
        assert_eq!(parse(change).err(), Some(ErrorCode::PolicyInvalid), "change {at}");
    }
    assert_eq!(Document::parse(b"").err().map(|error| error.code()), Some(ErrorCode::PolicyInvalid));
}

#[test]
fn a_signed_wildcard_that_became_a_public_suffix_reaches_nothing() {
    let mut home = Home::new().grant("STRIPE_KEY", terms("*.example.com"));
    home.document.grants[0].terms.rule = Rule::read("*.github.io").expect("a rule");
    assert!(home.ask("https://someone.github.io/", CALL).is_err());
}
