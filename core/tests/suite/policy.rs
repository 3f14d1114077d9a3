//! What is refused: by default, by slot, by method, by time, and whenever the policy cannot be believed.

use agentsecrets::{Client, ErrorCode};
use agentsecrets_upstream::Upstream;
use http::Method;

use crate::kit::{Home, LEVELS, canary, name, refused, shared, upstreams};

fn granted(upstream: &Upstream, value: &str, terms: &[&str]) -> Home {
    let home = Home::new();
    home.trust(upstream);
    home.set("KEY", value.as_bytes());
    home.allow("KEY", &[&[upstream.base_url().as_str()], terms].concat());
    home
}

async fn passes(client: &Client, upstream: &Upstream) -> bool {
    client.get(&upstream.url("/echo")).bearer("KEY").send_buffered().await.is_ok()
}

#[tokio::test]
async fn what_is_not_granted_is_refused_with_the_command_that_grants_it() {
    let shared = shared();
    for client in shared.clients().await {
        let before = shared.http1.received().len();
        let error = refused(
            client.get("https://api.example.com/v1").bearer("KEY").send().await,
            ErrorCode::DestinationNotAllowed,
            &[&shared.key],
        );
        assert!(error.hint().is_some_and(|hint| hint.starts_with("agentsecrets allow KEY ")), "{error:?}");
        let url = shared.http1.url("/echo");
        let error =
            refused(client.get(&url).secret_query("q", "KEY").send().await, ErrorCode::SlotNotAllowed, &[&shared.key]);
        assert!(error.hint().is_some_and(|hint| hint.contains("--slot query:q")), "{error:?}");
        let planted =
            client.post(&shared.http1.url("/echo")).json(&serde_json::json!({"text": ""})).body_field("text", "KEY");
        refused(planted.send().await, ErrorCode::SlotNotAllowed, &[&shared.key]);
        let elsewhere =
            client.post(&shared.http1.url("/upload")).json(&serde_json::json!({})).body_field("auth.token", "KEY");
        let error = elsewhere.send().await.expect_err("another path");
        assert!(matches!(error.code(), ErrorCode::SlotNotAllowed | ErrorCode::DestinationNotAllowed), "{error:?}");
        refused(client.get(&url).send().await, ErrorCode::NothingToInject, &[]);
        let _ = before;
    }
}

#[tokio::test]
async fn an_unlisted_method_is_refused() {
    let (upstream, _) = upstreams();
    let value = canary();
    let home = granted(&upstream, &value, &["--method", "GET"]);
    for level in LEVELS {
        let client = home.client(level).await;
        assert!(passes(&client, &upstream).await);
        for method in [Method::POST, Method::HEAD, Method::DELETE, Method::from_bytes(b"GETS").expect("a method")] {
            refused(
                client.request(method, &upstream.url("/echo")).bearer("KEY").send().await,
                ErrorCode::DestinationNotAllowed,
                &[&value],
            );
        }
        let disguised = upstream.url("/echo?_method=DELETE");
        assert!(client.get(&disguised).bearer("KEY").send().await.is_err(), "a method in the query");
    }
}

#[tokio::test]
async fn a_path_rule_holds_for_the_bytes_that_are_sent() {
    let (upstream, _) = upstreams();
    let value = canary();
    let home = granted(&upstream, &value, &["--path", "/echo/*"]);
    for level in LEVELS {
        let client = home.client(level).await;
        assert!(client.get(&upstream.url("/echo/raw")).bearer("KEY").send_buffered().await.is_ok());
        for path in [
            "/echo",
            "/plant",
            "/echo/../plant",
            "/echo/%2e%2e/plant",
            "/echo%2fraw",
            "/echo/a%2fb",
            "/echo//raw",
            "/echo/;x",
            "/echo/\\raw",
            "/Echo/raw",
        ] {
            let url = upstream.url(path);
            assert!(client.get(&url).bearer("KEY").send_buffered().await.is_err(), "{path} passed");
        }
    }
    assert!(upstream.received().iter().all(|one| one.target == "/echo/raw"));
}

#[tokio::test]
async fn a_port_and_a_scheme_belong_to_the_rule() {
    let (one, two) = upstreams();
    let value = canary();
    let home = granted(&one, &value, &[]);
    for level in LEVELS {
        let client = home.client(level).await;
        assert!(passes(&client, &one).await);
        for url in [two.url("/echo"), one.http_url("/echo"), format!("http://localhost:{}/echo", one.port())] {
            refused(client.get(&url).bearer("KEY").send().await, ErrorCode::DestinationNotAllowed, &[&value]);
        }
        let user = format!("https://user:pass@localhost:{}/echo", one.port());
        assert!(client.get(&user).bearer("KEY").send().await.is_err(), "user information in the URL");
    }
    assert!(two.received().is_empty());
}

