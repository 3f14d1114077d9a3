//! Attacks on the finder of placeholders.

use http::{HeaderName, HeaderValue, Method};

use super::placeholder::{around, find, is_in};
use super::{Auth, Call};
use crate::fuzz::{Input, Target};
use crate::secret_ref::PLACEHOLDER_PREFIX;

/// What is found stands there, nothing that stands there is left, and nothing else moves.
pub(crate) const PLACEHOLDER: Target = Target { name: "placeholder", attack: placeholder, seeds, words: WORDS };

const WORDS: &[&str] = &[
    "AS_SECRET_",
    "AS_SECRET_KEY",
    "AS_SECRET_3_KEY",
    "sk-AS_SECRET_3_KEY",
    "authorization:",
    "Bearer ",
    "Basic ",
    "QVNfU0VDUkVUX0tFWTo=",
    "AS%5FSECRET%5FKEY",
    "&key=",
    "?key=",
    "{}",
];

fn placeholder(data: &[u8]) {
    in_text(data);
    let mut input = Input::new(data);
    let Ok(mut call) = Call::new(Method::GET, input.text()) else { return };
    for line in input.rest().split(|byte| *byte == b'\n').take(64) {
        let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
        if let Ok(name) = std::str::from_utf8(&line[..at]) {
            let _ = call.header(name, &line[at + 1..]);
        }
    }
    in_call(call);
}

fn in_text(text: &[u8]) {
    let Some(found) = find(text) else {
        let plain = [text, b" AS_SECRET_KEY"].concat();
        let found = find(&plain).expect("a placeholder behind anything else is found");
        assert_eq!((found.start, found.end), (plain.len() - 13, plain.len()));
        return;
    };
    let said = std::str::from_utf8(&text[found.start..found.end]).expect("a placeholder is ASCII");
    assert!(said.ends_with(found.name.as_str()) && said.contains(PLACEHOLDER_PREFIX), "{said}");
    assert!(!is_in(&text[..found.start]), "the first is found first");
    if let Ok(secret) = around(text, "a text") {
        let (before, after) = secret.surround();
        assert_eq!([before.as_bytes(), said.as_bytes(), after.as_bytes()].concat(), text);
    }
}

fn in_call(mut call: Call) {
    let (url, headers) = (call.url.clone(), call.headers.clone());
    if call.take_placeholders().is_err() {
        return;
    }
    assert_eq!((call.url.origin(), call.url.path()), (url.origin(), url.path()), "where a call goes is not touched");
    for (name, value) in &call.headers {
        assert!(!is_in(value.as_bytes()), "{name} has a placeholder left");
    }
    let pairs = |query: Option<&str>| query.map_or(0, |query| query.split('&').count());
    let query = call.url.query().unwrap_or_default();
    for (_, value) in url::form_urlencoded::parse(query.as_bytes()) {
        assert!(!is_in(value.as_bytes()), "the query has a placeholder left");
    }
    let taken = |auth: &Auth| match auth {
        Auth::Query(_) => (0, 1),
        _ => (1, 0),
    };
    let counts = call.injections.iter().map(|it| taken(&it.auth)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    // One said twice in the query is one injection.
    assert!(headers.len() - call.headers.len() == counts.0 && pairs(url.query()) - pairs(call.url.query()) >= counts.1);
    let kept = |name: &HeaderName, value: &HeaderValue| headers.get_all(name).iter().any(|own| own == value);
    assert!(call.headers.iter().all(|(name, value)| kept(name, value)), "what is left is what was said");
}

fn seeds() -> Vec<Vec<u8>> {
    let url = "https://api.example.com/v1";
    let credentials = "QVNfU0VDUkVUX1VTRVI6eA==";
    let texts = [
        format!(
            "{url}?key=AS_SECRET_KEY&x=1&key=%41S_SECRET_OTHER\0authorization:Bearer AS_SECRET_KEY\nx-key:sk-AS_SECRET_3_KEY"
        ),
        format!("{url}\0authorization:Basic {credentials}\naccept:*/*"),
        format!("{url}\0authorization:token AS_SECRET_KEY\nx-a:AS_SECRET_KEY;AS_SECRET_OTHER"),
        "before AS_SECRET_KEY after".to_owned(),
        "AS_SECRET_AS_SECRET_5_KEY".to_owned(),
    ];
    texts.map(String::into_bytes).to_vec()
}
