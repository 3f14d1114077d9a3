//! A broker that is shared: what a client without a home gets there. What strangers try is in `tests/attacks`.

use agentsecrets::logs::LogsQuery;
use agentsecrets::{Client, ErrorCode, Isolation, SecretInput, SecretName};

use crate::kit::{Home, canary, refused, upstreams};

struct Guest {
    home: Home,
    socket: String,
    token: String,
}

impl Guest {
    fn invited() -> Self {
        let home = Home::new();
        home.passed(&["agent", "register", "bot", "--passphrase-fd", "0"]);
        let file = home.path("token");
        let out = file.to_str().expect("UTF-8");
        home.passed(&["agent", "token", "issue", "bot", "--out", out, "--passphrase-fd", "0"]);
        let token = std::fs::read_to_string(&file).expect("written").trim().to_owned();
        let socket = home.path("shared/bot.sock").display().to_string();
        home.passed(&["broker", "share", "--socket", &socket, "--agent", "bot", "--passphrase-fd", "0"]);
        Self { home, socket, token }
    }

    async fn client(&self) -> Client {
        let named = Client::builder().broker(format!("unix:{}", self.socket)).agent_token(&*self.token);
        named.open().await.expect("opened")
    }
}

#[tokio::test]
async fn a_client_of_a_shared_broker_calls_and_does_nothing_else() {
    let (upstream, _) = upstreams();
    let guest = Guest::invited();
    guest.home.trust(&upstream);
    guest.home.set("KEY", canary().as_bytes());
    guest.home.allow("KEY", &[&upstream.base_url(), "--agent", "bot"]);
    let client = guest.client().await;
    assert_eq!((client.isolation(), client.home().is_none()), (Isolation::BrokerShared, true));
    let answer = client.get(&upstream.url("/echo")).bearer("KEY").send_buffered().await.expect("granted");
    assert_eq!(answer.status, 200);
    let log = client.logs(LogsQuery::default()).await.expect("its own");
    assert_eq!((log.len(), log[0].record.isolation.as_str()), (1, "broker-shared"));
    let name = SecretName::parse("FRESH").expect("a name");
    let value = || SecretInput::from_bytes(canary().into_bytes()).expect("a value");
    refused(client.set(name.clone(), value(), false, None).await, ErrorCode::NotShared, &[]);
    refused(client.set_many(vec![(name, value())], false, None).await, ErrorCode::NotShared, &[]);
    refused(client.spawn(["/bin/true"]).start().await, ErrorCode::NotShared, &[]);
    refused(client.projects().await, ErrorCode::NotShared, &[]);
    refused(client.shares().await, ErrorCode::NotShared, &[]);
    let other = client.get(&upstream.url("/echo")).bearer("elsewhere/production/KEY").send_buffered().await;
    refused(other, ErrorCode::AgentRequired, &[]);
}

#[tokio::test]
async fn a_client_waits_for_a_shared_broker_and_starts_none() {
    let guest = Guest::invited();
    guest.home.stop();
    let client = guest.client().await;
    assert_eq!(client.isolation(), Isolation::BrokerShared);
    let error = refused(client.secrets().await, ErrorCode::BrokerUnavailable, &[]);
    assert!(error.retryable() && error.hint().is_some_and(|hint| hint.starts_with("where the broker runs")));
    guest.home.ok(&["broker", "run", "--background"], b"");
    assert!(client.secrets().await.expect("it listens again").is_empty());
}

#[tokio::test]
async fn a_home_and_a_shared_broker_exclude_each_other() {
    let home = Home::new();
    let both = Client::builder().home(home.root()).broker("unix:/run/agentsecrets/bot.sock").open().await;
    refused(both.map(drop), ErrorCode::InvalidCall, &[]);
    let within =
        Client::builder().isolation(Isolation::InProcess).broker("unix:/run/agentsecrets/bot.sock").open().await;
    refused(within.map(drop), ErrorCode::InvalidCall, &[]);
    refused(Client::builder().broker("/run/bot.sock").open().await.map(drop), ErrorCode::InvalidCall, &[]);
}
