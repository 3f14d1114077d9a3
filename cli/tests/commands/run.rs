//! `run` with a real program: the value is put in on the way, and the command never holds it.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::Value;

use crate::scene::{BEARER, Scene};
use crate::stage::Ran;

/// The status that `-w '\n%{http_code}'` wrote, and the body before it as JSON.
#[track_caller]
fn refused(ran: &Ran) -> (String, Value) {
    let (body, status) = ran.stdout.trim_end().rsplit_once('\n').unwrap_or_else(|| panic!("{ran:?}"));
    (status.to_owned(), serde_json::from_str(body).unwrap_or_else(|why| panic!("{why}: {ran:?}")))
}

const STATUS: [&str; 2] = ["-w", "\n%{http_code}"];

#[test]
fn curl_sends_the_value_and_sees_a_placeholder() {
    let scene = Scene::new();
    for version in ["--http1.1", "--http2"] {
        let to = scene.url("/echo");
        let ran = scene.curl(&["-H", BEARER, version, "-w", "%{http_code} %{http_version}", &to]).ok();
        assert_eq!(scene.sent("authorization"), format!("Bearer {}", scene.value));
        assert!(ran.stdout.contains("[REDACTED:KEY]"), "{ran:?}");
        assert!(ran.stdout.ends_with(if version == "--http2" { "200 2" } else { "200 1.1" }), "{ran:?}");
    }
    let ran = scene.curl(&["-u", "user:AS_SECRET_KEY", &scene.url("/echo")]).ok();
    let wanted = base64::engine::general_purpose::STANDARD.encode(format!("user:{}", scene.value));
    assert_eq!(scene.sent("authorization"), format!("Basic {wanted}"));
    assert!(!ran.says(&wanted), "{ran:?}");
    scene.allow(&[&scene.url(""), "--slot", "header:X-Api-Key"]);
    scene.allow(&[&scene.url(""), "--slot", "query:key"]);
    scene.curl(&["-H", "X-Api-Key: AS_SECRET_KEY", &scene.url("/echo")]).ok();
    assert_eq!(scene.sent("x-api-key"), scene.value);
    scene.curl(&[&scene.url("/echo?key=AS_SECRET_KEY")]).ok();
    assert!(scene.last().target.ends_with(&format!("key={}", scene.value)));
}

#[test]
fn cleartext_goes_through_absolute_or_inside_connect() {
    let scene = Scene::new();
    scene.allow(&[&scene.http_url("")]);
    for options in [&[][..], &["--proxytunnel"]] {
        let to = scene.http_url("/echo");
        scene.curl(&[&["-H", BEARER, &to], options].concat()).ok();
        assert_eq!(scene.sent("authorization"), format!("Bearer {}", scene.value), "{options:?}");
    }
}

