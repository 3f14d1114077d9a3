//! Attacks on what crosses the socket.

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::incoming::parse_many;
use super::protocol::{self, AnswerHeader, CallHeader, Finish, TailHeader, json_header, read_error};
use crate::call::Call;
use crate::context::Selection;
use crate::control::{Question, SetManyRequest, SetRequest, WireError};
use crate::fuzz::{Input, Target};
use crate::release::{DoorRequest, Event, Order};

/// A call that is read is the same call when it crosses again.
pub(crate) const CALL: Target = Target { name: "broker_call", attack: call, seeds: call_seeds, words: WORDS };
/// So is an answer, a tail and an error.
pub(crate) const ANSWER: Target = Target { name: "broker_answer", attack: answer, seeds: answer_seeds, words: WORDS };
/// So is anything else that is asked, and values come in as they were cut.
pub(crate) const QUESTION: Target =
    Target { name: "broker_question", attack: question, seeds: question_seeds, words: WORDS };

const WORDS: &[&str] = &[
    "\"v\":1",
    "\"inject\":",
    "\"style\":",
    "\"secret\":",
    "\"name\":",
    "\"format\":\"{}\"",
    "body_field",
    "form_field",
    "query",
    "header",
    "basic",
    "\"timeout_ms\":",
    "\"selection\":{}",
    "\"trailers\":[]",
    "\"error\":null",
    "null",
    "18446744073709551615",
    "\\u007f",
    "\\ud83d\\ude00",
];

/// A request over the socket: method, URL and call header, then a header a line.
fn request(data: &[u8]) -> Option<Request<()>> {
    let mut input = Input::new(data);
    let method = Method::from_bytes(input.piece()).ok()?;
    let url = Uri::try_from(input.piece()).ok()?;
    let mut request = Request::builder().method(method).uri(url);
    request = request.header(protocol::CALL, HeaderValue::from_bytes(input.piece()).ok()?);
    for line in input.rest().split(|byte| *byte == b'\n').take(64) {
        let (name, value) = line.split_at_checked(line.iter().position(|byte| *byte == b':')?)?;
        let (name, value) = (HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(&value[1..]).ok()?);
        request = request.header(name, value);
    }
    request.body(()).ok()
}

fn call(data: &[u8]) {
    let Some(request) = request(data) else { return };
    let Ok((read, selection, whole)) = CallHeader::read(&request) else { return };
    assert!(!read.headers.keys().any(crate::call::is_connection_header), "the connection's own headers stay here");
    let again = crossed(&read, &selection);
    let (read_again, selection_again, _) = CallHeader::read(&again).expect("what was read is written readably");
    assert_eq!(facts(&read_again), facts(&read));
    assert_eq!(selection_again, selection);
    let _ = whole;
}

fn crossed(call: &Call, selection: &Selection) -> Request<()> {
    let header = json_header(&CallHeader::of(call, selection)).expect("names and numbers make a header");
    let request = Request::builder().method(call.method.clone()).uri(call.url.to_wire()).header(protocol::CALL, header);
    let mut request = request.body(()).expect("a parsed URL is a request's");
    request.headers_mut().extend(call.headers.clone());
    request
}

fn facts(call: &Call) -> impl PartialEq + std::fmt::Debug + '_ {
    let flags = [call.redirects, call.placeholders, call.buffered];
    let numbers = (call.timeout, call.max_response, call.retries);
    (&call.method, call.url.to_wire(), &call.headers, &call.injections, numbers, flags)
}

fn answer(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    if let Ok((tail, error)) = TailHeader::read(&value) {
        let header = json_header(&TailHeader::of(&tail, error.as_ref())).expect("a tail makes a header");
        let (again, error_again) = TailHeader::read(&header).expect("what was read is written readably");
        let facts = |tail: crate::response::Tail| (tail.redacted, tail.unnamed, tail.trailers, tail.audit_incomplete);
        assert_eq!(facts(again), facts(tail));
        assert_eq!(format!("{error_again:?}"), format!("{error:?}"));
    }
    if let Ok(error) = read_error(&value) {
        let again = read_error(&json_header(&WireError::of(&error)).expect("an error makes a header"));
        assert_eq!(format!("{:?}", again.expect("readable")), format!("{error:?}"));
    }
    same_again::<AnswerHeader>(data);
}

