//! The local proxy: the explicit and the reverse way, and who is turned away.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::scene::{BEARER, Scene};
use crate::stage::Ran;

struct Proxy {
    scene: Scene,
    port: u64,
    token: String,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.scene.stage.agent(["proxy", "stop"]);
    }
}

impl Proxy {
    fn start() -> Self {
        let scene = Scene::new();
        let told = scene.stage.json(["proxy", "start"]);
        let (port, token) = (told["port"].as_u64(), told["session_token"].as_str());
        let (port, token) = (port.expect("a port"), token.expect("a token").to_owned());
        Self { scene, port, token }
    }

    /// curl with the session token.
    #[track_caller]
    fn curl(&self, path: &str, arguments: &[&str]) -> Ran {
        self.bare(path, &[&["-H", &format!("X-AS-Session-Token: {}", self.token)], arguments].concat())
    }

    /// curl with nothing more than what is said.
    #[track_caller]
    fn bare(&self, path: &str, arguments: &[&str]) -> Ran {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-m", "20", "--path-as-is", &format!("http://127.0.0.1:{}{path}", self.port)])
            .args(arguments);
        let ran = self.scene.clean(&curl.output().expect("ran"));
        assert!(!ran.says(&self.token), "the token came back");
        ran
    }

    /// A refusal's status and code.
    #[track_caller]
    fn refused(&self, ran: &Ran) -> (u16, String) {
        let (body, status) = ran.stdout.trim_end().rsplit_once('\n').unwrap_or_else(|| panic!("{ran:?}"));
        let said: Value = serde_json::from_str(body).unwrap_or_else(|why| panic!("{why}: {ran:?}"));
        assert!(said["message"].is_string(), "{said}");
        (status.parse().expect("a status"), said["error"].as_str().expect("a code").to_owned())
    }

    /// The path of the reverse way to the scene's upstream.
    fn to(&self, path: &str) -> String {
        format!("/to/localhost:{}{path}", self.scene.upstream.port())
    }

    fn target(&self, path: &str) -> String {
        format!("X-AS-Target-URL: {}", self.scene.url(path))
    }
}

const STATUS: [&str; 2] = ["-w", "\n%{http_code}"];

#[test]
fn the_reverse_way_leads_to_the_host_in_the_path() {
    let proxy = Proxy::start();
    let ran = proxy.curl(&proxy.to("/echo/a%2Fb//c?q=%20x"), &["-H", BEARER]).ok();
    let got = proxy.scene.last();
    assert_eq!(proxy.scene.sent("authorization"), format!("Bearer {}", proxy.scene.value));
    assert_eq!(got.target, "/echo/a%2Fb//c?q=%20x");
    assert!(!format!("{got:?}").to_lowercase().contains("x-as-"), "our headers stay here");
    assert!(!ran.stdout.to_lowercase().contains("access-control"), "{ran:?}");
    let path = format!("/to/~{}/localhost:{}/echo", proxy.token, proxy.scene.upstream.port());
    proxy.bare(&path, &["-H", BEARER]).ok();
    assert_eq!(proxy.scene.last().target, "/echo");
    let wrong = format!("/to/~wrong/localhost:{}/echo", proxy.scene.upstream.port());
    for path in [proxy.to("/echo"), wrong, "/to/user@host/x".to_owned()] {
        let ran = proxy.bare(&path, &[&["-H", BEARER][..], &STATUS].concat());
        assert_eq!(proxy.refused(&ran), (401, "session_token_required".to_owned()), "{path}");
    }
    let refused = |path: &str, headers: &[&str]| proxy.refused(&proxy.curl(path, &[headers, &STATUS].concat()));
    assert_eq!(refused("/to/user@host/x", &[]), (400, "invalid_call".to_owned()));
    assert_eq!(refused("/to/other.example/x", &["-H", BEARER]), (403, "destination_not_allowed".to_owned()));
    assert_eq!(refused(&proxy.to("/echo"), &[]), (403, "nothing_to_inject".to_owned()));
}