#[tokio::test]
async fn a_wildcard_covers_labels_below_and_never_the_apex() {
    let home = Home::new();
    let value = canary();
    home.set("KEY", value.as_bytes());
    home.allow("KEY", &["*.example.invalid"]);
    for level in LEVELS {
        let client = home.client(level).await;
        for (host, code) in [
            ("a.example.invalid", ErrorCode::UpstreamUnreachable),
            ("a.b.example.invalid", ErrorCode::UpstreamUnreachable),
            ("example.invalid", ErrorCode::DestinationNotAllowed),
            ("badexample.invalid", ErrorCode::DestinationNotAllowed),
            ("a.example.invalid.evil.invalid", ErrorCode::DestinationNotAllowed),
        ] {
            refused(client.get(&format!("https://{host}/")).bearer("KEY").send().await, code, &[&value]);
        }
    }
    let output = home.run(&["allow", "KEY", "*.co.uk", "--passphrase-fd", "0"], b"x\n");
    assert!(!output.status.success(), "a whole public suffix");
}

/// Trap 8: a look-up that fails, fails closed. The same altered home is refused by a running client and by a new one.
#[tokio::test]
async fn a_policy_that_cannot_be_believed_permits_nothing() {
    let (upstream, _) = upstreams();
    let value = canary();
    let home = granted(&upstream, &value, &[]);
    let file = home.root().join("policy.json");
    let older = std::fs::read(&file).expect("a policy");
    home.allow("KEY", &["api.example.com"]);
    let sound = std::fs::read(&file).expect("a policy");
    let text = String::from_utf8(sound.clone()).expect("text");
    let altered = text.replacen("api.example.com", "api.example.net", 1);
    assert_ne!(altered, text);
    let signature =
        serde_json::from_str::<serde_json::Value>(&text).expect("json")["signature"].as_str().expect("text").to_owned();
    let unsigned = text.replace(&signature, "");
    for level in LEVELS {
        let client = home.client(level).await;
        assert!(passes(&client, &upstream).await, "the control");
        for (what, bytes) in [
            ("altered", altered.clone().into_bytes()),
            ("unsigned", unsigned.clone().into_bytes()),
            ("older", older.clone()),
            ("cut", sound[..sound.len() / 2].to_vec()),
            ("empty", Vec::new()),
        ] {
            put(&file, &bytes);
            for client in [&client, &home.client(level).await] {
                let error = refused(
                    client.get(&upstream.url("/echo")).bearer("KEY").send().await,
                    ErrorCode::PolicyInvalid,
                    &[&value],
                );
                assert!(error.hint().is_some(), "{what}");
            }
        }
        std::fs::remove_file(&file).expect("removed");
        refused(client.get(&upstream.url("/echo")).bearer("KEY").send().await, ErrorCode::PolicyInvalid, &[]);
        put(&file, &sound);
        assert!(passes(&client, &upstream).await, "mended, it works again");
    }
}

fn put(file: &std::path::Path, bytes: &[u8]) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let _ = std::fs::remove_file(file);
    let mut options = std::fs::OpenOptions::new();
    let mut open = options.write(true).create_new(true).mode(0o600).open(file).expect("writable");
    std::io::Write::write_all(&mut open, bytes).expect("written");
}

#[tokio::test]
async fn a_deny_holds_and_its_removal_is_noticed() {
    let (upstream, _) = upstreams();
    for level in LEVELS {
        let value = canary();
        let home = granted(&upstream, &value, &[]);
        let client = home.client(level).await;
        assert!(passes(&client, &upstream).await);
        let grants = client.deny(name("KEY"), Vec::new()).await.expect("denied");
        assert_eq!(grants[0].state, "denied");
        refused(
            client.get(&upstream.url("/echo")).bearer("KEY").send().await,
            ErrorCode::DestinationNotAllowed,
            &[&value],
        );
        let file = home.root().join("deny.json");
        let kept = std::fs::read(&file).expect("an overlay");
        std::fs::remove_file(&file).expect("removed");
        for client in [&client, &home.client(level).await] {
            refused(client.get(&upstream.url("/echo")).bearer("KEY").send().await, ErrorCode::PolicyInvalid, &[]);
        }
        put(&file, b"{}");
        refused(client.get(&upstream.url("/echo")).bearer("KEY").send().await, ErrorCode::PolicyInvalid, &[]);
        put(&file, &kept);
        refused(client.get(&upstream.url("/echo")).bearer("KEY").send().await, ErrorCode::DestinationNotAllowed, &[]);
        home.allow("KEY", &[&upstream.base_url()]);
        assert!(passes(&client, &upstream).await, "the owner's allow lifts it");
    }
}

