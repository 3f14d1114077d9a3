//! One claim a test, against real files and real processes.

mod crash;
mod evidence;
mod log;
mod outside;
mod power;
mod reading;
mod running;
mod tamper;

use std::fs;
use std::path::{Path, PathBuf};

use super::append::Tuning;
use super::*;
use crate::call::Style;
use crate::log_safe::SafeUrl;
use crate::secret_ref::{Label, SecretName};

/// A new log in a folder of its own, and the key of its first record.
struct Home {
    folder: tempfile::TempDir,
    first: FirstKey,
}

impl Home {
    fn new() -> Self {
        let home = Self { folder: tempfile::tempdir().expect("temp"), first: FirstKey::make().expect("random") };
        AuditLog::create(&home.dir(), &home.first).expect("create");
        home
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    fn open(&self) -> AuditLog {
        AuditLog::open(&self.dir(), Options::default()).expect("open")
    }

    fn open_rotating_at(&self, rotate_at: u64) -> AuditLog {
        let tuning = Tuning { rotate_at, ..Tuning::default() };
        AuditLog::open_with(&self.dir(), Options::default(), tuning).expect("open")
    }

    /// Both ways to verify; they agree on whether all is well.
    fn verdicts(&self) -> [Verdict; 2] {
        [verify(&self.dir(), None, None), verify(&self.dir(), Some(&self.first), None)].map(|it| it.expect("readable"))
    }

    #[track_caller]
    fn assert_sound(&self) -> u64 {
        for verdict in self.verdicts() {
            assert!(verdict.ok, "{verdict:?}");
        }
        self.verdicts()[0].records
    }

    fn lines(&self) -> Vec<String> {
        let segments = files::segments(&self.dir()).expect("segments");
        let texts = segments.into_iter().map(|number| self.segment(number));
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    fn segment(&self, number: u32) -> String {
        fs::read_to_string(files::segment_path(&self.dir(), number)).expect("segment")
    }

    fn records(&self) -> Vec<Record> {
        self.lines().iter().map(|line| Record::parse(line.as_bytes()).expect("record")).collect()
    }
}

fn event() -> Event {
    let url = SafeUrl::parse("https://api.example.com/v1/charges/ch_1234567890?key=x").expect("url");
    Event {
        agent: Some(AgentName::parse("billing-agent").expect("agent")),
        workspace: Some(Label::parse("personal").expect("label")),
        project: Some(Label::parse("payments").expect("label")),
        environment: Some(Label::parse("development").expect("label")),
        secrets: vec![SecretName::parse("STRIPE_KEY").expect("name")],
        styles: vec![Style::Bearer],
        method: Some(MethodName::of(&http::Method::GET)),
        origin: Some(url.origin().clone()),
        path: Some(PathTemplate::new(url.path(), None)),
        ..Event::new(Identity::Declared, Isolation::Broker)
    }
}

fn ended(outcome: Outcome) -> Ended {
    Ended { outcome, status: Some(200), reason: None, redacted: Vec::new(), duration_ms: Some(12) }
}

fn call(log: &AuditLog) {
    log.begin(&event()).expect("begin").end(ended(Outcome::Ok)).expect("end");
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("folder");
    for entry in fs::read_dir(from).expect("read") {
        let (from, to) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).expect("entry");
        if from.is_dir() {
            copy_folder(&from, &to);
        } else {
            fs::copy(&from, &to).expect("copy");
        }
    }
}