fn question(data: &[u8]) {
    same_again::<Question>(data);
    same_again::<SetRequest>(data);
    same_again::<Finish>(data);
    same_again::<DoorRequest>(data);
    same_again::<Order>(data);
    same_again::<Event>(data);
    if let Ok((said, values)) = parse_many(data) {
        assert_eq!(values.len(), said.lengths.len());
        let length: usize = values.iter().map(crate::resolve::SecretInput::len).sum();
        let values: Vec<u8> = values.into_iter().flat_map(crate::resolve::SecretInput::into_bytes).collect();
        assert!(values.len() == length && data.ends_with(&values), "the values are the end of what was sent");
    }
}

/// What is read and written is read and written so again.
fn same_again<T: Serialize + DeserializeOwned>(data: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(data) else { return };
    let written = serde_json::to_vec(&read).expect("what was JSON");
    let again: T = serde_json::from_slice(&written).expect("what was written");
    assert_eq!(serde_json::to_vec(&again).expect("what was JSON"), written);
}

fn call_seeds() -> Vec<Vec<u8>> {
    let header = |inject: &str| format!("{{\"v\":1,\"selection\":{{\"project\":\"shop\"}},\"inject\":[{inject}]}}");
    let styles = [
        r#"{"style":"bearer","secret":"KEY"}"#,
        r#"{"style":"header","name":"X-Key","secret":"payments/production/KEY","format":"Bot {}"}"#,
        r#"{"style":"body_field","name":"/a.b/0","secret":"A"},{"style":"query","name":"k y","secret":"B"}"#,
    ];
    let seed =
        |inject| format!("POST\0https://api.example.com/v1?x=a'b\0{}\0accept:*/*\nx-plain:\u{e9}", header(inject));
    styles.iter().map(|inject| seed(inject).into_bytes()).collect()
}

fn answer_seeds() -> Vec<Vec<u8>> {
    let error = r#"{"code":"timeout","stage":"send","message":"no answer","hint":"try again","retryable":true}"#;
    let tail = format!(r#"{{"redacted":["KEY"],"unnamed":true,"trailers":[["x-sum","1"]],"error":{error}}}"#);
    let head = r#"{"v":1,"url":"https://api.example.com/","reason":"Fine"}"#;
    [error, &tail, head].map(|text| text.as_bytes().to_vec()).to_vec()
}

fn question_seeds() -> Vec<Vec<u8>> {
    let many = r#"{"selection":{},"names":["A","B"],"lengths":[8,9]}"#;
    let mut set_many = u32::try_from(many.len()).expect("short").to_be_bytes().to_vec();
    set_many.extend_from_slice(many.as_bytes());
    set_many.extend_from_slice(b"seventeen bytes..");
    assert!(serde_json::from_str::<SetManyRequest>(many).is_ok());
    let door = r#"{"door":"env","selection":{},"secrets":["A"],"argv":["a","b"],"variables":[["A","b"]],"terminal":
        {"streams":[true,false,true],"rows":24,"columns":80}}"#;
    let texts = [
        r#"{"selection":{"agent_token":"x"},"ask":"deny","name":"KEY","rules":["api.example.com"]}"#,
        r#"{"selection":{},"name":"KEY","weak":true,"act":{"act":"{}","signature":"x"}}"#,
        r#"{"door":"exec","selection":{},"provider":"p","ids":["A","b"]}"#,
        door,
        r#"{"signal":2}"#,
        r#"{"size":{"rows":1,"columns":65535}}"#,
        r#"{"ended":{"code":null,"signal":9}}"#,
        "\"give_way\"",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).chain([set_many]).collect()
}