#[test]
fn the_explicit_way_is_told_by_headers() {
    let proxy = Proxy::start();
    let scene = &proxy.scene;
    for slot in ["header:X-Api-Key", "header:Authorization", "query:key"] {
        scene.allow(&[&scene.url(""), "--slot", slot]);
    }
    scene.stage.owner(["allow", "KEY", &scene.url("/echo"), "--slot", "body:auth.secret"]).ok();
    scene.stage.owner(["allow", "KEY", &scene.url("/echo"), "--slot", "form:secret"]).ok();
    let to = proxy.target("/echo");
    let value = &scene.value;
    for (said, place, wanted) in [
        (&["X-AS-Inject-Bearer: KEY"][..], "authorization", format!("Bearer {value}")),
        (&["X-AS-Inject-Header-X-Api-Key: KEY"], "x-api-key", value.clone()),
        (&["X-AS-Inject-Query-key: KEY"], "", format!("/echo?key={value}")),
        (
            &[r#"X-AS-Inject: [{"style":"header","name":"Authorization","secret":"KEY","format":"Bot {}"}]"#],
            "authorization",
            format!("Bot {value}"),
        ),
        (&["X-AS-Inject-Body-auth.secret: KEY"], "body", format!(r#"{{"auth":{{"secret":"{value}"}}}}"#)),
        (&["X-AS-Inject-Form-secret: KEY"], "body", format!("secret={value}")),
    ] {
        let headers: Vec<&str> = said.iter().flat_map(|header| ["-H", header]).collect();
        proxy.curl("/proxy", &[&["-X", "POST", "-H", &to], &headers[..]].concat()).ok();
        let got = scene.last();
        let found = match place {
            "" => got.target.clone(),
            "body" => String::from_utf8_lossy(&got.body).into_owned(),
            header => scene.sent(header),
        };
        assert_eq!((found, got.method.as_str()), (wanted, "POST"), "{said:?}");
        assert!(!format!("{got:?}").to_lowercase().contains("x-as-"), "our headers stay here");
    }
    proxy.curl("/proxy", &["-H", &to, "-H", "X-AS-Method: PUT", "-H", "X-AS-Inject-Bearer: KEY", "-d", "text"]).ok();
    assert_eq!((scene.last().method.as_str(), &scene.last().body[..]), ("PUT", &b"text"[..]));
    let refused = |headers: &[&str]| proxy.refused(&proxy.curl("/proxy", &[headers, &STATUS].concat()));
    assert_eq!(refused(&["-H", &to]), (403, "nothing_to_inject".to_owned()));
    assert_eq!(refused(&["-H", &to, "-H", "X-AS-Agent-ID: x"]), (400, "invalid_call".to_owned()));
    assert_eq!(refused(&[]), (400, "invalid_call".to_owned()));
    let without = proxy.bare("/proxy", &[&["-H", &to, "-H", "X-AS-Inject-Bearer: KEY"][..], &STATUS].concat());
    assert_eq!(proxy.refused(&without), (401, "session_token_required".to_owned()));
}

#[test]
fn a_web_page_and_a_stranger_are_turned_away() {
    let proxy = Proxy::start();
    let own = format!("Host: localhost:{}", proxy.port);
    let rebound = format!("Host: evil.example:{}", proxy.port);
    for path in [proxy.to("/echo"), "/proxy".to_owned(), "/health".to_owned(), "/".to_owned()] {
        for (header, code) in [
            (rebound.as_str(), "host_refused"),
            ("Host: 127.0.0.1", "host_refused"),
            ("Origin: https://evil.example", "origin_refused"),
            ("Origin: null", "origin_refused"),
            ("Sec-Fetch-Site: cross-site", "origin_refused"),
        ] {
            let said = [&["-i", "-H", header, "-H", BEARER][..], &STATUS].concat();
            let ran = proxy.curl(&path, &said);
            assert!(ran.stdout.contains(code) && ran.stdout.ends_with("403"), "{path} {header}: {ran:?}");
            assert!(!ran.stdout.to_lowercase().contains("access-control"), "{ran:?}");
        }
    }
    let preflight =
        ["-X", "OPTIONS", "-H", "Origin: https://evil.example", "-H", "Access-Control-Request-Method: POST"];
    assert!(proxy.bare("/proxy", &preflight).stdout.contains("origin_refused"));
    assert_eq!(proxy.bare("/health", &["-H", &own]).ok().stdout, "{\"ok\":true}");
    assert_eq!(proxy.refused(&proxy.bare("/else", &STATUS)).1, "session_token_required");
    assert_eq!(proxy.refused(&proxy.curl("/else", &STATUS)), (404, "not_found".to_owned()));
    assert!(proxy.scene.upstream.received().is_empty(), "nothing went out");
}

#[test]
fn bytes_stream_both_ways_and_a_client_that_goes_ends_its_call() {
    let proxy = Proxy::start();
    let scene = &proxy.scene;
    let bytes: Vec<u8> = (0..(1 << 20) + 7_u32).map(|at| u8::try_from(at % 251).expect("a byte")).collect();
    let file = scene.stage.path("work/body");
    std::fs::write(&file, &bytes).expect("file");
    let up = proxy.curl(&proxy.to("/upload"), &["-H", BEARER, "--data-binary", &format!("@{}", file.display())]).ok();
    assert!(up.stdout.contains(&bytes.len().to_string()), "{up:?}");
    let out = scene.stage.path("work/down").display().to_string();
    proxy.curl(&proxy.to(&format!("/bytes?n={}", bytes.len())), &["-H", BEARER, "-o", &out]).ok();
    assert!(std::fs::read(&out).expect("file") == bytes);
    let address = ("127.0.0.1", u16::try_from(proxy.port).expect("a port"));
    let mut stream = TcpStream::connect(address).expect("connected");
    let request = |path: &str| {
        let (path, port, token) = (proxy.to(path), proxy.port, &proxy.token);
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-AS-Session-Token: {token}\r\n{BEARER}\r\n\r\n")
    };
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    stream.write_all(request("/sse?events=2&interval_ms=1500").as_bytes()).expect("written");
    let mut until = |wanted: &str| {
        let (mut seen, mut buffer) = (String::new(), [0; 4096]);
        while !seen.contains(wanted) {
            let length = stream.read(&mut buffer).expect("read");
            assert!(length > 0, "{wanted} did not come: {seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        Instant::now()
    };
    let first = until("id: 1");
    assert!(until("id: 2") - first > Duration::from_millis(700), "the first event waited for the second");
    let mut hanging = TcpStream::connect(address).expect("connected");
    hanging.write_all(request("/hang").as_bytes()).expect("written");
    assert!(scene.upstream.wait_for(Duration::from_secs(10), |got| got.path() == "/hang").is_some());
    drop(hanging);
    let started = Instant::now();
    while scene.upstream.state().client_closed == 0 {
        assert!(started.elapsed() < Duration::from_secs(10), "the call goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn one_proxy_a_home_that_starts_shows_itself_and_ends() {
    let proxy = Proxy::start();
    let stage = &proxy.scene.stage;
    let again = stage.json(["proxy", "start"]);
    assert_eq!((again["port"].as_u64(), again["session_token"].as_str()), (Some(proxy.port), Some(&*proxy.token)));
    let other = if proxy.port == 1 { "2" } else { "1" };
    stage.agent(["proxy", "start", "--port", other]).refused(2, "invalid_call");
    let status = stage.json(["proxy", "status"]);
    assert_eq!((&status["running"], status["session_token"].as_str()), (&Value::Bool(true), Some(&*proxy.token)));
    assert!(!stage.agent(["proxy", "status"]).ok().says(&proxy.token), "the token is printed once");
    for file in ["proxy.json", "proxy.log", "proxy.lock"] {
        let mode = std::fs::metadata(stage.home().join("run").join(file)).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    // Nobody of this user reads its memory or its environment.
    assert!(std::fs::File::open(format!("/proc/{}/mem", status["pid"])).is_err() || is_root());
    proxy.curl(&proxy.to("/echo?q=private"), &["-H", BEARER]).ok();
    let logs = stage.agent(["proxy", "logs", "--json"]).ok();
    assert!(logs.stdout.contains("\"reverse\"") && logs.stdout.contains("https://localhost:"), "{logs:?}");
    assert!(!logs.says(&proxy.token) && !logs.says("private") && !logs.says(&proxy.scene.value), "{logs:?}");
    let files = stage.files();
    assert!(!String::from_utf8_lossy(&files).contains(&proxy.scene.value));
    stage.agent(["proxy", "stop"]).ok();
    assert_eq!(stage.json(["proxy", "status"])["running"], false);
    assert!(TcpStream::connect(("127.0.0.1", u16::try_from(proxy.port).expect("a port"))).is_err());
    assert_eq!(stage.json(["proxy", "stop"])["stopped"], false);
    assert!(!stage.home().join("run/proxy.json").exists());
    let port = proxy.port.to_string();
    assert_eq!(stage.json(["proxy", "start", "--port", &port])["port"].as_u64(), Some(proxy.port));
}

#[test]
fn an_agent_says_who_it_is_for_each_request() {
    let proxy = Proxy::start();
    let stage = &proxy.scene.stage;
    stage.owner(["agent", "register", "bot"]).ok();
    let out = stage.path("token").display().to_string();
    stage.owner(["agent", "token", "issue", "bot", "--out", &out]).ok();
    let token = crate::stage::read(&stage.path("token")).trim().to_owned();
    let (said, wrong) = (format!("X-AS-Agent-Token: {token}"), "X-AS-Agent-Token: as_agent_wrong");
    let (to, bearer) = (proxy.target("/echo"), "X-AS-Inject-Bearer: KEY");
    for (path, headers) in
        [(proxy.to("/echo"), vec!["-H", BEARER]), ("/proxy".to_owned(), vec!["-H", &to, "-H", bearer])]
    {
        for (more, status) in [(&[][..], "403"), (&["-H", wrong], "403"), (&["-H", &said], "200")] {
            let ran = proxy.curl(&path, &[&headers[..], more, &STATUS].concat());
            assert!(ran.stdout.ends_with(status) && !ran.says(&token), "{more:?}: {ran:?}");
        }
        let record = &stage.json(["logs", "list"])[0];
        assert_eq!((&record["agent"], &record["outcome"]), (&"bot".into(), &"ok".into()), "{record}");
    }
    assert!(!String::from_utf8_lossy(&stage.files()).contains(&token), "the token rests somewhere");
    let mut run =
        proxy.scene.command(&["--", "curl", "-sS", "-H", BEARER, "-w", "%{http_code}", &proxy.scene.url("/echo")]);
    assert!(proxy.scene.clean(&run.output().expect("ran")).stdout.ends_with("403"));
    run.env("AGENTSECRETS_AGENT_TOKEN", &token);
    assert!(proxy.scene.clean(&run.output().expect("ran")).stdout.ends_with("200"));
}

#[test]
fn many_that_start_at_once_are_one() {
    let stage = crate::stage::Stage::new();
    let mut starting: Vec<_> = (0..8)
        .map(|_| stage.command(["proxy", "start", "--json"]).stdout(Stdio::piped()).spawn().expect("started"))
        .collect();
    let mut said: Vec<String> = Vec::new();
    for child in starting.drain(..) {
        let output = child.wait_with_output().expect("ended");
        assert!(output.status.success(), "{output:?}");
        said.push(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    said.sort();
    said.dedup();
    assert_eq!(said.len(), 1, "one port and one token");
    // What a killed one leaves is not taken for a running one.
    let pid = stage.json(["proxy", "status"])["pid"].as_i64().expect("a number");
    // SAFETY: the number is that of the proxy this test started.
    unsafe { libc::kill(i32::try_from(pid).expect("a number"), libc::SIGKILL) };
    let started = Instant::now();
    while stage.json(["proxy", "status"])["running"] == true {
        assert!(started.elapsed() < Duration::from_secs(10), "it runs on");
    }
    assert!(!stage.home().join("run/proxy.json").exists());
}

#[test]
fn in_the_foreground_it_lives_until_a_signal() {
    let stage = crate::stage::Stage::new();
    let mut command = stage.command(["proxy", "start", "--foreground", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("started");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("stdout")).read_line(&mut line).expect("read");
    let told: Value = serde_json::from_str(&line).expect("JSON");
    let port = u16::try_from(told["port"].as_u64().expect("a port")).expect("a port");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    // SAFETY: the number is that of a child of ours which is not waited for yet.
    unsafe { libc::kill(i32::try_from(child.id()).expect("a number"), libc::SIGINT) };
    assert_eq!(child.wait().expect("ended").code(), Some(0));
    assert_eq!(stage.json(["proxy", "status"])["running"], false);
}

fn is_root() -> bool {
    // SAFETY: geteuid only asks.
    unsafe { libc::geteuid() == 0 }
}
