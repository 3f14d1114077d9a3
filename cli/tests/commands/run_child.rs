//! `run` and its child: what it finds, how it ends, and what stays behind.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::scene::Scene;
use crate::terminal::Terminal;

/// What one line of `env` says.
fn variable<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
}

#[test]
fn the_child_finds_names_where_values_would_have_been() {
    let scene = Scene::new();
    let other = scene.stage.secret("OTHER_KEY");
    // A door is no way of the wire.
    scene.stage.owner(["allow", "OTHER_KEY", "--provider", "openclaw"]).ok();
    let mut command = scene.command(&["--direct", "a.example,b.example", "--direct", "c.example", "--", "env"]);
    let output = command.env("KEY", "from-outside").env("KEPT", "yes").env("HTTPS_PROXY", "http://x").output();
    let ran = scene.clean(&output.expect("ran")).ok();
    let of = |name: &str| variable(&ran.stdout, name).to_owned();
    assert_eq!((of("KEY"), of("KEPT")), ("AS_SECRET_KEY".to_owned(), "yes".to_owned()));
    assert!(!ran.says("OTHER_KEY") && !ran.says(&other), "what is not granted is not named");
    let proxy = of("HTTPS_PROXY");
    assert!(proxy.starts_with("http://run:") && proxy.contains("@127.0.0.1:"), "{proxy}");
    for name in ["HTTP_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        assert_eq!(of(name), proxy, "{name}");
    }
    // The grant leads to localhost by that name, so this name alone goes through the proxy.
    assert_eq!(of("NO_PROXY"), "127.0.0.1,::1,a.example,b.example,c.example");
    let bundle = of("SSL_CERT_FILE");
    for name in ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE"] {
        assert_eq!(of(name), bundle, "{name}");
    }
    assert_eq!(of("NODE_USE_ENV_PROXY"), "1");
    let java = of("JAVA_TOOL_OPTIONS");
    for option in ["https.proxyHost=127.0.0.1", "http.nonProxyHosts=127.0.0.1|[::1]|a.example|b.example|c.example"] {
        assert!(java.contains(&format!("\"-D{option}\"")), "{java}");
    }
    assert!(java.contains(&format!("trustStore={}", bundle.replace(".pem", ".jks"))), "{java}");
    let password = proxy["http://run:".len()..].split('@').next().expect("a password");
    assert!(!java.contains(password), "every Java prints these options");
    let only = scene.run(&["--secret", "OTHER_KEY", "--", "env"]).ok();
    assert_eq!((variable(&only.stdout, "OTHER_KEY"), variable(&only.stdout, "KEY")), ("AS_SECRET_OTHER_KEY", ""));
}

#[test]
fn the_code_is_the_childs() {
    let scene = Scene::new();
    for (script, code) in [("exit 0", 0), ("exit 42", 42), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        let ran = scene.sh(script);
        assert!(ran.code == code && ran.stderr.is_empty(), "{script}: {ran:?}");
    }
    assert_eq!(scene.run(&["--", "no-such-command-anywhere"]).code, 127);
    std::fs::write(scene.stage.path("work/plain"), "x").expect("file");
    assert_eq!(scene.run(&["--", "./plain"]).code, 126);
    assert_eq!(scene.run(&[]).code, 2);
    assert_eq!(scene.run(&["--direct", "a b", "--", "true"]).code, 2);
}

#[test]
fn signals_are_passed_on() {
    let scene = Scene::new();
    for (signal, name) in [
        (libc::SIGTERM, "TERM"),
        (libc::SIGINT, "INT"),
        (libc::SIGHUP, "HUP"),
        (libc::SIGQUIT, "QUIT"),
        (libc::SIGUSR1, "USR1"),
    ] {
        let script = format!("trap 'echo got {name}; exit 7' {name}; echo up; while :; do sleep 0.05; done");
        let mut command = scene.command(&["--", "sh", "-c", &script]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("started");
        let mut stdout = child.stdout.take().expect("stdout");
        let mut up = [0; 3];
        stdout.read_exact(&mut up).expect("up");
        // SAFETY: the number is that of a child of ours which is not waited for yet.
        unsafe { libc::kill(i32::try_from(child.id()).expect("a number"), signal) };
        let mut said = String::new();
        stdout.read_to_string(&mut said).expect("read");
        assert_eq!((said.as_str(), child.wait().expect("ended").code()), (&*format!("got {name}\n"), Some(7)));
    }
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let scene = Scene::new();
    let executable = crate::stage::EXECUTABLE;
    let mut command = scene.command(&["--", "true"]);
    let envs: Vec<_> =
        command.get_envs().map(|(name, value)| (name.to_owned(), value.expect("set").to_owned())).collect();
    let script = format!("trap '' HUP; exec {executable} run -- sh -c 'kill -HUP $$; echo alive'");
    let mut shell = std::process::Command::new("sh");
    let ran = shell.args(["-c", &script]).env_clear().envs(envs).current_dir(scene.stage.path("work")).output();
    assert_eq!(scene.clean(&ran.expect("ran")).ok().stdout, "alive\n");
    drop(command.output());
}

#[test]
fn the_terminal_is_the_childs_and_its_interrupt_comes_once() {
    let scene = Scene::new();
    let script =
        "trap 'echo interrupted' INT; test -t 0 && echo at a terminal; read line; read line; echo read:$line; exit 3";
    let mut terminal = Terminal::run(scene.command(&["--", "bash", "-c", script]));
    terminal.expect("at a terminal");
    terminal.type_line("\u{3}");
    terminal.expect("interrupted");
    terminal.type_line("second");
    let (code, seen) = terminal.end();
    assert!(code == 3 && seen.matches("interrupted").count() == 1, "{code}: {seen}");
}

#[test]
fn the_key_of_the_authority_is_on_no_disk_and_the_bundle_goes() {
    let scene = Scene::new();
    let script = "echo $SSL_CERT_FILE; stat -c %a $(dirname $SSL_CERT_FILE); \
                  grep -rl 'PRIVATE KEY' $TMPDIR $AGENTSECRETS_HOME; grep -c 'BEGIN CERT' $SSL_CERT_FILE";
    let ran = scene.sh(script);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines.len() == 3 && lines[1] == "700", "{ran:?}");
    assert!(lines[0].starts_with(&scene.stage.path("tmp").display().to_string()), "{ran:?}");
    assert!(lines[2].parse::<u32>().is_ok_and(|count| count >= 1), "{ran:?}");
    let left: Vec<_> = std::fs::read_dir(scene.stage.path("tmp")).expect("folder").collect();
    assert!(left.is_empty(), "{left:?}");
    let home = std::fs::metadata(scene.stage.home()).expect("metadata");
    assert_eq!(home.permissions().mode() & 0o777, 0o700);
    assert!(!String::from_utf8_lossy(&scene.stage.files()).contains("PRIVATE KEY"));
}

#[test]
fn without_a_home_there_is_no_run() {
    let stage = crate::stage::Stage::bare();
    stage.agent(["run", "--", "true"]).refused(5, "not_initialized");
}
