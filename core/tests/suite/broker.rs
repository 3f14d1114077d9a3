//! The broker's life, and who is let in.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use agentsecrets::broker::{Finish, lock, stop_running};
use agentsecrets::{Client, ErrorCode, Isolation};
use agentsecrets_upstream::Upstream;

use crate::kit::{Home, LEVELS, canary, mark, refused, seen, upstreams};

fn granted(home: Home, upstream: &Upstream) -> Home {
    home.trust(upstream);
    home.set("KEY", canary().as_bytes());
    home.allow("KEY", &[&upstream.base_url()]);
    home
}

async fn get(client: &Client, upstream: &Upstream) -> agentsecrets::Result<u16> {
    client.get(&upstream.url("/echo")).bearer("KEY").send_buffered().await.map(|answer| answer.status.as_u16())
}

#[tokio::test]
async fn fifty_processes_at_once_share_one_broker() {
    let home = Home::new();
    home.stop();
    let children: Vec<_> = (0..50).map(|_| home.command(&["status", "--json"]).spawn().expect("it starts")).collect();
    let mut pids = Vec::new();
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("json");
        pids.push(said["broker_pid"].as_u64().unwrap_or_else(|| panic!("no broker in {said}")));
    }
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 1, "{pids:?}");
}

#[tokio::test]
async fn a_client_starts_the_broker_and_starts_it_again() {
    let (upstream, _) = upstreams();
    let home = granted(Home::new(), &upstream);
    home.stop();
    let client = home.client(Isolation::Broker).await;
    assert_eq!(get(&client, &upstream).await.expect("started by itself"), 200);
    assert!(stop_running(&home.at(), Finish::Stop).await.expect("stopped"));
    assert_eq!(get(&client, &upstream).await.expect("started again"), 200);
    crate::audit::kill(home.broker_pid().await);
    assert_eq!(get(&client, &upstream).await.expect("and after its death"), 200);
}

#[tokio::test]
async fn a_broker_killed_under_a_passphrase_comes_back_locked() {
    let (upstream, _) = upstreams();
    let home = granted(Home::under_passphrase(), &upstream);
    let client = home.client(Isolation::Broker).await;
    assert_eq!(get(&client, &upstream).await.expect("open since init"), 200);
    crate::audit::kill(home.broker_pid().await);
    let error = refused(get(&client, &upstream).await, ErrorCode::StoreLocked, &[]);
    assert_eq!(error.hint(), Some("agentsecrets unlock"));
    home.passed(&["unlock", "--passphrase-fd", "0"]);
    assert_eq!(get(&client, &upstream).await.expect("open again"), 200);
    let alone = Client::builder().home(home.root()).isolation(Isolation::InProcess).open().await;
    refused(alone, ErrorCode::StoreLocked, &[]);
}

#[tokio::test]
async fn a_wrong_passphrase_opens_nothing() {
    let home = Home::under_passphrase();
    home.stop();
    let output = home.run(&["unlock", "--passphrase-fd", "0", "--json"], b"another passphrase\n");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("wrong_passphrase"), "{said}");
    refused(home.client(Isolation::Broker).await.secrets().await, ErrorCode::StoreLocked, &[]);
    home.passed(&["unlock", "--passphrase-fd", "0"]);
    assert!(home.client(Isolation::Broker).await.secrets().await.is_ok());
}

#[tokio::test]
async fn a_stop_lets_calls_finish() {
    let (upstream, _) = upstreams();
    let home = granted(Home::new(), &upstream);
    let client = home.client(Isolation::Broker).await;
    let mark = mark();
    let slow =
        tokio::spawn(client.get(&upstream.url(&format!("/slow?ms=1500&m={mark}"))).bearer("KEY").send_buffered());
    seen(&upstream, &mark, |_| true).await;
    assert!(stop_running(&home.at(), Finish::Stop).await.expect("stopped"));
    assert_eq!(slow.await.expect("no panic").expect("drained").status.as_u16(), 200);
}

