//! Which addresses a call may reach, whatever its rule says.

use agentsecrets::{ErrorCode, Isolation};
use agentsecrets_upstream::{Options, Upstream};

use crate::kit::{Home, LEVELS, canary, mark, refused, seen, shared, upstreams};

/// A name that leads to this machine and is not `localhost`: its own.
fn own_name() -> String {
    std::fs::read_to_string("/etc/hostname").expect("a machine has a name").trim().to_owned()
}

fn home(upstream: &Upstream, value: &str, terms: &[&[&str]]) -> Home {
    let home = Home::new();
    home.trust(upstream);
    home.set("KEY", value.as_bytes());
    for terms in terms {
        home.allow("KEY", terms);
    }
    home
}

#[tokio::test]
async fn a_name_that_leads_to_loopback_needs_private() {
    let name = own_name();
    let value = canary();
    let v6 = Options::new().cleartext(true).name(&name);
    let upstream = Upstream::start(&v6).expect("an upstream");
    let rule = format!("http://{name}:{}", upstream.http_port().expect("cleartext"));
    let refusing = home(&upstream, &value, &[&[&rule]]);
    for level in LEVELS {
        let client = refusing.client(level).await;
        let error = refused(
            client.get(&format!("{rule}/echo")).bearer("KEY").send_buffered().await,
            ErrorCode::AddressRefused,
            &[&value],
        );
        assert!(error.hint().is_some_and(|hint| hint.contains("--private")));
    }
    assert!(upstream.received().is_empty() && upstream.state().connections == 0, "nothing was dialled");
    // The control: with `--private` the call leaves; where the name is not of 127.0.0.1, nobody listens there.
    let permitting = home(&upstream, &value, &[&[&rule, "--private"]]);
    for level in LEVELS {
        let client = permitting.client(level).await;
        let answered = client.get(&format!("{rule}/echo")).bearer("KEY").send_buffered().await;
        assert!(answered.is_ok() || answered.is_err_and(|why| why.code() == ErrorCode::UpstreamUnreachable));
    }
}

#[tokio::test]
async fn a_grant_for_a_name_is_none_for_its_address_nor_the_other_way_round() {
    let (upstream, _) = upstreams();
    let value = canary();
    let address = format!("https://127.0.0.1:{}", upstream.port());
    let by_name = home(&upstream, &value, &[&[&upstream.base_url()]]);
    let by_address = home(&upstream, &value, &[&[&address]]);
    for level in LEVELS {
        let (one, two) = (by_name.client(level).await, by_address.client(level).await);
        assert!(one.get(&upstream.url("/echo")).bearer("KEY").send_buffered().await.is_ok());
        assert!(two.get(&format!("{address}/echo")).bearer("KEY").send_buffered().await.is_ok());
        for address in [&address, &format!("https://[::ffff:127.0.0.1]:{}", upstream.port())] {
            let answered = one.get(&format!("{address}/echo")).bearer("KEY").send_buffered().await;
            refused(answered, ErrorCode::DestinationNotAllowed, &[&value]);
        }
        refused(
            two.get(&upstream.url("/echo")).bearer("KEY").send_buffered().await,
            ErrorCode::DestinationNotAllowed,
            &[&value],
        );
    }
}

#[tokio::test]
async fn other_spellings_of_an_address_are_that_address_or_nothing() {
    let (upstream, _) = upstreams();
    let value = canary();
    let port = upstream.port();
    let home = home(&upstream, &value, &[&[&format!("https://127.0.0.1:{port}")]]);
    for level in LEVELS {
        let client = home.client(level).await;
        // WHATWG URLs read these as 127.0.0.1, which is what the rule names.
        for host in ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"] {
            let answered = client.get(&format!("https://{host}:{port}/echo")).bearer("KEY").send_buffered().await;
            assert!(answered.is_ok(), "{host}: {answered:?}");
        }
        for host in ["[::1]", "[::]", "0.0.0.0", "127.0.0.2", "[::7f00:1]", "[64:ff9b::7f00:1]", "[::ffff:0:7f00:1]"] {
            let url = format!("https://{host}:{port}/echo");
            let why = client.get(&url).bearer("KEY").send_buffered().await.expect_err(host);
            assert!(
                matches!(why.code(), ErrorCode::DestinationNotAllowed | ErrorCode::AddressRefused),
                "{host}: {why:?}"
            );
        }
    }
}

#[test]
fn no_rule_opens_a_metadata_service() {
    let home = Home::new();
    for rule in [
        "http://169.254.169.254",
        "http://[fe80::1]",
        "http://[::ffff:169.254.169.254]",
        "http://0.0.0.0",
        "http://168.63.129.16",
    ] {
        let output = home.run(&["allow", "KEY", rule, "--private", "--passphrase-fd", "0"], b"never read\n");
        assert!(!output.status.success(), "{rule} was granted");
    }
    home.allow("KEY", &["http://10.0.0.1"]); // The control: a private address is granted by naming it.
}

#[tokio::test]
async fn a_connection_of_one_scope_serves_no_other() {
    let shared = shared();
    let port = shared.http1.port();
    for level in LEVELS {
        let client = shared.home.client(level).await;
        let mut used = Vec::new();
        for host in ["localhost", "127.0.0.1"] {
            let mark = mark();
            client
                .get(&format!("https://{host}:{port}/echo?m={mark}"))
                .bearer("KEY")
                .send_buffered()
                .await
                .expect("sent");
            used.push(seen(&shared.http1, &mark, |_| true).await.connection);
        }
        assert_ne!(used[0], used[1]);
    }
}

#[tokio::test]
async fn what_the_environment_says_of_proxies_and_roots_is_not_read() {
    let (upstream, _) = upstreams();
    let value = canary();
    let home = home(&upstream, &value, &[&[&upstream.base_url()]]);
    home.stop();
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let proxied = format!("http://{}", proxy.local_addr().expect("an address"));
    let keys = home.path("tls-keys");
    let bends = |command: &mut std::process::Command| {
        for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"] {
            command.env(name, &proxied);
        }
        command.env("SSLKEYLOGFILE", &keys).env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent");
    };
    for level in [Isolation::InProcess, Isolation::Broker] {
        let url = upstream.url("/echo");
        let mut command = home.command(&["call", "--url", &url, "--bearer", "KEY"]);
        bends(&mut command);
        let output = command.env("AGENTSECRETS_ISOLATION", level.as_str()).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    proxy.set_nonblocking(true).expect("set");
    assert!(proxy.accept().is_err(), "the proxy was dialled");
    assert!(!keys.exists(), "TLS secrets were written");
}
