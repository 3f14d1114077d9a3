//! Attacks on the editing of what the caller gave: the value gets where it was told to, and all else stays.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;

use super::{ArmedRequest, Draft, Placed, WireForm, inject};
use crate::call::{Auth, Body, ByteStream, FieldPath};
use crate::fuzz::{Dice, Input, Target, chunks};
use crate::log_safe::SafeUrl;
use crate::secret_ref::SecretRef;

/// A field of a JSON body, against a reader of JSON.
pub(crate) const JSON: Target = Target { name: "inject_json", attack: json, seeds: json_seeds, words: JSON_WORDS };
/// A field of a form and of a query, against a reader of forms.
pub(crate) const FORM: Target = Target { name: "inject_form", attack: form, seeds: form_seeds, words: FORM_WORDS };
/// A part of a multipart body, whole and streamed.
pub(crate) const MULTIPART: Target =
    Target { name: "inject_multipart", attack: multipart, seeds: multipart_seeds, words: PART_WORDS };
/// Any value in a header.
pub(crate) const HEADER: Target =
    Target { name: "inject_header", attack: headers, seeds: header_seeds, words: HEADER_WORDS };

const JSON_WORDS: &[&str] =
    &["{\"a\":", "\"a\"", "[", "]", "{}", "null", "\\u0061", "\\ud83d\\ude00", "1e9", "/a/0", "a.-"];
const FORM_WORDS: &[&str] = &["a=", "&", "%61", "+", "=", "%", "#", "?"];
const HEADER_WORDS: &[&str] = &["user:", ":", "\t", "\r\n", "\u{7f}"];
const PART_WORDS: &[&str] = &[
    "boundary=",
    "\"",
    "--b\r\n",
    "--b--\r\n",
    "Content-Disposition: form-data; name=\"a\"\r\n\r\n",
    "name=a",
    "\r\n",
    "\\",
];
/// What every reader has to unescape; no attack is likely to hold it.
const VALUE: &str = "a \"value\"\\ & 1%=+;\u{e9}\u{7f}";

fn place(auth: &Auth, value: &[u8], url: &str, headers: HeaderMap, body: Body) -> Option<(ArmedRequest, WireForm)> {
    let url = SafeUrl::parse(url).ok()?;
    let secret = SecretRef::new("KEY").expect("a name");
    let draft = Draft { method: Method::POST, url, headers, body };
    let (armed, mut forms) = inject(draft, &[Placed { auth, secret: &secret, value }]).ok()?;
    Some((armed, forms.pop().expect("one value, one form")))
}

fn of_type(kind: &[u8]) -> Option<HeaderMap> {
    let kind = HeaderValue::from_bytes(kind).ok()?;
    Some(HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]))
}

fn whole(armed: ArmedRequest) -> Vec<u8> {
    match armed.into_parts().4 {
        Body::Bytes(bytes) => bytes.to_vec(),
        _ => panic!("a body at hand stays at hand"),
    }
}

fn json(data: &[u8]) {
    let mut input = Input::new(data);
    let Ok(path) = FieldPath::parse(input.text()) else { return };
    let body = input.rest();
    let auth = Auth::BodyField(path.clone());
    let read: Option<Value> = serde_json::from_slice(if body.is_empty() { b"{}" } else { body }).ok();
    let placed = place(&auth, VALUE.as_bytes(), "https://a/", HeaderMap::new(), Body::Bytes(body.to_vec().into()));
    let Some((armed, form)) = placed else { return };
    let edited = whole(armed);
    assert!(memchr::memmem::find(&edited, &form.text).is_some(), "what was written is told");
    // Where JSON is read strictly it must be read so; what nests deeper, or has half a character, is not looked at.
    let Some(mut wanted) = read else { return };
    set(&mut wanted, path.segments(), VALUE);
    match serde_json::from_slice::<Value>(&edited) {
        Ok(read) => assert_eq!(read, wanted),
        // The reader goes 128 deep, and a path leads deeper.
        Err(why) => assert!(why.to_string().contains("recursion limit"), "JSON still: {why}"),
    }
}

/// Sets a field as a reader of RFC 6901 would, with the objects it lacks.
fn set(at: &mut Value, path: &[String], value: &str) {
    let Some((first, rest)) = path.split_first() else { return *at = value.into() };
    let next = match at {
        Value::Array(items) if first == "-" => {
            items.push(Value::Object(serde_json::Map::default()));
            items.last_mut().expect("just put there")
        }
        Value::Array(items) => items.get_mut(first.parse::<usize>().expect("an index")).expect("an element"),
        Value::Object(fields) => {
            fields.entry(first.clone()).or_insert_with(|| Value::Object(serde_json::Map::default()))
        }
        _ => panic!("the path leads through a scalar"),
    };
    set(next, rest, value);
}

