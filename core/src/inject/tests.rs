//! The vectors that every language reads, and what only the inside can see.

use std::collections::HashMap;
use std::path::Path;

use futures_util::StreamExt as _;
use serde::Deserialize;

use super::*;
use crate::call::{Call, FieldPath, Multipart, Part, parse_header_name};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    #[serde(rename = "about")]
    _about: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    request: Request,
    injections: Vec<Injected>,
    secrets: HashMap<String, Text>,
    expect: Option<Expected>,
    error: Option<String>,
    on_wire: Option<Vec<Text>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: HashMap<String, String>,
    body: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Injected {
    style: String,
    #[serde(default)]
    name: String,
    secret: String,
    format: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    target: Text,
    headers: HashMap<String, Text>,
    body: Option<Text>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Hex {
        hex: String,
    },
    Repeated {
        #[serde(default)]
        before: String,
        repeat: String,
        times: usize,
        #[serde(default)]
        after: String,
    },
}

impl Text {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Plain(text) => text.clone().into_bytes(),
            Self::Hex { hex } => {
                let pairs = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
                pairs.collect::<Result<_, _>>().expect("hex")
            }
            Self::Repeated { before, repeat, times, after } => {
                format!("{before}{}{after}", repeat.repeat(*times)).into_bytes()
            }
        }
    }
}

impl Injected {
    fn auth(&self) -> Result<Auth> {
        Ok(match self.style.as_str() {
            "bearer" => Auth::Bearer,
            "basic" => Auth::Basic,
            "header" => Auth::Header(parse_header_name(&self.name)?),
            "query" => Auth::Query(self.name.clone()),
            "body_field" => Auth::BodyField(FieldPath::parse(&self.name)?),
            "form_field" => Auth::FormField(self.name.clone()),
            other => panic!("no style {other}"),
        })
    }

    fn secret(&self) -> Result<SecretRef> {
        let secret = SecretRef::new(&self.secret)?;
        self.format.as_ref().map_or(Ok(secret.clone()), |format| secret.format(format))
    }
}

/// Says the call as a host does, and arms it.
fn armed(case: &Case) -> Result<(ArmedRequest, Vec<WireForm>)> {
    let mut call = Call::new(case.request.method.parse().expect("a method"), &case.request.url)?;
    for (name, value) in &case.request.headers {
        call.header(name, value.as_bytes())?;
    }
    if let Some(body) = &case.request.body {
        call.body(body.bytes());
    }
    for injected in &case.injections {
        call.inject(injected.auth()?, injected.secret()?)?;
    }
    let values: HashMap<_, _> = case.secrets.iter().map(|(name, text)| (name.as_str(), text.bytes())).collect();
    let placed: Vec<_> = call
        .injections
        .iter()
        .map(|injection| Placed {
            auth: &injection.auth,
            secret: &injection.secret,
            value: &values[injection.secret.name().as_str()],
        })
        .collect();
    inject(Draft { method: call.method, url: call.url, headers: call.headers, body: call.body }, &placed)
}

fn bytes(body: &Body) -> &[u8] {
    match body {
        Body::Empty => b"",
        Body::Bytes(bytes) => bytes,
        Body::Stream { .. } => panic!("a stream"),
    }
}

fn show(text: &[u8]) -> String {
    text[..text.len().min(400)].escape_ascii().to_string()
}

fn check(file: &str, case: &Case) {
    let name = format!("{file}: {}", case.name);
    match (armed(case), &case.expect, &case.error) {
        (Ok((request, forms)), Some(expected), None) => {
            assert_eq!(show(request.target()), show(&expected.target.bytes()), "{name}");
            assert_eq!(request.target().len(), expected.target.bytes().len(), "{name}");
            assert_eq!(request.headers().len(), expected.headers.len(), "{name}: {:?}", request.headers());
            for (header, value) in &expected.headers {
                let found = request.headers().get(header).unwrap_or_else(|| panic!("{name}: no {header}"));
                assert_eq!(show(found.as_bytes()), show(&value.bytes()), "{name}");
                assert_eq!(found.len(), value.bytes().len(), "{name}");
            }
            let body = expected.body.as_ref().map(Text::bytes).unwrap_or_default();
            assert_eq!(show(bytes(request.body())), show(&body), "{name}");
            assert!(bytes(request.body()) == body, "{name}");
            let on_wire: Vec<_> = forms.iter().map(|form| show(&form.text)).collect();
            if let Some(wanted) = &case.on_wire {
                assert_eq!(on_wire, wanted.iter().map(|text| show(&text.bytes())).collect::<Vec<_>>(), "{name}");
            }
            for form in &forms {
                assert!(is_on_wire(&request, &form.text), "{name}: {} is not on the wire", show(&form.text));
            }
        }
        (Err(error), None, Some(code)) => {
            assert_eq!(error.code().as_str(), code, "{name}: {error:?}");
            assert_keeps_quiet(&name, &error, case);
        }
        (Ok(_), _, _) => panic!("{name}: passed"),
        (Err(error), _, _) => panic!("{name}: {error:?}"),
    }
}

