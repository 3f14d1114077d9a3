//! Attacks on placeholders in a body, up to the body that would be sent.

use http::{HeaderValue, Method, header};

use super::{take_fields, take_pairs};
use crate::call::{Auth, Body, Call, FieldPath};
use crate::fuzz::{Input, Target};
use crate::inject::{Draft, Placed, inject};
use crate::policy::Slot;
use crate::secret_ref::{SecretName, SecretRef};

/// The value stands in the granted field, once, and every other place is as it was.
pub(crate) const PLACEHOLDER_BODY: Target =
    Target { name: "placeholder_body", attack: placeholder_body, seeds, words: WORDS };

const WORDS: &[&str] =
    &["AS_SECRET_KEY", "sk-AS_SECRET_3_KEY", "\"auth\":{\"key\":", "\"list\":[", "key=", "&", "%41S_SECRET_KEY", "+"];
/// No text of an attack has it.
const VALUE: &str = "a \"value\"\\ & 1%=+\u{e9}\u{7f}";

fn placeholder_body(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 2 {
        0 => fields(input.rest()),
        _ => pairs(input.rest()),
    }
}

fn call(text: &[u8], kind: &'static str) -> Call {
    let mut call = Call::new(Method::POST, "https://api.example.com/v1").expect("a URL");
    call.body(text.to_vec());
    call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    call
}

fn name() -> SecretName {
    SecretName::parse("KEY").expect("a name")
}

/// The body as it would be sent.
fn sent(call: Call) -> Option<Vec<u8>> {
    let placed = |auth, secret| Placed { auth, secret, value: VALUE.as_bytes() };
    let places: Vec<_> = call.injections.iter().map(|injection| placed(&injection.auth, &injection.secret)).collect();
    let draft = Draft { method: call.method, url: call.url, headers: call.headers, body: call.body };
    let (_, _, _, _, body) = inject(draft, &places).ok()?.0.into_parts();
    match body {
        Body::Bytes(bytes) => Some(bytes.to_vec()),
        _ => Some(Vec::new()),
    }
}

fn surrounded(secret: &SecretRef) -> String {
    let (before, after) = secret.surround();
    format!("{before}{VALUE}{after}")
}

fn fields(text: &[u8]) {
    let paths = ["auth.key", "/list/1"].map(|path| FieldPath::parse(path).expect("a path"));
    let slots = paths.map(|path| (name(), Slot::BodyField(path)));
    let mut call = call(text, "application/json");
    if take_fields(&mut call, text, &slots).is_err() || call.injections.is_empty() {
        return;
    }
    let mut wanted: serde_json::Value = serde_json::from_slice(text).expect("only JSON has fields");
    for injection in &call.injections {
        let Auth::BodyField(path) = &injection.auth else { panic!("no field") };
        let pointer = if path.as_str() == "auth.key" { "/auth/key" } else { "/list/1" };
        *wanted.pointer_mut(pointer).expect("it was found there") = surrounded(&injection.secret).into();
    }
    let Some(sent) = sent(call) else { return };
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&sent).expect("JSON still"), wanted);
}

fn pairs(text: &[u8]) {
    let slots = ["key", "b c"].map(|field| (name(), Slot::FormField(field.to_owned())));
    let mut call = call(text, "application/x-www-form-urlencoded");
    if take_pairs(&mut call, text, &slots).is_err() {
        return;
    }
    let read = |text: &[u8]| url::form_urlencoded::parse(text).into_owned().collect::<Vec<(String, String)>>();
    let mut wanted = read(text);
    for injection in &call.injections {
        let Auth::FormField(field) = &injection.auth else { panic!("no field") };
        let at = wanted.iter().position(|(key, value)| key == field && is_placeholder(value));
        wanted.remove(at.expect("it was found there"));
        wanted.push((field.clone(), surrounded(&injection.secret)));
    }
    let Some(sent) = sent(call) else { return };
    assert_eq!(read(&sent), wanted);
}

fn is_placeholder(text: &str) -> bool {
    crate::call::placeholder::find(text.as_bytes()).is_some_and(|found| found.name == name())
}

fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "\0{\"auth\":{\"key\":\"AS_SECRET_KEY\",\"x\":1},\"list\":[1,\"sk-AS_SECRET_3_KEY\"]}",
        "\0{\"auth\":{\"key\":\"a AS_SECRET_KEY b\"},\"note\":\"AS_SECRET_KEY\",\"auth2\":{\"auth\":{\"key\":1}}}",
        "\u{1}a=1&key=AS_SECRET_KEY&key=2&b+c=x%20AS_SECRET_KEY&note=AS_SECRET_KEY",
        "\u{1}&&key=%41S_SECRET_KEY&=",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
