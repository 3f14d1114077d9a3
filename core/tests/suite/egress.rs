//! The owner's proxy: who goes by it, what it learns, and what becomes of its lies.

use std::time::Duration;

use agentsecrets::{Client, Error, ErrorCode};
use agentsecrets_upstream::{Authority, Certificate, Options, Protocol, Proxy, ProxyOptions, Tunnel, Upstream};

use crate::kit::{Home, LEVELS, canary, contains, refused};
use crate::websockets::answered;

const HOST: &str = "api.example.com";

struct World {
    authority: Authority,
    upstream: Upstream,
    home: Home,
    value: String,
}

/// A home that lets `KEY` go to a public host, which only a proxy can lead to here.
fn world(protocol: Protocol) -> World {
    let authority = Authority::make().expect("an authority");
    let options = Options::new().authority(&authority).protocol(protocol).cleartext(true).name(HOST).name("8.8.4.4");
    let upstream = Upstream::start(&options).expect("an upstream");
    let (home, value) = (Home::new(), canary());
    home.trust(&upstream);
    home.set("KEY", value.as_bytes());
    home.allow("KEY", &[HOST, "http://api.example.com"]);
    World { authority, upstream, home, value }
}

impl World {
    fn proxy(&self) -> ProxyOptions {
        ProxyOptions::new()
            .route("api.example.com:443", self.upstream.port())
            .route("api.example.com:80", self.upstream.http_port().expect("cleartext"))
            .route("8.8.4.4:443", self.upstream.port())
    }

    /// Starts a proxy and names it the home's.
    fn through(&self, options: &ProxyOptions, more: &[&str]) -> Proxy {
        let proxy = Proxy::start(options).expect("a proxy");
        self.home.passed(&[&["egress", "proxy", "set", &proxy.url()], more, &["--passphrase-fd", "0"]].concat());
        proxy
    }

    fn straight(&self) {
        self.home.passed(&["egress", "proxy", "remove", "--passphrase-fd", "0"]);
    }
}

async fn get(client: &Client, url: &str) -> Result<agentsecrets::Buffered, Error> {
    client.get(url).bearer("KEY").timeout(Duration::from_secs(10)).send_buffered().await
}

fn requests(proxy: &Proxy) -> Vec<String> {
    proxy.seen().iter().map(Tunnel::request).collect()
}

#[tokio::test]
async fn a_public_call_leaves_by_the_proxy_which_learns_host_and_port_alone() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let world = world(protocol);
        let proxy = world.through(&world.proxy(), &[]);
        for level in LEVELS {
            proxy.clear();
            let client = world.home.client(level).await;
            for _ in 0..3 {
                let answer = get(&client, "https://api.example.com/echo?q=hidden").await.expect("an answer");
                assert_eq!(answer.status.as_u16(), 200);
                assert_eq!(answer.redacted.len(), 1, "the echo was redacted");
            }
            let seen = proxy.seen();
            assert_eq!(requests(&proxy), ["CONNECT api.example.com:443 HTTP/1.1"], "one tunnel, used again");
            assert_eq!(seen[0].header("host").as_deref(), Some("api.example.com:443"));
            assert_eq!(seen[0].header("proxy-authorization"), None);
            for text in [world.value.as_bytes(), b"hidden", b"/echo"] {
                assert!(!contains(&seen[0].head, text) && !contains(&seen[0].sent, text), "the proxy reads the call");
            }
            let last = world.upstream.last().expect("a request");
            assert!(last.tls && last.header("authorization").is_some());
            assert!(last.header("proxy-authorization").is_none());
            // The control: what is sent in cleartext is what a proxy reads.
            get(&client, "http://api.example.com/echo").await.expect("an answer");
            assert_eq!(requests(&proxy)[1], "CONNECT api.example.com:80 HTTP/1.1");
            assert!(contains(&proxy.seen()[1].sent, world.value.as_bytes()));
        }
    }
}

#[tokio::test]
async fn a_websocket_leaves_by_the_proxy_too() {
    let world = world(Protocol::Any);
    let proxy = world.through(&world.proxy(), &[]);
    for level in LEVELS {
        proxy.clear();
        let client = world.home.client(level).await;
        let answer = answered(&client, "https://api.example.com/ws/echo", &[]).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 101);
        assert_eq!(requests(&proxy), ["CONNECT api.example.com:443 HTTP/1.1"]);
        assert!(world.upstream.last().expect("a handshake").header("authorization").is_some());
    }
}