fn is_on_wire(request: &ArmedRequest, text: &[u8]) -> bool {
    let holds = |place: &[u8]| memchr::memmem::find(place, text).is_some();
    holds(request.target())
        || holds(bytes(request.body()))
        || request.headers().values().any(|value| holds(value.as_bytes()))
}

/// No value and no body in an error, and an `invalid_value` names the secret and the command.
fn assert_keeps_quiet(name: &str, error: &Error, case: &Case) {
    let said = format!("{error} {error:?} {}", error.hint().unwrap_or_default());
    for text in case.secrets.values().chain(&case.request.body).map(Text::bytes) {
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(text.len() < 4 || !said.contains(&text), "{name}: {said}");
    }
    if error.code() == ErrorCode::InvalidValue {
        assert!(case.secrets.keys().any(|key| error.message().contains(&format!("the value of {key} "))), "{name}");
        assert!(error.hint().is_some(), "{name}");
        assert_eq!(error.stage(), Stage::Inject);
    }
}

#[test]
fn vectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/inject");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("the vectors").map(|f| f.expect("a file").path()).collect();
    files.sort();
    let mut count = 0;
    for path in &files {
        let file = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read(path).expect("a readable file");
        let vectors: Vectors = serde_json::from_slice(&text).unwrap_or_else(|why| panic!("{file}: {why}"));
        for case in &vectors.cases {
            check(&file, case);
            count += 1;
        }
    }
    assert!(files.len() >= 7 && count >= 120, "{count} cases in {} files", files.len());
}

/// A value no other part of a test can contain.
fn canary() -> String {
    format!("c{}", uuid::Uuid::new_v4().simple())
}

fn post(headers: &[(&str, &str)], body: impl Into<Body>) -> Draft {
    let mut call = Call::new(Method::POST, "https://upstream.test/p").expect("a URL");
    for (name, value) in headers {
        call.header(name, value.as_bytes()).expect("a header");
    }
    Draft { method: call.method, url: call.url, headers: call.headers, body: body.into() }
}

#[test]
fn headers_with_values_are_marked_and_print_nothing() {
    let value = canary();
    let secret = SecretRef::new("K").expect("a name");
    let (bearer, header) = (Auth::Bearer, Auth::Header(HeaderName::from_static("x-key")));
    let placed = [&bearer, &header].map(|auth| Placed { auth, secret: &secret, value: value.as_bytes() });
    let (request, forms) = inject(post(&[("x-plain", "p")], Body::Empty), &placed).expect("armed");
    assert!(request.headers()["authorization"].is_sensitive() && request.headers()["x-key"].is_sensitive());
    assert!(!request.headers()["x-plain"].is_sensitive());
    assert!(!format!("{:?}{:?}", request.headers(), request.body()).contains(&value));
    assert!(forms.iter().all(|form| form.name.as_str() == "K"));
}