#[tokio::test]
async fn lock_ends_the_broker_and_every_engine_until_unlock() {
    let (upstream, _) = upstreams();
    let home = granted(Home::new(), &upstream);
    let [alone, brokered] = [home.client(LEVELS[0]).await, home.client(LEVELS[1]).await];
    assert!(get(&alone, &upstream).await.is_ok() && get(&brokered, &upstream).await.is_ok());
    let pid = home.broker_pid().await;
    assert!(lock(&home.at()).await.expect("locked"));
    let end = std::time::Instant::now() + crate::kit::PATIENCE;
    while crate::audit::is_alive(pid) {
        assert!(std::time::Instant::now() < end, "the broker lives on");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    refused(get(&brokered, &upstream).await, ErrorCode::StoreLocked, &[]);
    refused(get(&alone, &upstream).await, ErrorCode::StoreLocked, &[]);
    refused(alone.secrets().await, ErrorCode::StoreLocked, &[]);
    let place = format!("file:{}", home.path("use.key").display());
    for builder in [Client::builder(), Client::builder().unlock(place)] {
        refused(builder.home(home.root()).isolation(Isolation::InProcess).open().await, ErrorCode::StoreLocked, &[]);
    }
    home.ok(&["unlock"], b"");
    assert!(
        get(&brokered, &upstream).await.is_ok() && get(&alone, &upstream).await.is_ok(),
        "unlock asks nothing here"
    );
}

/// A broker that ends answers no more, and holds its place until its log is on the disk.
#[tokio::test]
async fn a_call_while_the_last_broker_ends_waits_for_the_next() {
    let (upstream, _http2) = upstreams();
    let home = granted(Home::new(), &upstream);
    home.stop();
    let path = home.root().join("run/broker.lock");
    let ending = std::fs::File::options().write(true).open(path).expect("the last broker's lock");
    ending.lock().expect("nobody holds it");
    let client = home.client(Isolation::Broker).await;
    let release = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        drop(ending);
    };
    let (answered, ()) = tokio::join!(get(&client, &upstream), release);
    assert_eq!(answered.expect("answered"), 200);
}

#[tokio::test]
async fn a_caller_of_another_version_is_told_so() {
    let home = Home::new();
    let mut socket = UnixStream::connect(home.root().join("run/broker.sock")).expect("a broker");
    let call =
        "GET https://localhost/ HTTP/1.1\r\nhost: x\r\nagentsecrets-call: {\"v\":99}\r\nconnection: close\r\n\r\n";
    socket.write_all(call.as_bytes()).expect("sent");
    let mut said = String::new();
    socket.read_to_string(&mut said).expect("answered");
    assert!(said.contains("broker_outdated") && said.contains("agentsecrets broker stop"), "{said}");
}

/// A client that speaks nonsense harms nobody: each gets an answer or a closed connection, and the broker lives.
#[tokio::test]
async fn nonsense_on_the_socket_harms_nobody() {
    let home = Home::new();
    let pid = home.broker_pid().await;
    let huge = format!("GET https://a/ HTTP/1.1\r\nagentsecrets-call: {}\r\n\r\n", "x".repeat(1 << 20));
    for text in [
        "\0\0\0\0",
        "GET / HTTP/1.1\r\n\r\n",
        "POST /v1/ask HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}",
        "POST /v1/ask HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n{}",
        "POST /v1/finish HTTP/1.1\r\ncontent-length: 4\r\n\r\n\"no\"",
        "GET https://a/ HTTP/1.1\r\nagentsecrets-call: {}\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nagentsecrets-call: {\"v\":1}\r\n\r\n",
        "POST https://a/ HTTP/1.1\r\nagentsecrets-call: {\"v\":1,\"inject\":[{\"style\":\"body_field\",\"secret\":\"K\",\"name\":\"\"}]}\r\ncontent-length: 1\r\n\r\n{",
        "POST /v1/set HTTP/1.1\r\nagentsecrets-call: {\"selection\":{},\"name\":\"../X\"}\r\ncontent-length: 1\r\n\r\nv",
        &huge,
    ] {
        let mut socket = UnixStream::connect(home.root().join("run/broker.sock")).expect("a broker");
        let _ = socket.write_all(text.as_bytes());
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let _ = socket.read_to_end(&mut Vec::new());
    }
    assert_eq!(home.broker_pid().await, pid);
}

