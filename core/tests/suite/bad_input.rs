//! Bad input gets a clear error with its code, stage and hint, and loses nothing.

use std::os::unix::fs::PermissionsExt as _;

use agentsecrets::{Auth, Call, Client, ErrorCode, FieldPath, Isolation, SecretInput, SecretName, SecretRef, Stage};
use http::Method;

use crate::kit::{Home, LEVELS, canary, input, name, refused, shared, upstreams};

#[tokio::test]
async fn an_unknown_name_is_said_to_be_one() {
    let shared = shared();
    for client in shared.clients().await {
        let error = refused(
            client.get(&shared.http1.url("/echo")).bearer("NO_SUCH").send().await,
            ErrorCode::SecretNotFound,
            &[],
        );
        assert_eq!(error.stage(), Stage::Resolve);
        assert_eq!(error.hint(), Some("agentsecrets secrets set NO_SUCH"));
        let checked = client.check(vec![name("KEY"), name("NO_SUCH")]).await.expect("checked");
        assert_eq!(
            checked.iter().map(|one| (one.present, one.granted)).collect::<Vec<_>>(),
            [(true, true), (false, false)]
        );
    }
}

#[test]
fn a_value_is_measured_before_it_is_kept() {
    let long = SecretInput::from_bytes(vec![b'x'; (64 << 10) + 1]).map(|_| ());
    assert_eq!(refused(long, ErrorCode::InvalidValue, &[]).stage(), Stage::Store);
    refused(SecretInput::from_bytes(Vec::new()).map(|_| ()), ErrorCode::InvalidValue, &[]);
    assert!(SecretInput::from_bytes(vec![b'x'; 64 << 10]).is_ok());
}

/// Values that cannot stand in a header, that are long, that are not text: kept whole, and refused where they cannot go.
#[tokio::test]
async fn a_value_that_cannot_go_there_is_refused_by_name() {
    let (upstream, _) = upstreams();
    let home = Home::new();
    home.trust(&upstream);
    let long = canary().repeat(3000).into_bytes()[..64 << 10].to_vec();
    let (line, nul) = (format!("{}\n{}", canary(), canary()), format!("{}\0x", canary()));
    let binary = [canary().as_bytes(), &[0xff, 0xfe]].concat();
    let values: [(&str, &[u8]); 4] =
        [("LINE", line.as_bytes()), ("NUL", nul.as_bytes()), ("BINARY", &binary), ("LONG", &long)];
    let setter = home.client(LEVELS[1]).await;
    for (key, value) in values {
        setter.set(name(key), input(value), false, None).await.expect("kept");
        home.allow(
            key,
            &[&format!("{}/**", upstream.base_url()), "--slot", "bearer", "--slot", "body:k", "--slot", "query:k"],
        );
    }
    for level in LEVELS {
        let client = home.client(level).await;
        let url = upstream.url("/echo");
        for key in ["LINE", "NUL"] {
            let error =
                refused(client.get(&url).bearer(key).send().await, ErrorCode::InvalidValue, &[&line[..20], &nul[..20]]);
            assert_eq!(
                (error.stage(), error.hint()),
                (Stage::Inject, Some(format!("agentsecrets secrets set {key}").as_str()))
            );
        }
        let error = refused(
            client.post(&url).json(&serde_json::json!({})).body_field("k", "BINARY").send().await,
            ErrorCode::InvalidValue,
            &[],
        );
        assert!(error.message().contains("UTF-8") && error.hint().is_some());
        let error = refused(client.get(&url).secret_query("k", "LONG").send().await, ErrorCode::InvalidValue, &[]);
        assert!(error.hint().is_some());
        for key in ["LINE", "LONG"] {
            let answer = client
                .post(&upstream.url("/upload"))
                .json(&serde_json::json!({}))
                .body_field("k", key)
                .send_buffered()
                .await;
            assert_eq!(answer.expect("sent").status.as_u16(), 200, "{key} goes where it can stand");
        }
    }
    assert!(upstream.received().iter().any(|one| one.body_length > 64 << 10));
}

#[tokio::test]
async fn a_short_value_needs_to_be_asked_for() {
    let home = Home::new();
    for level in LEVELS {
        let client = home.client(level).await;
        let error = refused(
            client.set(name("SHORT"), input(b"1234567"), false, None).await.map(|_| ()),
            ErrorCode::InvalidValue,
            &["1234567"],
        );
        assert!(error.hint().is_some_and(|hint| hint.contains("--weak")));
        assert!(client.secrets().await.expect("names").is_empty());
    }
}

