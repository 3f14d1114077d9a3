//! `proxy start --ca`: the home's proxy as the proxy of programs that `run` has not started.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::scene::{BEARER, Scene};
use crate::stage::{Ran, read};

struct Forward {
    scene: Scene,
    told: Value,
}

impl Forward {
    fn start() -> Self {
        let scene = Scene::new();
        let ca = scene.stage.path("ca").display().to_string();
        let started = scene.stage.owner(["proxy", "start", "--json", "--ca", &ca]).ok();
        Self { told: serde_json::from_str(&started.stdout).expect("JSON"), scene }
    }

    fn text(&self, name: &str) -> &str {
        self.told[name].as_str().expect(name)
    }

    fn curl(&self, proxy: &str, trusted: &str, more: &[&str]) -> Ran {
        let mut command = self.scene.stage.program("/usr/bin/curl", ["-sS", "-x", proxy, "--cacert", trusted]);
        command.args(["-w", "%{http_code}"]).args(more);
        self.scene.clean(&command.output().expect("curl"))
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.scene.stage.agent(["proxy", "stop"]);
    }
}

#[test]
fn a_program_with_the_password_and_the_certificate_makes_calls() {
    let forward = Forward::start();
    let (proxy, scene) = (forward.text("proxy"), &forward.scene);
    for trusted in ["ca", "bundle"] {
        for version in ["--http1.1", "--http2"] {
            let ran = forward.curl(proxy, forward.text(trusted), &[version, "-H", BEARER, &scene.url("/echo")]).ok();
            assert!(ran.stdout.ends_with("200") && ran.says("[REDACTED:KEY]"), "{ran:?}");
            assert_eq!(scene.sent("authorization"), format!("Bearer {}", scene.value));
        }
    }
    let before = scene.upstream.received().len();
    let refused = forward.curl(proxy, forward.text("ca"), &["-H", BEARER, "https://api.example.com/"]).ok();
    assert!(refused.stdout.ends_with("403") && refused.says("destination_not_allowed"), "{refused:?}");
    // A platform's roots know nothing of it, and no tunnel leads past it.
    let strange = forward.curl(proxy, "/etc/ssl/certs/ca-certificates.crt", &["-H", BEARER, &scene.url("/echo")]);
    assert_eq!(strange.code, 60, "{strange:?}");
    assert_eq!(scene.upstream.received().len(), before);
    let log = scene.stage.json(["proxy", "logs"]);
    let ways: Vec<&str> = log.as_array().expect("a list").iter().map(|it| it["way"].as_str().expect("text")).collect();
    assert_eq!(ways, ["forward"; 5]);
    assert_eq!((&log[4]["status"], &log[4]["error"]), (&403.into(), &"destination_not_allowed".into()));
}

#[test]
fn nobody_comes_in_without_the_password_and_the_other_ways_are_as_ever() {
    let forward = Forward::start();
    let (scene, port) = (&forward.scene, forward.told["port"].as_u64().expect("a port"));
    for proxy in [format!("http://127.0.0.1:{port}"), format!("http://proxy:wrong@127.0.0.1:{port}")] {
        let ran = forward.curl(&proxy, forward.text("ca"), &["-H", BEARER, &scene.url("/echo")]);
        assert!(ran.code == 56 && ran.stderr.contains("407"), "{ran:?}");
        let ran = forward.curl(&proxy, forward.text("ca"), &["-H", BEARER, &scene.http_url("/echo")]).ok();
        assert!(ran.stdout.ends_with("407"), "{ran:?}");
    }
    assert!(scene.upstream.received().is_empty());
    let page = format!("http://127.0.0.1:{port}/to/localhost:{}/echo", scene.upstream.port());
    let token = format!("X-AS-Session-Token: {}", forward.text("session_token"));
    let mut command = scene.stage.program("/usr/bin/curl", ["-sS", "-H", BEARER, "-H", &token, &page]);
    assert!(scene.clean(&command.output().expect("curl")).ok().says("[REDACTED:KEY]"));
    let mut command = scene.stage.program("/usr/bin/curl", ["-sS", "-H", "Origin: https://evil.example", &page]);
    assert!(scene.clean(&command.output().expect("curl")).ok().says("origin_refused"));
}

#[test]
fn what_is_written_is_public_and_goes_with_the_proxy() {
    let forward = Forward::start();
    let stage = &forward.scene.stage;
    let folder = stage.path("ca");
    assert_eq!(folder.metadata().expect("made").permissions().mode() & 0o777, 0o700);
    for name in ["ca", "bundle"] {
        let path = std::path::Path::new(forward.text(name));
        assert_eq!(path.metadata().expect("written").permissions().mode() & 0o777, 0o644);
        assert!(!read(path).contains("PRIVATE"));
    }
    assert_eq!(read(forward.text("ca").as_ref()).matches("BEGIN").count(), 1);
    assert!(read(forward.text("bundle").as_ref()).matches("BEGIN").count() > 1);
    assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 2);
    let status = stage.json(["proxy", "status"]);
    for name in ["proxy", "ca", "bundle", "port", "session_token"] {
        assert_eq!(status[name], forward.told[name], "{name}");
    }
    // The same again is the same; another folder is another proxy.
    let ca = folder.display().to_string();
    assert_eq!(stage.json(["proxy", "start", "--ca", &ca]), forward.told);
    let other = stage.path("other").display().to_string();
    stage.agent(["proxy", "start", "--ca", &other]).refused(2, "invalid_call");
    stage.agent(["proxy", "stop"]).ok();
    assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 0, "nobody answers for it any more");
    let open = stage.path("open");
    std::fs::create_dir(&open).expect("a folder");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).expect("a mode");
    stage.owner(["proxy", "start", "--ca", &open.display().to_string()]).refused(2, "invalid_call");
}