/// Runs on a thread of another user; credentials on a socket are those of the thread that connects or listens.
fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    const NOBODY: libc::uid_t = 65534;
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"NOT RUN: only root can be another user\n");
        return None;
    }
    let thread = |work: Box<dyn FnOnce() -> T + Send + '_>| {
        // SAFETY: the raw call changes this thread alone, which ends right after.
        assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, -1, NOBODY, -1) }, 0);
        work()
    };
    std::thread::scope(|scope| Some(scope.spawn(|| thread(Box::new(work))).join().expect("the other user's thread")))
}

fn open_to_all(home: &Home) {
    let everyone = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("mode");
    for path in [home.path(""), home.root(), home.root().join("run"), home.root().join("run/broker.sock")] {
        if path.exists() {
            everyone(&path);
        }
    }
}

/// Trap 12, one side: the broker asks the kernel who is there; a peer's words about itself change nothing.
#[test]
fn the_broker_turns_away_another_user() {
    let home = Home::new();
    let socket = home.root().join("run/broker.sock");
    let (pid, question) = (std::process::id(), r#"{"selection":{},"ask":"status"}"#);
    let ask = format!(
        "POST /v1/ask HTTP/1.1\r\nhost: broker\r\nx-pid: {pid}\r\nagentsecrets-pid: {pid}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{question}",
        question.len()
    );
    let answer = || {
        let mut stream = UnixStream::connect(&socket).expect("the socket is open to all");
        let _ = stream.write_all(ask.as_bytes());
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    };
    assert!(answer().contains("broker_pid"), "the control: the same words from the same user; {}", answer());
    open_to_all(&home);
    if let Some(said) = as_nobody(answer) {
        assert_eq!(said, "", "a stranger was answered");
    }
    for path in [home.root().join("run"), home.root()] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).expect("mode");
    }
}

/// Trap 12, the other side: a client believes no broker of another user.
#[tokio::test]
async fn a_client_turns_away_a_strangers_broker() {
    let home = Home::new();
    home.stop();
    let run = home.root().join("run");
    open_to_all(&home);
    let socket = run.join("broker.sock");
    let Some(listener) = as_nobody(|| UnixListener::bind(&socket).expect("bound")) else { return };
    std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o700)).expect("mode");
    std::fs::set_permissions(home.root(), std::fs::Permissions::from_mode(0o700)).expect("mode");
    let error = refused(home.client(Isolation::Broker).await.secrets().await, ErrorCode::BrokerUnavailable, &[]);
    assert!(error.message().contains("another user") && !error.retryable(), "{error:?}");
    drop(listener);
    std::fs::remove_file(&socket).expect("removed");
}

#[tokio::test]
async fn a_folder_open_to_others_is_no_place_for_a_broker() {
    let home = Home::new();
    std::fs::set_permissions(home.root().join("run"), std::fs::Permissions::from_mode(0o755)).expect("mode");
    refused(home.client(Isolation::Broker).await.secrets().await, ErrorCode::BrokerUnavailable, &[]);
    std::fs::set_permissions(home.root().join("run"), std::fs::Permissions::from_mode(0o700)).expect("mode");
    assert!(home.client(Isolation::Broker).await.secrets().await.is_ok());
}

#[tokio::test]
async fn an_executable_that_was_replaced_is_not_started() {
    let home = Home::new();
    home.stop();
    let file = home.root().join("home.json");
    let text = std::fs::read_to_string(&file).expect("text");
    let said: serde_json::Value = serde_json::from_str(&text).expect("json");
    let hash = said["executable"]["sha256"].as_str().expect("a hash");
    std::fs::write(&file, text.replace(hash, &"0".repeat(64))).expect("written");
    let error = refused(home.client(Isolation::Broker).await.secrets().await, ErrorCode::BrokerUnavailable, &[]);
    assert!(error.message().contains("changed"), "{error:?}");
    std::fs::write(&file, text).expect("written");
    assert!(home.client(Isolation::Broker).await.secrets().await.is_ok());
}
