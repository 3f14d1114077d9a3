//! The way out as the command line shows and changes it.

use agentsecrets_upstream::{Proxy, ProxyOptions};
use serde_json::json;

use crate::scene::Scene;
use crate::stage::{Stage, canary};

#[test]
fn status_doctor_and_egress_say_who_resolves_names() {
    let stage = Stage::new();
    assert_eq!(stage.json(["egress"]), json!({ "proxy": null }));
    assert_eq!(stage.json(["status"])["egress"], json!(null));
    assert!(stage.agent(["egress"]).ok().says("straight"));
    let login = format!("user:{}", canary());
    stage.agent_with(["secrets", "set", "PROXY_LOGIN"], login.as_bytes()).ok();
    let set = ["egress", "proxy", "set", "http://127.0.0.1:3128", "--auth", "PROXY_LOGIN", "--bypass"];
    let said = stage.owner(set.iter().chain(&["a.example.com,*.example.net", "--json"])).ok();
    assert!(said.stdout.contains("resolves their names") && said.stdout.contains("PROXY_LOGIN"), "{said:?}");
    let told = json!({
        "proxy": "http://127.0.0.1:3128",
        "bypass": ["a.example.com", "*.example.net"],
        "auth": { "project": "work", "environment": "development", "name": "PROXY_LOGIN" },
    });
    assert_eq!(stage.json(["egress"])["proxy"], told);
    assert_eq!(stage.json(["status"])["egress"], told);
    for command in ["egress", "status", "doctor"] {
        let ran = stage.agent([command]);
        assert!(ran.says("http://127.0.0.1:3128") && ran.says("resolves"), "{ran:?}");
        assert!(!ran.says(&login["user:".len()..]));
    }
    stage.agent(["lock"]).ok();
    assert_eq!(stage.json(["egress"])["proxy"], told, "it needs no key");
    stage.agent(["unlock"]).ok();
    stage.owner(["egress", "proxy", "remove"]).ok();
    assert_eq!(stage.json(["egress"]), json!({ "proxy": null }));
}

#[test]
fn a_password_in_the_url_is_refused_and_kept_nowhere() {
    let stage = Stage::new();
    let password = canary();
    let url = format!("http://user:{password}@proxy.example.com:3128");
    for flags in [&[][..], &["--json"]] {
        let ran = stage.owner(["egress", "proxy", "set", &url].iter().chain(flags));
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(!ran.says(&password) && ran.says("--auth"), "{ran:?}");
    }
    let files = stage.files();
    assert!(!files.windows(password.len()).any(|window| window == password.as_bytes()));
    stage.owner(["egress", "proxy", "set", "proxy.example.com:3128"]).refused(2, "invalid_call");
    stage.owner(["egress", "proxy", "set", "socks5://proxy.example.com"]).refused(2, "invalid_call");
    stage.owner(["egress", "proxy", "set", "http://169.254.169.254"]).refused(2, "invalid_call");
    let missing = ["egress", "proxy", "set", "http://proxy.example.com", "--auth", "PROXY_LOGIN"];
    assert!(stage.owner(missing).refused(4, "secret_not_found").hint().contains("secrets set PROXY_LOGIN"));
    assert_eq!(stage.json(["egress"]), json!({ "proxy": null }));
}

#[test]
fn the_environments_proxies_are_still_not_read() {
    let scene = Scene::new();
    scene.allow(&["api.example.com"]);
    let proxy = Proxy::start(&ProxyOptions::new()).expect("a proxy");
    let with = |isolation: &str, program: Option<&str>, arguments: &[&str]| {
        let mut command = match program {
            Some(program) => scene.stage.program(program, arguments),
            None => scene.stage.command(arguments),
        };
        command.env("AGENTSECRETS_ISOLATION", isolation).env("PATH", "/usr/local/bin:/usr/bin:/bin");
        for name in ["http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
            command.env(name, proxy.url());
        }
        command.output().expect("ran")
    };
    scene.stage.agent(["broker", "stop"]).ok();
    for isolation in ["broker", "in-process"] {
        let (url, public) = (scene.url("/echo"), "https://api.example.com/echo");
        assert!(with(isolation, None, &["call", "--url", &url, "--bearer", "KEY"]).status.success());
        with(isolation, None, &["call", "--url", public, "--bearer", "KEY"]);
        assert!(proxy.seen().is_empty(), "a variable chose the way out");
    }
    // The control: another program goes where these variables lead.
    with("broker", Some("curl"), &["-s", "--max-time", "10", "https://api.example.com/"]);
    assert_eq!(proxy.seen().len(), 1);
}

#[test]
fn a_login_set_anew_opens_the_next_connection_and_one_that_is_no_login_is_named() {
    let scene = Scene::new();
    scene.allow(&["http://api.example.com"]);
    let login = format!("user:{}", canary());
    let port = scene.upstream.http_port().expect("a port");
    let options = ProxyOptions::new().login(&login).route("api.example.com:80", port);
    let proxy = Proxy::start(&options).expect("a proxy");
    let stage = &scene.stage;
    stage.agent_with(["secrets", "set", "PROXY_LOGIN"], format!("user:{}", canary()).as_bytes()).ok();
    stage.owner(["egress", "proxy", "set", &proxy.url(), "--auth", "PROXY_LOGIN"]).ok();
    let call = || stage.agent(["call", "--url", "http://api.example.com/echo", "--bearer", "KEY"]);
    assert!(call().refused(6, "upstream_unreachable").says("does not take the login"));
    stage.owner_with(["secrets", "set", "PROXY_LOGIN"], login.as_bytes()).ok();
    assert!(call().ok().says("[REDACTED:KEY]"));
    stage.owner_with(["secrets", "set", "PROXY_LOGIN"], canary().as_bytes()).ok();
    // What is open stays open; a new broker has to knock.
    stage.agent(["broker", "stop"]).ok();
    assert!(call().refused(2, "invalid_value").says("PROXY_LOGIN"));
    stage.owner(["secrets", "delete", "PROXY_LOGIN"]).ok();
    stage.agent(["broker", "stop"]).ok();
    let gone = call().refused(4, "secret_not_found");
    assert!(
        gone.says("the login of the proxy, PROXY_LOGIN, has no value") && gone.hint().contains("egress"),
        "{gone:?}"
    );
}