#[tokio::test]
async fn a_body_that_has_no_such_place_is_refused() {
    let shared = shared();
    for client in shared.clients().await {
        let url = shared.http1.url("/v1/x");
        for body in ["not json", "{\"auth\":1}", "[1", "{\"auth\":\"text\"}", "\"scalar\""] {
            let call =
                client.post(&url).header("content-type", "application/json").body(body).body_field("auth.token", "KEY");
            let error = refused(call.send().await, ErrorCode::InvalidCall, &[&shared.key]);
            assert_eq!(error.stage(), Stage::Inject, "{body}");
        }
        let streamed = agentsecrets::Body::stream(futures_util::stream::iter([Ok(bytes::Bytes::from_static(b"{}"))]));
        let error = refused(
            client.post(&url).body(streamed).body_field("auth.token", "KEY").send().await,
            ErrorCode::InvalidCall,
            &[],
        );
        assert!(error.hint().is_some());
    }
}

#[test]
fn what_contradicts_itself_is_refused_when_it_is_said() {
    let secret = |text: &str| SecretRef::new(text).expect("a name");
    let path = |text: &str| Auth::BodyField(FieldPath::parse(text).expect("a path"));
    for (one, two) in [
        (Auth::Bearer, Auth::Basic),
        (Auth::Bearer, Auth::Header(http::header::AUTHORIZATION)),
        (path("a.b"), path("a")),
        (path("a"), Auth::FormField("a".into())),
        (Auth::Query("k".into()), Auth::Query("k".into())),
    ] {
        let mut call = Call::new(Method::POST, "https://a.example/").expect("a URL");
        call.inject(one, secret("A")).expect("the first");
        assert_eq!(refused(call.inject(two, secret("B")), ErrorCode::InvalidCall, &[]).stage(), Stage::Call);
    }
    for url in [
        "",
        "no url",
        "ftp://a.example/",
        "https://",
        "https://a b/",
        "file:///etc/passwd",
        "https://u:p@a.example/",
        "https://a.example:99999/",
    ] {
        refused(Call::new(Method::GET, url).map(|_| ()), ErrorCode::InvalidCall, &["u:p"]);
    }
    for text in ["", "lower", "A B", "1A", "A-B", "AS\n", "a/b", "x/y/z/K", &"A".repeat(129)] {
        assert!(SecretRef::new(text).is_err(), "{text:?}");
    }
    for method in [Method::CONNECT, Method::TRACE] {
        refused(Call::new(method, "https://a.example/").map(|_| ()), ErrorCode::InvalidCall, &[]);
    }
    let mut call = Call::new(Method::GET, "https://a.example/").expect("a URL");
    refused(call.header("X-A", b"a\r\nX-B: c"), ErrorCode::InvalidCall, &[]);
    refused(call.header("X A", b"a"), ErrorCode::InvalidCall, &[]);
}

#[tokio::test]
async fn no_home_says_how_to_make_one() {
    let home = Home::bare();
    for level in LEVELS {
        let opened = Client::builder().home(home.root()).isolation(level).open().await;
        assert_eq!(refused(opened, ErrorCode::NotInitialized, &[]).hint(), Some("agentsecrets init"));
    }
}

/// Trap 13: without a keychain nothing else is taken in its place.
#[test]
fn without_a_keychain_init_says_so_and_makes_nothing() {
    let home = Home::bare();
    let mut command = home.command(&["init", "--store", "keychain", "--unlock", "keychain", "--no-owner", "--json"]);
    let output = command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("store_unavailable"), "{said}");
    assert!(said.contains("--store file") || said.contains("keychain"), "{said}");
    assert!(!home.root().join("home.json").exists());
    refused(home.at().config(), ErrorCode::NotInitialized, &[]);
}

/// Flips one byte of every file of the store in turn: either it does not matter, or it is said, and nothing is lost.
#[tokio::test]
async fn a_corrupted_store_is_said_to_be_one_and_is_not_overwritten() {
    let home = Home::new();
    home.set("KEY", canary().as_bytes());
    home.stop();
    let store: Vec<_> = walk(&home.root()).into_iter().filter(|path| is_sealed(path)).collect();
    assert!(!store.is_empty());
    for path in store {
        let sound = std::fs::read(&path).expect("readable");
        let mut bad = sound.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        std::fs::write(&path, &bad).expect("written");
        for level in LEVELS {
            let why = match Client::builder().home(home.root()).isolation(level).open().await {
                Ok(client) => client.set(name("MORE"), input(b"another value"), false, None).await.err().or(client
                    .get("https://a.example/")
                    .bearer("KEY")
                    .send()
                    .await
                    .err()),
                Err(why) => Some(why),
            };
            let why = why.unwrap_or_else(|| panic!("{} is not checked", path.display()));
            assert!(!why.message().is_empty(), "{why:?}");
            assert_eq!(
                std::fs::read(&path).expect("readable"),
                bad,
                "{}: what was damaged was replaced",
                path.display()
            );
        }
        home.stop();
        std::fs::write(&path, &sound).expect("mended");
    }
    let client = home.client(LEVELS[0]).await;
    assert_eq!(client.secrets().await.expect("names").iter().filter(|one| one.name == name("KEY")).count(), 1);
}