#[tokio::test]
async fn a_lifted_deny_leaves_one_record_of_its_own() {
    let (upstream, _) = upstreams();
    let value = canary();
    let home = granted(&upstream, &value, &[]);
    let clients = [home.client(LEVELS[0]).await, home.client(LEVELS[1]).await];
    for round in 1..=2 {
        clients[0].deny(name("KEY"), vec![upstream.base_url()]).await.expect("denied");
        home.allow("KEY", &[&upstream.base_url()]);
        for client in &clients {
            assert!(passes(client, &upstream).await && passes(client, &upstream).await);
        }
        let lifted: Vec<_> = home.records().into_iter().filter(|record| record.act == "deny_lifted").collect();
        assert_eq!(lifted.len(), round);
        assert_eq!((&lifted[0].secrets, lifted[0].project.is_some()), (&vec![name("KEY")], true));
    }
    let verdict = agentsecrets::logs::verify(&home.at(), None).expect("readable");
    assert!(verdict.ok, "{verdict:?}");
}

#[tokio::test]
async fn a_deny_in_one_process_binds_every_other() {
    let (upstream, _) = upstreams();
    let value = canary();
    let home = granted(&upstream, &value, &[]);
    let (one, two) = (home.client(LEVELS[0]).await, home.client(LEVELS[1]).await);
    assert!(passes(&one, &upstream).await && passes(&two, &upstream).await);
    one.deny(name("KEY"), vec![upstream.base_url()]).await.expect("denied");
    assert!(!passes(&one, &upstream).await && !passes(&two, &upstream).await);
}

/// Trap 7: what an agent reaches only subtracts.
#[tokio::test]
async fn nothing_a_client_can_ask_loosens_a_limit() {
    let (upstream, _) = upstreams();
    let value = canary();
    let home = granted(&upstream, &value, &[]);
    for level in LEVELS {
        let client = home.client(level).await;
        let before = std::fs::read(home.root().join("policy.json")).expect("a policy");
        let over = client.set(name("KEY"), crate::kit::input(b"another value"), false, None).await;
        refused(over.map(|_| ()), ErrorCode::OwnerRequired, &[&value]);
        refused(client.delete_secret(name("KEY"), None).await, ErrorCode::OwnerRequired, &[&value]);
        let forged = agentsecrets::SignedAct {
            act: serde_json::json!({
                "home": client.home().expect("a home").config().expect("config").id, "kind": "delete", "project": "tests",
                "environment": "development", "records": [["KEY", client.secrets().await.expect("names")[0].record]],
            })
            .to_string(),
            signature: "A".repeat(86),
        };
        refused(client.delete_secret(name("KEY"), Some(forged)).await, ErrorCode::OwnerRequired, &[&value]);
        let fresh = format!("NEW_{}", if level == LEVELS[0] { "A" } else { "B" });
        client.set(name(&fresh), crate::kit::input(b"a new value"), false, None).await.expect("a new name is free");
        let url = upstream.url("/echo");
        refused(client.get(&url).bearer(fresh.as_str()).send().await, ErrorCode::DestinationNotAllowed, &[]);
        assert_eq!(std::fs::read(home.root().join("policy.json")).expect("a policy"), before);
        let answer = client.get(&upstream.url("/echo/raw")).bearer("KEY").send_buffered().await;
        assert!(answer.is_ok(), "and the old value is still there");
    }
}

/// Trap 22: what a repository brings along chooses nothing.
#[tokio::test]
async fn a_cloned_project_file_selects_nothing() {
    let home = Home::new();
    home.passed(&["project", "create", "production", "--passphrase-fd", "0"]);
    let clone = home.path("clone");
    std::fs::create_dir_all(clone.join(".agentsecrets")).expect("a folder");
    std::fs::write(clone.join(".agentsecrets/project.json"), r#"{"project":"production"}"#).expect("written");
    for level in LEVELS {
        let mut command = home.command(&["secrets", "list", "--json"]);
        let output =
            command.current_dir(&clone).env("AGENTSECRETS_ISOLATION", level.as_str()).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("project_not_linked") || said.contains("not linked"), "{said}");
        assert_eq!(output.status.code(), Some(3));
        let mut command = home.command(&["secrets", "list", "--json"]);
        let here = command.env("AGENTSECRETS_ISOLATION", level.as_str()).output().expect("it runs");
        assert!(here.status.success(), "the control: the linked directory");
    }
}
