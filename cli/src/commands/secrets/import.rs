//! `secrets import`: takes the values of a dotenv file or of another manager's export in, and the file away.

use std::path::PathBuf;

use agentsecrets::{ActKind, Error, ErrorCode, Result, SecretName, SignedAct};
use clap::Args;
use serde_json::{Value, json};

use crate::args::{Passphrase, Place};
use crate::commands::OK;
use crate::commands::session::{Existing, Session};
use crate::dotenv::Entry;
use crate::import::{self, Format, Source};
use crate::render::{Failure, Outcome, Output, Paint};
use crate::terminal;

/// Store every value of a dotenv file or of another manager's export, and offer to delete the file
#[derive(Args)]
#[command(after_help = "Examples:\n  agentsecrets secrets import .env\n  agentsecrets secrets import .env.production \
--environment production --delete-file\n  vault kv get -format=json secret/app | agentsecrets secrets import -")]
pub(crate) struct Import {
    /// The file, or - for what is piped in
    file: PathBuf,
    /// What the file is, where its content does not say
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Delete the file once everything is stored
    #[arg(long, conflicts_with = "keep_file")]
    delete_file: bool,
    /// Keep the file and do not ask
    #[arg(long)]
    keep_file: bool,
    /// Answer yes to every question
    #[arg(long, conflicts_with = "keep_file")]
    yes: bool,
    /// Take values under 8 bytes too, which are redacted only in the exact form they were sent
    #[arg(long)]
    weak: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    passphrase: Passphrase,
}

/// What became of the entries.
#[derive(Default)]
struct Report {
    imported: Vec<Value>,
    skipped: Vec<Value>,
    /// Whether a value of the file is stored nowhere.
    left_out: bool,
}

impl Import {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let source = Source::of(&self.file);
        if source.file().is_none() && self.delete_file {
            return Err(Error::new(ErrorCode::InvalidCall, "what is piped in is no file that could be deleted")
                .with_hint("leave --delete-file out")
                .into());
        }
        let parsed = import::parse(&source.read()?, self.format)?;
        for warning in &parsed.warnings {
            output.warn(warning);
        }
        let mut report = Report { left_out: !parsed.complete, ..Report::default() };
        let entries = self.choose(parsed.entries, &mut report, output);
        if !entries.is_empty() {
            self.store(entries, &mut report, output)?;
        }
        let deleted = self.remove(&report, output)?;
        let answer = json!({
            "imported": report.imported, "skipped": report.skipped, "warnings": parsed.warnings, "file_deleted": deleted,
        });
        output.show(&answer, |output| {
            output.line(&format!("{} imported, {} skipped.", report.imported.len(), report.skipped.len()))
        })?;
        Ok(OK)
    }

    /// The entries that can be stored, each under a legal name and once.
    fn choose(&self, found: Vec<Entry>, report: &mut Report, output: &Output) -> Vec<(SecretName, Entry)> {
        let mut chosen: Vec<(SecretName, Entry)> = Vec::new();
        for entry in found {
            let skipped = match SecretName::nearest(&entry.key) {
                _ if entry.unfit.is_some() => entry.unfit.unwrap_or_default(),
                None => "its name has no letter or digit",
                Some(_) if entry.length == 0 => "it is empty",
                Some(_) if entry.value.is_none() => "it is longer than 64 KiB",
                Some(_) if entry.length < 8 && !self.weak => "it has under 8 bytes; --weak takes it",
                Some(name) => {
                    if let Some(at) = chosen.iter().position(|(other, _)| *other == name) {
                        let (_, former) = chosen.remove(at);
                        report.left_out = true;
                        output.warn(&format!(
                            "{name} stands there twice; the last, {} in line {}, counts, and {} in line {} does not",
                            entry.key, entry.line, former.key, former.line
                        ));
                    }
                    chosen.push((name, entry));
                    continue;
                }
            };
            report.left_out |= entry.length > 0;
            output.note(&format!("skipped {} (line {}): {skipped}", entry.key, entry.line));
            report.skipped.push(json!({ "name": entry.key, "line": entry.line, "why": skipped }));
        }
        chosen
    }

    fn store(&self, entries: Vec<(SecretName, Entry)>, report: &mut Report, output: &Output) -> Result<(), Failure> {
        let names: Vec<SecretName> = entries.iter().map(|(name, _)| name.clone()).collect();
        let mut session = Session::with_owner(&self.place, self.passphrase.passphrase_fd)?;
        let existing = session.existing(&names)?;
        if !existing.is_empty() {
            let list: Vec<&str> = existing.iter().map(|(name, _)| name.as_str()).collect();
            output.note(&format!("Values there already, which the owner must agree to replace: {}", list.join(", ")));
        }
        let act = session.sign(ActKind::Overwrite, &existing)?;
        for told in set_all(&session, entries, self.weak, &existing, act)? {
            if !output.is_json() {
                tell(output, &told)?;
            }
            report.imported.push(told);
        }
        Ok(())
    }

    /// Deletes the file where that was said or agreed to, and nothing would be lost with it.
    fn remove(&self, report: &Report, output: &Output) -> Result<bool> {
        let Some(path) = Source::of(&self.file).file() else { return Ok(false) };
        let asked_for = self.delete_file || self.yes;
        if self.keep_file || (report.imported.is_empty() && !asked_for) {
            return Ok(false);
        }
        let file = path.display();
        if report.left_out {
            output.note(&format!("{file} is kept, as not every value of it is stored."));
            return Ok(false);
        }
        let agreed =
            asked_for || (!output.is_json() && terminal::confirm(&format!("Delete {file} now?")).unwrap_or(false));
        if !agreed {
            output.note(&format!("{file} still holds the values: delete it, and rotate what was ever committed."));
            return Ok(false);
        }
        std::fs::remove_file(path).map_err(|why| {
            Error::new(
                ErrorCode::StoreUnavailable,
                format!("everything is stored, but {file} cannot be deleted: {}", why.kind()),
            )
            .with_hint(format!("rm {file}"))
        })?;
        Ok(true)
    }
}

/// Stores every value or none, and tells of each.
fn set_all(
    session: &Session,
    entries: Vec<(SecretName, Entry)>,
    weak: bool,
    existing: &[Existing],
    act: Option<SignedAct>,
) -> Result<Vec<Value>> {
    let mut told = Vec::with_capacity(entries.len());
    let mut secrets = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        let overwritten = existing.iter().any(|(there, _)| *there == name);
        told.push(json!({ "name": name, "from": entry.key, "overwritten": overwritten }));
        let none = || Error::new(ErrorCode::Internal, "an entry without a value was to be stored");
        secrets.push((name, entry.value.ok_or_else(none)?));
    }
    session.wait(session.client.set_many(secrets, weak, act))?;
    Ok(told)
}

fn tell(output: &Output, told: &Value) -> std::io::Result<()> {
    let text = |field: &str| told[field].as_str().unwrap_or_default().to_owned();
    let (name, from) = (text("name"), text("from"));
    let head = output.painted(Paint::Good, if told["overwritten"] == true { "replaced" } else { "stored" });
    let renamed = if name == from { String::new() } else { format!(" (was {from})") };
    output.raw_line(&format!("{head}: {name}{renamed}"))
}