fn is_sealed(path: &std::path::Path) -> bool {
    let text = path.to_string_lossy();
    text.contains("index") || text.contains("store") || text.contains("records") || text.ends_with("pin.sealed")
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .filter(|path| path.is_file())
        .collect()
}

/// Only another user than root meets a read-only folder, so the executable runs as one.
#[test]
fn a_read_only_home_is_said_to_be_one() {
    let home = Home::new();
    home.set("KEY", canary().as_bytes());
    home.stop();
    let before = home.bytes_on_disk().len();
    let all = |mode| {
        for path in [vec![home.root()], folders(&home.root())].concat() {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode");
        }
    };
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } == 0 {
        eprintln!("NOT RUN: root writes where it is not allowed to; the store's own tests cover a full disk");
        return;
    }
    all(0o500);
    let output = home.run(&["secrets", "set", "MORE", "--json"], b"another value");
    all(0o700);
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(
        !output.status.success() && (said.contains("store_unavailable") || said.contains("broker_unavailable")),
        "{said}"
    );
    assert!(home.bytes_on_disk().len() >= before);
}

fn folders(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    entries.filter(|path| path.is_dir()).collect()
}

#[tokio::test]
async fn many_writers_at_once_lose_nothing() {
    let home = Home::new();
    let (one, two) = (home.client(LEVELS[0]).await, home.client(LEVELS[1]).await);
    let tasks = (0..24).map(|at| {
        let client = if at % 2 == 0 { one.clone() } else { two.clone() };
        tokio::spawn(
            async move { client.set(name(&format!("KEY_{at}")), input(canary().as_bytes()), false, None).await },
        )
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("no panic").expect("kept");
    }
    let contest = (0..6).map(|at| {
        let client = if at % 2 == 0 { one.clone() } else { two.clone() };
        tokio::spawn(async move { client.set(name("SAME"), input(canary().as_bytes()), false, None).await.is_ok() })
    });
    let mut won = 0;
    for task in contest.collect::<Vec<_>>() {
        won += usize::from(task.await.expect("no panic"));
    }
    assert_eq!(won, 1, "a name is new once");
    for client in [&one, &two] {
        assert_eq!(client.secrets().await.expect("names").len(), 25);
    }
}

/// Killed at random moments of many writes: what was said to be kept is there and opens, and the home works.
#[tokio::test]
async fn a_writer_killed_in_the_middle_loses_nothing_it_had_said() {
    let home = Home::new();
    let mut kept: Vec<SecretName> = Vec::new();
    for round in 0..8_u64 {
        let client = home.client(Isolation::Broker).await;
        let pid = home.broker_pid().await;
        let (say, mut said) = tokio::sync::mpsc::unbounded_channel();
        let writing = tokio::spawn(async move {
            for at in 0..500 {
                let fresh = name(&format!("R{round}_{at}"));
                match client.set(fresh.clone(), input(canary().as_bytes()), false, None).await {
                    Ok(_) => say.send(fresh).expect("the test listens"),
                    Err(_) => break,
                }
            }
        });
        kept.push(said.recv().await.expect("the first is kept"));
        tokio::time::sleep(std::time::Duration::from_millis(round * 7)).await;
        crate::audit::kill(pid);
        // The client would start another broker and write on.
        writing.abort();
        let _ = writing.await;
        while let Some(name) = said.recv().await {
            kept.push(name);
        }
        let client = home.client(LEVELS[0]).await;
        let names: Vec<_> = client.secrets().await.expect("the store opens").into_iter().map(|one| one.name).collect();
        for name in &kept {
            assert!(names.contains(name), "{name} is lost");
        }
        client.set(name(&format!("AFTER_{round}")), input(b"a new value"), false, None).await.expect("it is writable");
        kept.push(name(&format!("AFTER_{round}")));
    }
}