#[test]
fn what_is_not_granted_is_refused_in_one_shape() {
    let scene = Scene::new();
    let (ungranted, granted) = ("https://ungranted.example/x", scene.url("/echo"));
    for (arguments, status, code) in [
        (&["-H", BEARER, ungranted][..], "403", "destination_not_allowed"),
        (&[ungranted], "403", "nothing_to_inject"),
        // Where a grant opens Authorization, a program is asked for the credentials it may have.
        (&[&granted], "401", "nothing_to_inject"),
        (&["-H", "Authorization: Bearer other", &granted], "403", "nothing_to_inject"),
        (&["-H", "X-Other: AS_SECRET_KEY", &granted], "403", "slot_not_allowed"),
        (&["-H", "Authorization: Bearer AS_SECRET_KEY AS_SECRET_KEY", &granted], "400", "invalid_call"),
        (&["-H", "Authorization: Bearer AS_SECRET_NO_SUCH", &granted], "403", "secret_not_found"),
        (&["-H", BEARER, "-H", "Host: other.example", &granted], "421", "invalid_call"),
        (
            &["-H", BEARER, "-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "--http1.1", &granted],
            "400",
            "invalid_call",
        ),
    ] {
        let ran = scene.curl(&[arguments, &STATUS].concat()).ok();
        let (got, said) = refused(&ran);
        assert_eq!((got.as_str(), said["error"].as_str()), (status, Some(code)), "{arguments:?}: {ran:?}");
        assert!(said["message"].is_string() && said["domain"].is_string(), "{said}");
    }
    assert!(scene.upstream.received().is_empty(), "none of them went out");
    let ran = scene.curl(&["-I", &granted]).ok();
    assert!(ran.stdout.to_lowercase().contains("www-authenticate: basic realm=\"agentsecrets\""), "{ran:?}");
    let hint = refused(&scene.curl(&[&["-H", BEARER, ungranted][..], &STATUS].concat())).1;
    assert!(hint["hint"].as_str().is_some_and(|hint| hint.starts_with("agentsecrets allow KEY")), "{hint}");
}

#[test]
fn an_upstream_that_is_not_there_is_a_502_and_a_locked_store_a_423() {
    let scene = Scene::new();
    scene.allow(&["https://localhost:1"]);
    let (status, said) = refused(&scene.curl(&[&["-H", BEARER, "https://localhost:1/"][..], &STATUS].concat()));
    assert_eq!((status.as_str(), said["error"].as_str()), ("502", Some("upstream_unreachable")));
    let to = scene.url("/echo");
    let mut child = scene
        .command(&["--", "sh", "-c", &format!("echo up; read x; curl -sS -H '{BEARER}' -w '\\n%{{http_code}}' {to}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut up = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().expect("stdout"), &mut up).expect("up");
    scene.stage.agent(["lock"]).ok();
    child.stdin.take().expect("stdin").write_all(b"\n").expect("told");
    let (status, said) = refused(&scene.clean(&child.wait_with_output().expect("ended")));
    assert_eq!((status.as_str(), said["error"].as_str()), ("423", Some("store_locked")));
}

#[test]
fn a_placeholder_in_a_body_counts_only_where_it_is_granted() {
    let scene = Scene::new();
    let to = scene.url("/echo/raw");
    let json = ["-H", "Content-Type: application/json", "-d", r#"{"message":"AS_SECRET_KEY","token":"AS_SECRET_KEY"}"#];
    scene.curl(&[&["-H", BEARER, &to][..], &json].concat()).ok();
    assert_eq!(scene.last().body, json[3].as_bytes());
    scene.allow(&[&scene.url("/echo/raw"), "--slot", "body:token"]);
    let ran = scene.curl(&[&[to.as_str()][..], &json].concat()).ok();
    let wanted = format!(r#"{{"message":"AS_SECRET_KEY","token":"{}"}}"#, scene.value);
    assert_eq!(scene.last().body, wanted.as_bytes());
    assert!(ran.stdout.contains("[REDACTED:KEY]"), "{ran:?}");
}

#[test]
fn a_mebibyte_goes_up_and_comes_down() {
    let scene = Scene::new();
    let bytes: Vec<u8> = (0..(1 << 20) + 7_u32).map(|at| u8::try_from(at % 251).expect("a byte")).collect();
    std::fs::write(scene.stage.path("work/body"), &bytes).expect("file");
    for version in ["--http1.1", "--http2"] {
        let up = scene.curl(&["-H", BEARER, version, "--data-binary", "@body", &scene.url("/upload")]).ok();
        assert!(up.stdout.contains(&bytes.len().to_string()), "{up:?}");
        assert_eq!(scene.sent("content-length"), bytes.len().to_string());
        let down = scene.url(&format!("/bytes?n={}", bytes.len()));
        scene.curl(&["-H", BEARER, version, "-o", "down", &down]).ok();
        assert!(std::fs::read(scene.stage.path("work/down")).expect("file") == bytes, "{version}");
    }
}

#[test]
fn a_direct_host_is_reached_without_us_and_without_a_value() {
    let scene = Scene::new();
    let to = scene.http_url("/echo");
    scene.run(&["--direct", "localhost", "--", "curl", "-sS", "-H", BEARER, &to]).ok();
    assert_eq!(scene.sent("authorization"), "Bearer AS_SECRET_KEY");
    assert_eq!(scene.stage.json(["logs", "list"]), Value::Array(Vec::new()), "no call was made of it");
}

#[test]
fn trailers_come_through_redacted() {
    let scene = Scene::new();
    let ran = scene.curl(&["--http2", "-D", "-", "-H", BEARER, &scene.url("/trailers")]).ok();
    let (_, after) = ran.stdout.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{ran:?}"));
    assert!(after.contains("[REDACTED:KEY]"), "{ran:?}");
}

#[test]
fn a_refused_upload_is_told_why() {
    let scene = Scene::new();
    std::fs::write(scene.stage.path("work/body"), vec![7; 3 << 20]).expect("file");
    for options in [&["--http1.1"][..], &["--http1.1", "-H", "Expect:"], &["--http2"]] {
        let said =
            [&["-H", BEARER, "--data-binary", "@body", "https://ungranted.example/"][..], &STATUS, options].concat();
        let (status, said) = refused(&scene.curl(&said).ok());
        assert_eq!((status.as_str(), said["error"].as_str()), ("403", Some("destination_not_allowed")), "{options:?}");
    }
}

#[test]
fn events_arrive_one_by_one() {
    let scene = Scene::new();
    for version in ["--http1.1", "--http2"] {
        let to = scene.url("/sse?events=3&interval_ms=700");
        let mut child = scene
            .command(&["--", "curl", "-sSN", version, "-H", BEARER, &to])
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let seen: Vec<Instant> =
            lines.map_while(Result::ok).filter(|line| line.starts_with("id")).map(|_| Instant::now()).collect();
        assert!(child.wait().expect("ended").success());
        assert_eq!(seen.len(), 3);
        for pair in seen.windows(2) {
            assert!(pair[1] - pair[0] > Duration::from_millis(300), "the events came together");
        }
    }
}

#[test]
fn a_program_that_goes_away_ends_its_call() {
    let scene = Scene::new();
    for (version, at) in [("--http1.1", 1), ("--http2", 2)] {
        let to = scene.url("/hang");
        let ran = scene.run(&["--", "curl", "-sS", "-m", "1", version, "-H", BEARER, &to]);
        assert_eq!(ran.code, 28, "{ran:?}");
        let started = Instant::now();
        while scene.upstream.state().client_closed < at {
            assert!(started.elapsed() < Duration::from_secs(10), "{:?}", scene.upstream.state());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn an_answer_without_a_body_has_none() {
    let scene = Scene::new();
    for version in ["--http1.1", "--http2"] {
        let head = scene.curl(&["-I", version, "-H", BEARER, &scene.url("/bytes?n=10")]).ok();
        assert!(head.stdout.contains(" 200"), "{head:?}");
        for status in ["204", "304", "404"] {
            let to = scene.url(&format!("/status/{status}"));
            let ran = scene.curl(&[version, "-H", BEARER, "-o", "/dev/null", "-w", "%{http_code}", &to]).ok();
            assert_eq!(ran.stdout, status);
        }
        let refused = scene.curl(&["-I", version, &scene.url("/echo")]).ok();
        assert!(refused.stdout.contains(" 401"), "{refused:?}");
    }
}

#[test]
fn nobody_else_is_let_in() {
    let scene = Scene::new();
    let to = scene.url("/echo");
    // Without the environment of the run, as whatever else runs here; a password that is said has to be the right one.
    let curl = format!("curl -sS --cacert $ca -o /dev/null -w '%{{http_connect}}' -H '{BEARER}' {to} -x");
    let script = |who: &str, proxy: &str| {
        format!("address=${{https_proxy#*@}}; ca=$CURL_CA_BUNDLE; {who} {} {proxy}", curl.replace("$ca", "\"$ca\""))
    };
    for (who, proxy) in [
        ("env -i PATH=$PATH", "http://$address"),
        ("env -i PATH=$PATH", "http://run:wrong@$address"),
        ("", "http://run:wrong@$address"),
        ("", "http://run@$address"),
    ] {
        let ran = scene.sh(&script(who, proxy));
        assert!(ran.code == 56 && ran.stdout == "407", "{who} {proxy}: {ran:?}");
    }
    let plain = scene.sh("a=${https_proxy#*@}; env -i PATH=$PATH curl -sS http://$a/proxy");
    assert!(plain.stdout.contains("session_token_required"), "{plain:?}");
    assert!(scene.upstream.received().is_empty());
    // The kernel says whose a connection is: a program of the run need not say the password, which Java's cannot.
    let own = scene.sh(&script("", "http://$address")).ok();
    assert_eq!((own.stdout.as_str(), scene.upstream.received().len()), ("200", 1), "{own:?}");
}