#[tokio::test]
async fn a_login_goes_to_the_proxy_alone_and_comes_back_to_nobody() {
    let world = world(Protocol::Any);
    let login = format!("user:{}", canary());
    world.home.set("PROXY_LOGIN", login.as_bytes());
    let proxy = world.through(&world.proxy().login(&login), &[]);
    for level in LEVELS {
        let client = world.home.client(level).await;
        let error = refused(get(&client, "https://api.example.com/echo").await, ErrorCode::UpstreamUnreachable, &[]);
        assert!(error.message().contains("wants a login (407)") && !error.retryable(), "{error:?}");
    }
    drop(proxy);
    let proxy = world.through(&world.proxy().login(&login), &["--auth", "PROXY_LOGIN"]);
    let wrong = world.proxy().login("user:another");
    for level in LEVELS {
        let client = world.home.client(level).await;
        get(&client, "https://api.example.com/echo").await.expect("an answer");
        assert!(world.upstream.last().expect("a request").header("proxy-authorization").is_none());
        // Nobody was granted it, so nobody can send it.
        let sent = client.get("https://api.example.com/echo").bearer("PROXY_LOGIN").send_buffered().await;
        refused(sent, ErrorCode::DestinationNotAllowed, &[&login]);
    }
    assert!(proxy.seen().iter().all(|tunnel| tunnel.header("proxy-authorization").is_some()));
    let proxy = world.through(&wrong, &["--auth", "PROXY_LOGIN"]);
    for level in LEVELS {
        let client = world.home.client(level).await;
        let error =
            refused(get(&client, "https://api.example.com/echo").await, ErrorCode::UpstreamUnreachable, &[&login]);
        assert!(error.message().contains("does not take the login it was given (407)"), "{error:?}");
        assert!(error.message().contains(&proxy.address()));
    }
    // A proxy that stands in for a host in cleartext says the login to the caller.
    let body = format!("{login} {}", &login["user:".len()..]);
    let after = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-Login: {login}\r\n\r\n{body}", body.len());
    let _proxy = world.through(&ProxyOptions::new().lies("HTTP/1.1 200 OK\r\n\r\n", after), &["--auth", "PROXY_LOGIN"]);
    for level in LEVELS {
        let client = world.home.client(level).await;
        let answer = get(&client, "http://api.example.com/echo").await.expect("an answer");
        let said = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.content));
        assert!(!said.contains(&login["user:".len()..]), "the login came back");
        assert!(said.contains("[REDACTED:PROXY_LOGIN]"), "{said}");
    }
}

#[tokio::test]
async fn what_is_here_or_private_goes_straight_and_is_checked_here() {
    let world = world(Protocol::Any);
    let port = world.upstream.port();
    let (local, literal) = (world.upstream.base_url(), format!("https://127.0.0.1:{port}"));
    let name = std::fs::read_to_string("/etc/hostname").expect("a machine has a name").trim().to_owned();
    let private = format!("https://{name}.private.example:{port}");
    let (below, bare) = (format!("https://a.localhost:{port}"), format!("https://{name}:{port}"));
    world.home.allow("KEY", &[&local, &literal, "https://8.8.4.4", &below, &bare, "bypassed.example.com"]);
    world.home.allow("KEY", &[&private, "--private"]);
    let options = world.proxy().route(format!("localhost:{port}"), port).route(format!("127.0.0.1:{port}"), port);
    let proxy = world.through(&options, &["--bypass", "bypassed.example.com,*.example.net"]);
    for level in LEVELS {
        proxy.clear();
        let client = world.home.client(level).await;
        for url in [&local, &literal] {
            assert_eq!(get(&client, &format!("{url}/echo")).await.expect("an answer").status.as_u16(), 200);
        }
        let error = get(&client, &format!("{below}/echo")).await.expect_err("this machine, by another name");
        assert!(matches!(error.code(), ErrorCode::AddressRefused | ErrorCode::UpstreamUnreachable), "{error:?}");
        for url in [&bare, &private, "https://bypassed.example.com"] {
            let error = get(&client, &format!("{url}/echo")).await.expect_err("not reached");
            assert!(!error.message().contains("proxy"), "{error:?}");
        }
        assert_eq!(requests(&proxy), [""; 0], "none of these is the proxy's business");
        // The control, and an address that is public and checked here.
        get(&client, "https://api.example.com/echo").await.expect("an answer");
        get(&client, "https://8.8.4.4/echo").await.expect("an answer");
        let both = ["CONNECT api.example.com:443 HTTP/1.1", "CONNECT 8.8.4.4:443 HTTP/1.1"];
        assert_eq!(requests(&proxy), both);
    }
    let before = world.upstream.received().len();
    world.straight();
    for level in LEVELS {
        let client = world.home.client(level).await;
        let error = refused(get(&client, "https://8.8.4.4:443/echo").await, ErrorCode::UpstreamUnreachable, &[]);
        assert!(!error.message().contains("proxy"));
    }
    assert_eq!(world.upstream.received().len(), before, "an old tunnel serves nobody any more");
}

