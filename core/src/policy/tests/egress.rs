//! The owner's proxy: what may be named as one, who goes past it, and what the owner reads.

use proptest::prelude::*;
use url::Host;
use uuid::Uuid;

use super::kit::{Home, NOW, label, name};
use crate::error::ErrorCode;
use crate::log_safe::SafeUrl;
use crate::policy::{Document, Egress, Login};

fn parse(proxy: &str, bypass: &[&str]) -> crate::error::Result<Egress> {
    let bypass: Vec<String> = bypass.iter().map(ToString::to_string).collect();
    Egress::parse(proxy, &bypass, None)
}

#[test]
fn a_proxy_is_an_http_url_that_ends_after_its_port() {
    for (typed, read) in [
        ("http://proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("HTTP://Proxy.Example.com:80/", "http://proxy.example.com"),
        ("https://proxy.example.com", "https://proxy.example.com"),
        ("http://127.0.0.1:8888", "http://127.0.0.1:8888"),
        ("http://[::1]:8888", "http://[::1]:8888"),
        ("http://10.0.0.7:8080", "http://10.0.0.7:8080"),
    ] {
        assert_eq!(parse(typed, &[]).expect(typed).proxy.to_string(), read);
    }
    for typed in [
        "proxy.example.com:3128",
        "socks5://proxy.example.com:1080",
        "ftp://proxy.example.com",
        "http://",
        "http://proxy.example.com/path",
        "http://proxy.example.com?x",
        "http://proxy.example.com#x",
        "http://proxy.example.com:99999",
        "http://169.254.169.254:80",
        "http://0.0.0.0:3128",
        "http://[64:ff9b:1::1]:3128",
        "http://proxy.example.com\r\nHost: x",
        "",
    ] {
        assert_eq!(parse(typed, &[]).expect_err(typed).code(), ErrorCode::InvalidCall, "{typed}");
    }
}

proptest! {
    #[test]
    fn what_stands_before_an_at_sign_is_refused_and_not_repeated(user in "[a-z]{4,9}", word in "[A-Za-z0-9:%/]{8,30}") {
        let error = parse(&format!("http://{user}:{word}@proxy.example.com:3128"), &[]).expect_err("a login in a URL");
        let said = format!("{error:?}");
        prop_assert!(!said.contains(&word) && said.contains("--auth"), "{}", said);
    }

    #[test]
    fn nothing_that_is_typed_is_read_as_another_proxy(typed in "[ -~]{0,40}") {
        if let Ok(egress) = parse(&typed, &[]) {
            let again = parse(&egress.proxy.to_string(), &[]).expect("its own spelling");
            prop_assert_eq!(&again, &egress);
            let url = SafeUrl::parse(&typed).expect("a URL");
            prop_assert_eq!(url.origin(), egress.proxy.origin());
        }
    }
}

#[test]
fn bypassed_hosts_are_names_below_a_domain_or_exactly_one() {
    let egress = parse("http://p.example:1", &["*.corp.example", "api.example.com", "192.0.2.7", "API.example.com"]);
    let egress = egress.expect("a proxy");
    assert_eq!(egress.bypass.len(), 3, "one host, however it is spelled");
    let passes = |host: &str| {
        let url = SafeUrl::parse(&format!("https://{host}/")).expect("a URL");
        egress.bypasses(url.origin().host())
    };
    for host in ["a.corp.example", "a.b.corp.example", "api.example.com", "API.EXAMPLE.COM.", "192.0.2.7"] {
        assert!(passes(host), "{host}");
    }
    for host in ["corp.example", "notcorp.example", "x.api.example.com", "192.0.2.8", "example.com"] {
        assert!(!passes(host), "{host}");
    }
    assert!(!egress.bypasses(&Host::Domain("".into())));
    for typed in ["https://api.example.com", "api.example.com:443", "api.example.com/v1", "", "*", "a.*.example"] {
        assert_eq!(parse("http://p.example:1", &[typed]).expect_err(typed).code(), ErrorCode::InvalidCall, "{typed}");
    }
}

#[test]
fn the_owner_reads_what_the_proxy_learns_and_the_document_keeps_it() {
    let mut document = Home::new().document;
    let login = Login { project: document.default_project, environment: label("development"), secret: name("LOGIN") };
    let bypass = ["*.corp.example".to_owned()];
    let egress = Egress::parse("http://p.example:3128", &bypass, Some(login.clone())).expect("a proxy");
    let change = document.set_egress(egress.clone()).expect("set");
    assert_eq!(
        change.says,
        "Calls to public hosts leave by the proxy http://p.example:3128, which resolves their names and reads what is \
         sent in cleartext; it is given LOGIN (development), in cleartext; calls to *.corp.example go past it"
    );
    assert!(!document.set_egress(egress.clone()).expect("the same").changed);
    document.advance(NOW);
    let read = Document::parse(&document.to_bytes()).expect("what was written is read");
    assert_eq!(read.egress, Some(egress));
    let stranger = Login { project: Uuid::now_v7(), ..login };
    let egress = Egress::parse("https://p.example", &[], Some(stranger)).expect("a proxy");
    assert_eq!(document.set_egress(egress.clone()).expect_err("of no project").code(), ErrorCode::ProjectNotFound);
    document.egress = Some(egress);
    assert!(Document::parse(&document.to_bytes()).is_err(), "a login of no project");
    assert!(document.remove_egress().changed && !document.remove_egress().changed);
    assert!(!String::from_utf8(document.to_bytes()).expect("text").contains("egress"));
}