#[tokio::test]
async fn a_part_goes_before_a_streamed_multipart_body() {
    let form = Multipart::new().part(
        Part::new("file", Body::stream(futures_util::stream::iter([Ok(Bytes::from("he")), Ok(Bytes::from("llo"))])))
            .file_name("a.txt"),
    );
    let mut call = Call::new(Method::POST, "https://upstream.test/p").expect("a URL");
    call.multipart(form);
    let content_type = call.headers[header::CONTENT_TYPE].to_str().expect("text").to_owned();
    let boundary = content_type.split_once("boundary=").expect("a boundary").1.to_owned();
    let secret = SecretRef::new("K").expect("a name");
    let auth = Auth::FormField("api_key".to_owned());
    let value = canary();
    let placed = [Placed { auth: &auth, secret: &secret, value: value.as_bytes() }];
    let draft = Draft { method: call.method, url: call.url, headers: call.headers, body: call.body };
    let (request, _) = inject(draft, &placed).expect("armed");
    let (.., Body::Stream { mut chunks, .. }) = request.into_parts() else { panic!("not a stream") };
    let mut sent = Vec::new();
    while let Some(chunk) = chunks.next().await {
        sent.extend_from_slice(&chunk.expect("a chunk"));
    }
    let sent = String::from_utf8(sent).expect("text");
    let wanted = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"api_key\"\r\n\r\n{value}\r\n--{boundary}\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
         Content-Type: application/octet-stream\r\n\r\nhello\r\n--{boundary}--\r\n"
    );
    assert_eq!(sent, wanted);
}

#[tokio::test]
async fn a_streamed_multipart_body_must_begin_with_its_boundary() {
    let secret = SecretRef::new("K").expect("a name");
    let auth = Auth::FormField("k".to_owned());
    let placed = [Placed { auth: &auth, secret: &secret, value: b"fake" }];
    for (chunks, good) in [
        (vec!["-", "-B\r", "\n…"], true),
        (vec!["--B--\r\n"], true),
        (vec!["preamble\r\n--B"], false),
        (vec!["--", "A\r\n"], false),
        (vec!["-"], false),
        (vec![], false),
    ] {
        let body = Body::stream(futures_util::stream::iter(chunks.clone().into_iter().map(|c| Ok(Bytes::from(c)))));
        let draft = post(&[("content-type", "multipart/form-data; boundary=B")], body);
        let (request, _) = inject(draft, &placed).expect("armed");
        let (.., Body::Stream { chunks: sent, .. }) = request.into_parts() else { panic!("not a stream") };
        let sent: Vec<_> = sent.take(10).collect().await;
        assert!(sent.len() < 10, "{chunks:?} does not end");
        assert_eq!(sent.iter().all(std::io::Result::is_ok), good, "{chunks:?}");
    }
}

#[test]
fn a_streamed_body_takes_no_field() {
    let secret = SecretRef::new("K").expect("a name");
    let stream = || Body::stream(futures_util::stream::iter([Ok(Bytes::from("{}"))]));
    let body_field = Auth::BodyField(FieldPath::parse("a").expect("a path"));
    let form_field = Auth::FormField("a".to_owned());
    for (auth, media_type) in [(&body_field, "application/json"), (&form_field, "application/x-www-form-urlencoded")] {
        let placed = [Placed { auth, secret: &secret, value: b"fake" }];
        let Err(error) = inject(post(&[("content-type", media_type)], stream()), &placed) else {
            panic!("a stream was taken")
        };
        assert_eq!(error.code(), ErrorCode::InvalidCall);
        assert!(error.hint().is_some_and(|hint| hint.contains("whole")));
    }
}

#[test]
fn what_is_not_json_is_said_by_offset_alone() {
    let planted = canary();
    let secret = SecretRef::new("K").expect("a name");
    let auth = Auth::BodyField(FieldPath::parse("a").expect("a path"));
    let placed = [Placed { auth: &auth, secret: &secret, value: b"fake" }];
    let Err(error) = inject(post(&[], format!("{{\"a\": {planted}}}")), &placed) else { panic!("taken") };
    assert!(error.message().contains("at byte 6"), "{error}");
    assert!(!format!("{error:?}").contains(&planted));
}

#[test]
fn the_kind_of_a_bad_character_is_said() {
    let secret = SecretRef::new("K").expect("a name");
    for (value, kind) in [("a\nb", "line feed"), ("a\rb", "carriage return"), ("a\0b", "NUL"), ("a\x1bb", "control")] {
        let placed = [Placed { auth: &Auth::Bearer, secret: &secret, value: value.as_bytes() }];
        let Err(error) = inject(post(&[], Body::Empty), &placed) else { panic!("taken") };
        assert!(error.message().contains(kind), "{error}");
        assert_eq!(error.hint(), Some("agentsecrets secrets set K"));
    }
}