#[tokio::test]
async fn a_proxy_that_lies_gets_nothing_and_is_named() {
    let world = world(Protocol::Any);
    let garbage = "\u{1}\u{2}garbage\r\n\r\n";
    let redirect = "HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example.com/\r\nContent-Length: 0\r\n\r\n";
    let page = "HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nno way";
    let open = "HTTP/1.1 200 OK\r\n\r\n";
    for (head, after, says) in [
        (garbage.to_owned(), "", "does not answer as an HTTP proxy does"),
        (redirect.to_owned(), "", "does not connect to it (302)"),
        (page.to_owned(), "", "does not connect to it (403)"),
        ("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n".to_owned(), "", "does not answer as an HTTP proxy does"),
        (format!("{open}\u{16}\u{3}"), "", "does not answer as an HTTP proxy does"),
        (open.to_owned(), garbage, "failed in the TLS handshake"),
        (open.to_owned(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "failed in the TLS handshake"),
        (open.to_owned(), "", "failed in the TLS handshake"),
        (format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(40_000)), "", "proxy"),
    ] {
        let proxy = world.through(&ProxyOptions::new().lies(head, after), &[]);
        for level in LEVELS {
            let client = world.home.client(level).await;
            let answered = get(&client, "https://api.example.com/echo").await;
            let error = refused(answered, ErrorCode::UpstreamUnreachable, &[&world.value]);
            assert!(error.message().contains(says), "{error:?}");
            assert!(error.message().contains(&proxy.address()), "{error:?}");
            assert!(error.hint().is_some_and(|hint| hint.starts_with("agentsecrets egress")), "{error:?}");
        }
    }
    // One that leads to a host of its own: its certificate is not the host's.
    for certificate in [Certificate::UnknownAuthority, Certificate::WrongName] {
        let stranger = Options::new().authority(&world.authority).certificate(certificate).name(HOST);
        let stranger = Upstream::start(&stranger).expect("an upstream");
        let _proxy = world.through(&ProxyOptions::new().route("api.example.com:443", stranger.port()), &[]);
        for level in LEVELS {
            let client = world.home.client(level).await;
            let answered = get(&client, "https://api.example.com/echo").await;
            let error = refused(answered, ErrorCode::UpstreamUnreachable, &[&world.value]);
            assert!(error.hint().is_some_and(|hint| hint.contains("agentsecrets trust")), "{error:?}");
        }
        assert!(stranger.received().is_empty());
    }
    assert!(world.upstream.received().is_empty());
}

#[tokio::test]
async fn a_proxy_that_is_away_or_says_nothing_is_named_too() {
    let world = world(Protocol::Any);
    let proxy = world.through(&ProxyOptions::new().silent(), &[]);
    let address = proxy.address();
    let brief = |client: &Client| client.get("https://api.example.com/echo").bearer("KEY");
    for level in LEVELS {
        let client = world.home.client(level).await;
        let answered = brief(&client).timeout(Duration::from_millis(300)).send_buffered().await;
        refused(answered, ErrorCode::Timeout, &[&world.value]);
    }
    drop(proxy);
    for level in LEVELS {
        let client = world.home.client(level).await;
        let error = refused(get(&client, "https://api.example.com/").await, ErrorCode::UpstreamUnreachable, &[]);
        assert_eq!(
            error.message(),
            format!("api.example.com:443 is not reachable: the proxy {address} refused the connection")
        );
        assert!(error.retryable() && error.hint().is_some_and(|hint| hint.starts_with("agentsecrets egress")));
    }
}

#[tokio::test]
async fn a_proxy_behind_tls_is_verified_like_any_host() {
    let world = world(Protocol::Any);
    let _proxy = world.through(&world.proxy().authority(&world.authority), &[]);
    for level in LEVELS {
        let client = world.home.client(level).await;
        get(&client, "https://api.example.com/echo").await.expect("TLS in TLS");
    }
    let stranger = Authority::make().expect("an authority");
    let proxy = world.through(&world.proxy().authority(&stranger), &[]);
    for level in LEVELS {
        let client = world.home.client(level).await;
        let answered = get(&client, "https://api.example.com/echo").await;
        let error = refused(answered, ErrorCode::UpstreamUnreachable, &[&world.value]);
        assert!(error.message().contains(&proxy.address()) && error.message().contains("certificate"), "{error:?}");
        assert!(!error.retryable() && error.hint().is_some_and(|hint| hint.contains("agentsecrets trust")));
    }
    assert!(proxy.seen().is_empty());
}
