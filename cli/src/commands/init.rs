//! `init`: makes the home, its first project and its owner, and leaves it unlocked.

use std::path::Path;

use agentsecrets::owner::{self, InitOptions, InitReport, Opened, PassphraseSource};
use agentsecrets::{
    DEFAULT_ENVIRONMENT, Error, ErrorCode, Home, Label, PROJECT_FILE, ProjectFile, Result, StoreKind, Unlock,
};
use clap::Args;
use serde_json::json;

use super::{OK, usage};
use crate::args::Passphrase;
use crate::render::{Failure, Outcome, Output, Paint};

/// Make a home: the store, the use key's place, the owner's passphrase, the first project
#[derive(Args)]
#[command(
    after_help = "Examples:\n  agentsecrets init\n  agentsecrets init --store file --unlock file:/run/secrets/use-key \
--passphrase-fd 3 3< passphrase.txt   # CI, no terminal\n  agentsecrets init --store keychain --unlock passphrase"
)]
pub(crate) struct Init {
    /// Where sealed values rest: keychain, or file (encrypted, in the home)
    #[arg(long, value_name = "keychain|file")]
    store: Option<String>,
    /// Where the use key lies: keychain, passphrase, file:PATH or fd:N
    #[arg(long, value_name = "PLACE")]
    unlock: Option<String>,
    #[command(flatten)]
    passphrase: Passphrase,
    /// Make no owner key: nothing can ever be granted here, so values are kept and sent nowhere
    #[arg(long)]
    no_owner: bool,
    /// The first project's name; the current directory's unless said
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
}

impl Init {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let home = super::located()?;
        self.spelled_out()?;
        let directory = std::env::current_dir().and_then(|here| here.canonicalize()).ok();
        // The file would lie in the home itself where the home is the directory's own `.agentsecrets`.
        let linked = directory.filter(|directory| is_outside(directory, &home));
        let project = self.project_of(linked.as_deref())?;
        let (report, opened) = self.make(&home, &project, linked.as_deref(), output)?;
        let written = report.directory.as_deref().map(|directory| write_project_file(directory, &report.project));
        let pid = opened.pid();
        opened.serve()?;
        self.tell(output, &report, pid, written.as_ref())?;
        Ok(OK)
    }

    /// Without a terminal nothing is chosen silently.
    fn spelled_out(&self) -> Result<()> {
        if owner::terminal_present() {
            return Ok(());
        }
        let mut missing = Vec::new();
        if self.store.is_none() {
            missing.push("--store keychain|file");
        }
        if self.unlock.is_none() {
            missing.push("--unlock keychain|passphrase|file:PATH|fd:N");
        }
        let is_asked = !self.no_owner || self.unlock.as_deref() == Some("passphrase");
        if is_asked && self.passphrase.passphrase_fd.is_none() {
            missing.push(if self.no_owner { "--passphrase-fd N" } else { "--passphrase-fd N or --no-owner" });
        }
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("without a terminal init needs its choices spelled out; missing: {}", missing.join(", "));
        Err(usage(message, "agentsecrets init --store file --unlock file:PATH --passphrase-fd 3 3< FILE"))
    }

    /// The name that was given, that of the directory's project file, or the directory's own made legal.
    fn project_of(&self, directory: Option<&Path>) -> Result<Label> {
        if let Some(name) = &self.project {
            return Label::parse(name);
        }
        let proposed = directory.and_then(|directory| std::fs::read(directory.join(PROJECT_FILE)).ok());
        if let Some(said) = proposed.and_then(|text| serde_json::from_slice::<ProjectFile>(&text).ok()) {
            return Ok(said.project);
        }
        let name = directory.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        Label::parse(&legal(&name.unwrap_or_default()))
    }

    fn make(
        &self,
        home: &Home,
        project: &Label,
        directory: Option<&Path>,
        output: &Output,
    ) -> Result<(InitReport, Opened)> {
        let store: Option<StoreKind> = self.store.as_deref().map(str::parse).transpose()?;
        let unlock: Option<Unlock> = self.unlock.as_deref().map(str::parse).transpose()?;
        let with = |store, unlock: Unlock| {
            let options = InitOptions {
                store,
                unlock,
                owner: !self.no_owner,
                passphrase: PassphraseSource::from_fd(self.passphrase.passphrase_fd),
                project: project.clone(),
                directory: directory.map(Path::to_owned),
                executable: std::env::current_exe().ok(),
            };
            owner::init(home, options, crate::broker::serve)
        };
        match store {
            Some(StoreKind::File) => with(StoreKind::File, unlock.unwrap_or(Unlock::Passphrase)),
            Some(store) => with(store, unlock.unwrap_or(Unlock::Keychain)),
            None => match with(StoreKind::Keychain, unlock.clone().unwrap_or(Unlock::Keychain)) {
                Err(error) if error.code() == ErrorCode::StoreUnavailable => {
                    output.note("No keychain answers here, so values go to an encrypted file in the home.");
                    with(StoreKind::File, unlock.unwrap_or(Unlock::Passphrase))
                }
                made => made,
            },
        }
    }

    fn tell(
        &self,
        output: &Output,
        report: &InitReport,
        pid: u32,
        written: Option<&Result<bool>>,
    ) -> Result<(), Failure> {
        if let Some(Err(error)) = written {
            output.warn(error.message());
        }
        let answer = json!({
            "home": report.home, "store": report.store, "unlock": report.unlock, "use_key": report.unlock.kind(),
            "owner": report.owner, "project": report.project, "directory": report.directory,
            "environment": DEFAULT_ENVIRONMENT, "broker_pid": pid,
        });
        output.show(&answer, |output| {
            let head = output.painted(Paint::Good, "This home is ready and unlocked.");
            output.raw_line(&head)?;
            output.pairs(&[
                ("home", report.home.display().to_string()),
                ("store", in_words(report.store).to_owned()),
                ("use key", place_in_words(&report.unlock)),
                ("owner", if report.owner { "you, by passphrase" } else { "none; the policy is read-only" }.to_owned()),
                ("project", format!("{} in {}", report.project, DEFAULT_ENVIRONMENT)),
                ("linked here", report.directory.as_ref().map_or("no".to_owned(), |path| path.display().to_string())),
            ])
        })?;
        if report.owner {
            output.note("Next: agentsecrets secrets set NAME --allow api.example.com");
        }
        Ok(())
    }
}

