//! The shared vectors of injection, against a real server, through both backends and both HTTP versions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use agentsecrets::call::parse_header_name;
use agentsecrets::{Auth, Call, Client, FieldPath, Isolation, Label, Result, SecretRef};
use serde::Deserialize;

use crate::kit::{Home, input, mark, name, upstreams};

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    request: Request,
    injections: Vec<Injected>,
    secrets: HashMap<String, Text>,
    expect: Option<Expected>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: HashMap<String, String>,
    body: Option<Text>,
}

#[derive(Deserialize)]
struct Injected {
    style: String,
    #[serde(default)]
    name: String,
    secret: String,
    format: Option<String>,
}

#[derive(Deserialize)]
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
            Self::Hex { hex } => hex::decode(hex).expect("hex"),
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

    /// The slot a grant must name, and whether it needs a path.
    fn slot(&self) -> Option<(String, bool)> {
        let named = |kind: &str, in_body| (!self.name.is_empty()).then(|| (format!("{kind}:{}", self.name), in_body));
        match self.style.as_str() {
            "header" => named("header", false).filter(|_| !self.name.eq_ignore_ascii_case("authorization")),
            "query" => named("query", false),
            "body_field" => named("body", true).filter(|_| FieldPath::parse(&self.name).is_ok()),
            "form_field" => named("form", true),
            _ => None,
        }
    }
}

fn cases() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/inject");
    let mut all = Vec::new();
    for file in std::fs::read_dir(folder).expect("the vectors").flatten() {
        let text = std::fs::read(file.path()).expect("readable");
        let vectors: Vectors = serde_json::from_slice(&text).expect("vectors");
        let stem = file.path().file_stem().expect("a name").to_string_lossy().into_owned();
        all.extend(vectors.cases.into_iter().map(|case| (format!("{stem}: {}", case.name), case)));
    }
    assert!(all.len() > 120, "{} cases", all.len());
    all
}

/// Cases that agree on what each name's value is, and so share an environment.
#[derive(Default)]
struct Group<'a> {
    secrets: BTreeMap<&'a str, Vec<u8>>,
    cases: Vec<(&'a str, &'a Case)>,
}

impl<'a> Group<'a> {
    fn agrees(&self, case: &Case) -> bool {
        case.secrets.iter().all(|(key, value)| self.secrets.get(key.as_str()).is_none_or(|own| *own == value.bytes()))
    }

    fn take(&mut self, title: &'a str, case: &'a Case) {
        self.secrets.extend(case.secrets.iter().map(|(key, value)| (key.as_str(), value.bytes())));
        self.cases.push((title, case));
    }
}

fn grouped(cases: &[(String, Case)]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (title, case) in cases {
        match groups.iter_mut().find(|group| group.agrees(case)) {
            Some(group) => group.take(title, case),
            None => {
                let mut group = Group::default();
                group.take(title, case);
                groups.push(group);
            }
        }
    }
    groups
}

/// Grants every name every slot the vectors use.
fn grant(home: &Home, cases: &[(String, Case)], origins: &[&str]) {
    let mut slots: BTreeMap<(&str, bool), BTreeSet<String>> = BTreeMap::new();
    for (_, case) in cases {
        for injected in &case.injections {
            slots.entry((injected.secret.as_str(), false)).or_default();
            if let Some((slot, in_body)) = injected.slot() {
                slots.entry((injected.secret.as_str(), in_body)).or_default().insert(slot);
            }
        }
    }
    for ((secret, in_body), slots) in &slots {
        let mut terms: Vec<&str> = origins.to_vec();
        match in_body {
            true => terms.extend(["--path", "/v1/**"]),
            false => terms.extend(["--slot", "bearer", "--slot", "basic", "--slot", "header:Authorization"]),
        }
        terms.extend(slots.iter().flat_map(|slot| ["--slot", slot]));
        home.allow(secret, &terms);
    }
}

