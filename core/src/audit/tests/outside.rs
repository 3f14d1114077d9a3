//! Anchors: what a listener outside the home is told, and what `verify` makes of it.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use super::super::outside::{Outside, Way};
use super::*;

/// A socket in the place of the system's, and the home that tells it.
struct Listener {
    socket: UnixDatagram,
    outside: Outside,
    home: Home,
}

impl Listener {
    #[expect(clippy::disallowed_methods, reason = "a path for as long as the test runs; it is no value")]
    fn new(way: Way) -> Self {
        let home = Home::new();
        let path = home.folder.path().join("socket");
        let socket = UnixDatagram::bind(&path).expect("bind");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
        let socket_path: &'static str = Box::leak(path.to_str().expect("UTF-8").to_owned().into_boxed_str());
        Self { socket, outside: Outside { home: uuid::Uuid::from_u128(7), way, socket: socket_path }, home }
    }

    fn open(&self) -> AuditLog {
        AuditLog::open(&self.home.dir(), Options { outside: Some(self.outside), ..Options::default() }).expect("open")
    }

    fn heard(&self) -> String {
        let mut bytes = [0; 1024];
        let length = self.socket.recv(&mut bytes).expect("heard");
        String::from_utf8(bytes[..length].to_vec()).expect("UTF-8")
    }

    fn anchors(&self, text: &str) -> Vec<Anchor> {
        anchors_in(self.outside.home, text.as_bytes()).expect("readable")
    }
}

#[test]
fn the_end_of_what_is_synced_is_told_in_the_form_of_each_listener() {
    for (way, before, after) in [
        (Way::Journald, "MESSAGE=agentsecrets-anchor ", "\nPRIORITY=6\nSYSLOG_IDENTIFIER=agentsecrets\n"),
        (Way::Syslog, "<14>agentsecrets: agentsecrets-anchor ", "Z"),
    ] {
        let listener = Listener::new(way);
        let log = listener.open();
        call(&log);
        let text = listener.heard();
        assert!(text.starts_with(before) && text.ends_with(after), "{text:?}");
        let anchors = listener.anchors(&text);
        assert_eq!(anchors.len(), 1);
        assert_eq!((anchors[0].seq, &anchors[0].hash), (2, &log.anchor().hash));
    }
}

#[test]
fn it_is_told_once_a_second_and_at_the_end() {
    let listener = Listener::new(Way::Syslog);
    let (log, began) = (listener.open(), Instant::now());
    let mut told = Vec::new();
    while began.elapsed() < Duration::from_millis(2500) {
        call(&log);
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(log);
    listener.socket.set_nonblocking(true).expect("nonblocking");
    let mut bytes = [0; 1024];
    while let Ok(length) = listener.socket.recv(&mut bytes) {
        told.extend(listener.anchors(std::str::from_utf8(&bytes[..length]).expect("UTF-8")));
    }
    assert!((2..=4).contains(&told.len()), "{told:?}");
    let records = listener.home.assert_sound();
    assert_eq!(told.last().map(|anchor| anchor.seq), Some(records));
    assert!(verify(&listener.home.dir(), None, &told).expect("readable").ok);
}

#[test]
fn a_home_rolled_back_and_written_on_is_found_by_an_anchor_of_the_middle() {
    let listener = Listener::new(Way::Journald);
    call(&listener.open());
    let mut text = listener.heard();
    let copy = listener.home.folder.path().join("copy");
    copy_folder(&listener.home.dir(), &copy);
    call(&listener.open());
    text += &listener.heard();
    fs::remove_dir_all(listener.home.dir()).expect("remove");
    fs::rename(&copy, listener.home.dir()).expect("rename");
    let anchors = listener.anchors(&text);
    assert_eq!(anchors.iter().map(|anchor| anchor.seq).collect::<Vec<_>>(), [2, 4]);
    let cut = verify(&listener.home.dir(), None, &anchors).expect("readable").first_bad.expect("found");
    assert!(cut.why.contains("the anchor remembers 4"), "{cut:?}");
    (0..3).for_each(|_| call(&listener.home.open()));
    listener.home.assert_sound();
    let bad = verify(&listener.home.dir(), None, &anchors).expect("readable").first_bad.expect("found");
    assert_eq!((bad.line, bad.why.contains("rewritten")), (4, true));
}

#[test]
fn lines_of_others_are_passed_over() {
    let listener = Listener::new(Way::Syslog);
    let hash = "0".repeat(64);
    let line = |home: u128, rest: &str| format!("x agentsecrets-anchor {} {rest}\n", uuid::Uuid::from_u128(home));
    let good = line(7, &format!("5 {hash} 2026-01-01T00:00:00Z"));
    let text = [
        line(8, &format!("5 {hash} 2026-01-01T00:00:00Z")),
        line(7, "5 abc 2026-01-01T00:00:00Z"),
        line(7, &format!("-5 {hash} 2026-01-01T00:00:00Z")),
        line(7, &format!("5 {hash} yesterday")),
        "agentsecrets-anchor\n\u{0}\n".to_owned(),
        good.clone(),
        good.trim_end().to_owned(),
    ];
    assert_eq!(listener.anchors(&text.concat()).len(), 2);
}

#[test]
fn nobody_listening_hinders_nothing() {
    let listener = Listener::new(Way::Journald);
    fs::remove_file(listener.outside.socket).expect("remove");
    let log = listener.open();
    (0..3).for_each(|_| call(&log));
    drop(log);
    assert_eq!(listener.home.assert_sound(), 6);
}