fn in_words(store: StoreKind) -> &'static str {
    match store {
        StoreKind::Keychain => "the keychain of the operating system, each value sealed",
        StoreKind::File => "encrypted files in the home",
    }
}

fn place_in_words(place: &Unlock) -> String {
    match place {
        Unlock::Keychain => "in the keychain: agents start alone".to_owned(),
        Unlock::Passphrase => "under the passphrase: opened once a session by agentsecrets unlock".to_owned(),
        Unlock::File(path) => format!("in the file {}", path.display()),
        Unlock::Fd(number) => format!("given on descriptor {number}"),
    }
}

/// Whether the directory's project file would lie outside the home.
pub(crate) fn is_outside(directory: &Path, home: &Home) -> bool {
    let root = home.root().canonicalize().unwrap_or_else(|_| home.root().to_owned());
    !directory.join(".agentsecrets").starts_with(&root)
}

/// Writes the project file unless there is one; says whether it did.
fn write_project_file(directory: &Path, project: &Label) -> Result<bool> {
    let file = directory.join(PROJECT_FILE);
    if file.exists() {
        return Ok(false);
    }
    put_project_file(&file, project).map(|()| true)
}

/// Writes a project file, whole or not at all.
pub(crate) fn put_project_file(file: &Path, project: &Label) -> Result<()> {
    let cannot = |why: std::io::Error| {
        Error::new(ErrorCode::StoreUnavailable, format!("{} cannot be written: {}", file.display(), why.kind()))
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(cannot)?;
    let staged = file.with_extension("json.new");
    std::fs::write(&staged, format!("{}\n", json!({ "project": project }))).map_err(cannot)?;
    std::fs::rename(&staged, file).map_err(cannot)
}

/// The nearest legal name of a project.
fn legal(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let mapped: String = name.chars().map(allowed).collect();
    let text: String = mapped.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).chars().take(64).collect();
    if text.is_empty() { "default".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_gives_a_legal_name() {
        for (directory, name) in
            [("my app", "my-app"), (".config", "config"), ("żółw", "w"), ("", "default"), ("__", "default")]
        {
            assert_eq!(legal(directory), name);
            assert!(Label::parse(&legal(directory)).is_ok());
        }
        assert_eq!(legal(&"x".repeat(99)).len(), 64);
    }

    #[test]
    fn a_project_file_is_not_replaced() {
        let root = tempfile::tempdir().expect("temp dir");
        let (a, b) = (Label::parse("a").expect("label"), Label::parse("b").expect("label"));
        assert!(write_project_file(root.path(), &a).expect("written"));
        assert!(!write_project_file(root.path(), &b).expect("left alone"));
        assert_eq!(std::fs::read_to_string(root.path().join(PROJECT_FILE)).expect("text"), "{\"project\":\"a\"}\n");
    }
}