fn call(case: &Case, origin: &str, mark: &str) -> Result<Call> {
    let url = case.request.url.replace("https://upstream.test", origin);
    let mut call = Call::new(case.request.method.parse().expect("a method"), &url)?;
    call.header("X-Mark", mark.as_bytes())?;
    for (name, value) in &case.request.headers {
        call.header(name, value.as_bytes())?;
    }
    if let Some(body) = &case.request.body {
        call.body(body.bytes());
    }
    for injected in &case.injections {
        call.inject(injected.auth()?, injected.secret()?)?;
    }
    Ok(call)
}

async fn client(home: &Home, level: Isolation, environment: &Label) -> Client {
    let builder = Client::builder().home(home.root()).isolation(level).environment(environment.as_str());
    builder.open().await.expect("a client")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_sees_exactly_the_bytes_of_every_vector() {
    let cases = cases();
    let (http1, http2) = upstreams();
    let home = Home::new();
    home.trust(&http1);
    let (one, two) = (http1.base_url(), http2.base_url());
    grant(&home, &cases, &[&one, &two]);
    let mut calls = 0;
    for (index, group) in grouped(&cases).iter().enumerate() {
        let environment = Label::parse(&format!("group-{index}")).expect("a label");
        let [in_process, broker] = [Isolation::InProcess, Isolation::Broker];
        let clients = [client(&home, in_process, &environment).await, client(&home, broker, &environment).await];
        for (key, value) in &group.secrets {
            clients[0].set(name(key), input(value), true, None).await.unwrap_or_else(|why| panic!("{key}: {why:?}"));
        }
        for (client, level) in clients.iter().zip([in_process, broker]) {
            for (title, case) in &group.cases {
                for upstream in [&http1, &http2] {
                    let title = format!("{title} ({level:?}, port {})", upstream.port());
                    sent(&title, case, client, upstream).await;
                    calls += 1;
                }
            }
        }
    }
    assert!(calls > 480, "{calls} calls");
}

async fn sent(title: &str, case: &Case, client: &Client, upstream: &agentsecrets_upstream::Upstream) {
    let mark = mark();
    let answered = match call(case, &upstream.base_url(), &mark) {
        Ok(call) => client.send_buffered(call).await,
        Err(why) => Err(why),
    };
    match (&case.expect, &case.error) {
        // Through the whole stack such a call has no reason to leave.
        (Some(_), None) if case.injections.is_empty() => {
            assert_eq!(answered.expect_err(title).code().as_str(), "nothing_to_inject");
        }
        (Some(expected), None) => {
            answered.unwrap_or_else(|why| panic!("{title}: {why:?}"));
            compare(title, upstream, &mark, expected).await;
        }
        (None, Some(code)) => {
            let why = answered.expect_err(title);
            assert_eq!(why.code().as_str(), code, "{title}: {why:?}");
        }
        _ => panic!("{title}: a vector expects one thing"),
    }
}

async fn compare(title: &str, upstream: &agentsecrets_upstream::Upstream, mark: &str, expected: &Expected) {
    let by_mark = |one: &agentsecrets_upstream::Received| one.header("x-mark") == Some(mark.as_bytes());
    let got = upstream.wait_for(crate::kit::PATIENCE, by_mark).unwrap_or_else(|| panic!("{title}: never arrived"));
    let latin1: String = expected.target.bytes().iter().map(|byte| char::from(*byte)).collect();
    assert!(got.target == latin1, "{title}: target is {}", got.target.chars().take(200).collect::<String>());
    for (header, value) in &expected.headers {
        let found: Vec<_> = got.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(header)).collect();
        assert_eq!(found.len(), 1, "{title}: {header}");
        assert!(found[0].1 == value.bytes(), "{title}: {header} is {}", found[0].1.escape_ascii());
    }
    let body = expected.body.as_ref().map(Text::bytes).unwrap_or_default();
    assert!(got.body == body, "{title}: the body is {}", got.body[..got.body.len().min(200)].escape_ascii());
}