fn form(data: &[u8]) {
    let mut input = Input::new(data);
    let name = input.text();
    let text = input.rest();
    if name.is_empty() {
        return; // `Call::inject` takes none.
    }
    let auth = Auth::FormField(name.to_owned());
    let form = of_type(b"application/x-www-form-urlencoded").expect("a header");
    let pairs = |text: &[u8]| url::form_urlencoded::parse(text).into_owned().collect::<Vec<_>>();
    let with = |text: &[u8]| [pairs(text), vec![(name.to_owned(), VALUE.to_owned())]].concat();
    match place(&auth, VALUE.as_bytes(), "https://a/", form, Body::Bytes(text.to_vec().into())) {
        Some((armed, _)) => {
            let edited = whole(armed);
            assert!(edited.starts_with(text), "what stands there stays byte for byte");
            assert_eq!(pairs(&edited), with(text));
        }
        None => assert!(pairs(text).iter().any(|(own, _)| own == name), "only a name that is taken is refused"),
    }
    let Ok(url) = SafeUrl::parse(&format!("https://a/?{}", String::from_utf8_lossy(text))) else { return };
    let auth = Auth::Query(name.to_owned());
    let Some((armed, _)) = place(&auth, VALUE.as_bytes(), &url.to_wire(), HeaderMap::new(), Body::Empty) else {
        return;
    };
    let target = armed.into_parts().2;
    assert!(target.starts_with(url.target().as_bytes()), "what stands there stays byte for byte");
    let query = target.split(|byte| *byte == b'?').skip(1).collect::<Vec<_>>().join(&b"?"[..]);
    assert_eq!(pairs(&query), with(url.query().unwrap_or_default().as_bytes()));
}

fn multipart(data: &[u8]) {
    let mut input = Input::new(data);
    let (parameters, name) = (input.piece(), input.text());
    let body = input.rest();
    let Some(kind) = of_type(&[b"multipart/form-data", parameters].concat()) else { return };
    if name.is_empty() {
        return;
    }
    let auth = Auth::FormField(name.to_owned());
    let dice = &mut Dice(data.len() as u64);
    let pieces: Vec<Bytes> = chunks(dice, body).into_iter().map(Bytes::copy_from_slice).collect();
    let streamed = Body::Stream { chunks: ByteStream::of(pieces), length: None };
    let whole_body = place(&auth, VALUE.as_bytes(), "https://a/", kind.clone(), Body::Bytes(body.to_vec().into()));
    let streamed = place(&auth, VALUE.as_bytes(), "https://a/", kind, streamed).and_then(|(armed, _)| read_all(armed));
    let Some((armed, form)) = whole_body else { return };
    let edited = whole(armed);
    assert_eq!(streamed.as_deref(), Some(&edited[..]), "however the body comes, the same is sent");
    let part = edited.strip_suffix(body).expect("what stands there stays byte for byte");
    assert!(part.starts_with(b"--") && part.ends_with(&form.text) && form.text.ends_with(b"\r\n"));
    let delimiter = &part[..part.windows(2).position(|pair| pair == b"\r\n").expect("a line")];
    assert!(body.starts_with(delimiter), "the part before ends where the next begins");
    let inside = [b"\r\n", delimiter].concat();
    assert!(memchr::memmem::find(part, &inside).is_none(), "the value ends its part nowhere");
}

/// A body as its stream gives it; none where the stream fails.
fn read_all(armed: ArmedRequest) -> Option<Vec<u8>> {
    let Body::Stream { mut chunks, .. } = armed.into_parts().4 else { return None };
    let (mut all, cx) = (Vec::new(), &mut Context::from_waker(Waker::noop()));
    loop {
        match Pin::new(&mut chunks).poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => all.extend_from_slice(&chunk),
            Poll::Ready(Some(Err(_))) => return None,
            Poll::Ready(None) => return Some(all),
            Poll::Pending => panic!("all of it is at hand"),
        }
    }
}

fn headers(value: &[u8]) {
    let name = http::HeaderName::from_static("x-key");
    for auth in [Auth::Bearer, Auth::Basic, Auth::Header(name)] {
        let Some((armed, form)) = place(&auth, value, "https://a/", HeaderMap::new(), Body::Empty) else { continue };
        let (_, _, _, headers, _) = armed.into_parts();
        let set = headers.values().next().expect("one header");
        assert!(headers.len() == 1 && set.is_sensitive());
        assert!(!set.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "nothing ends a header early");
        assert!(set.as_bytes().ends_with(&form.text));
        match auth {
            Auth::Bearer => assert_eq!(set.as_bytes(), [b"Bearer ", value].concat()),
            Auth::Header(_) => assert_eq!(set.as_bytes(), value),
            _ => {
                use base64::Engine as _;
                let text = base64::engine::general_purpose::STANDARD.decode(&set.as_bytes()[6..]);
                assert_eq!(text.expect("base64"), value);
            }
        }
    }
}

fn json_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "auth.key\0{\"auth\":{\"key\":1,\"k\\u0065y2\":[]},\"b\":[1.0e+3,null,true]}",
        "/a~1b/0\0{\"a/b\":[{},\"\\ud83d\\ude00\"]}",
        "list.-\0 { \"list\" : [ ] } ",
        "new.deep.path\0{\"x\":{}}",
        "a\0",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn form_seeds() -> Vec<Vec<u8>> {
    ["key\0a=1&b=%20+&c", "a\0a=1", "k y\0&&=&=x", "a\0%61=1"].map(|text| text.as_bytes().to_vec()).to_vec()
}

fn multipart_seeds() -> Vec<Vec<u8>> {
    let part = |name: &str| format!("--b\r\nContent-Disposition: form-data; name={name}\r\n\r\nx\r\n");
    let texts = [
        format!("; boundary=b\0key\0{}{}--b--\r\n", part("\"a\""), part("other")),
        format!("; charset=x; boundary=\"b\"\0a\0{}--b--\r\n", part("\"a\"")),
        "; boundary=b\0key\0preamble\r\n--b--\r\n".to_owned(),
    ];
    texts.map(String::into_bytes).to_vec()
}

fn header_seeds() -> Vec<Vec<u8>> {
    ["user:password", " x", "a\tb:", "line\nfeed", "caf\u{e9}:"].map(|text| text.as_bytes().to_vec()).to_vec()
}
