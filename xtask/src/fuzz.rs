//! `cargo xtask fuzz`: each parser that reads a stranger's bytes, attacked for a bounded time.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::install;
use crate::run::{Run, Stop, output};
use crate::tell::{self, Paint};
use crate::workspace;

/// What is asked of it.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The targets to run; all of them where none is named.
    targets: Vec<String>,
    /// How long each is run, in seconds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Run one target on this input alone, as a finding is kept in.
    #[arg(long, value_name = "FILE", conflicts_with = "seconds")]
    again: Option<PathBuf>,
    /// Print the targets.
    #[arg(long)]
    list: bool,
}

/// The version that is installed where there is none.
const CARGO_FUZZ: &str = "0.13.2";
/// How long the build may take, on a slow machine with nothing built.
const BUILD: Duration = Duration::from_secs(45 * 60);
/// An input that takes longer is a finding, in seconds.
const SLOW: u64 = 10;
/// What a fuzzer may use, in MiB: far above what a parser needs for such inputs.
const MEMORY: u64 = 2048;
/// The longest input that is made: past the window of redaction, and what nests deep.
const LONGEST: u64 = 8192;

/// Runs the command; ends with 1 where something was found.
pub(crate) fn command(arguments: &Arguments) -> ExitCode {
    if arguments.list {
        names().iter().for_each(|name| tell::line(name));
        return ExitCode::SUCCESS;
    }
    match all(arguments) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(Stop::Failed(why)) => {
            tell::bad(&why);
            ExitCode::FAILURE
        }
        Err(Stop::NotRun(why)) => {
            tell::bad(&format!("not run: {why}"));
            ExitCode::from(3)
        }
    }
}

/// The targets, by their files.
fn names() -> Vec<String> {
    let files = std::fs::read_dir(workspace::root().join("fuzz/targets")).into_iter().flatten().flatten();
    let stem = |file: std::fs::DirEntry| Some(file.path().file_stem()?.to_str()?.to_owned());
    let mut names: Vec<String> = files.filter_map(stem).collect();
    names.sort();
    names
}

/// Runs what was asked for, and gives the number of findings.
fn all(arguments: &Arguments) -> Result<usize, Stop> {
    let known = names();
    if let Some(unknown) = arguments.targets.iter().find(|name| !known.contains(name)) {
        return Err(Stop::Failed(format!("no target is called `{unknown}`; there are: {}", known.join(", "))));
    }
    let chosen = if arguments.targets.is_empty() { known } else { arguments.targets.clone() };
    if arguments.again.is_some() && chosen.len() != 1 {
        return Err(Stop::Failed("--again needs the one target that the input is for".to_owned()));
    }
    let each = Duration::from_secs(arguments.seconds + 2 * SLOW);
    let run = Run::start("fuzz", BUILD + each * u32::try_from(chosen.len()).unwrap_or(u32::MAX))?;
    let parsers = if chosen.len() == 1 { "one parser".to_owned() } else { format!("{} parsers, each", chosen.len()) };
    tell::heading(&format!("Attacks on {parsers} for {} s", arguments.seconds));
    let built = tell::step("built with coverage and the address sanitizer", || build(&run, &chosen))?;
    let mut found = 0;
    for name in &chosen {
        let target = Target { name, program: built.join(name), folder: folder().join(name) };
        let held = match &arguments.again {
            Some(input) => target.again(&run, input)?,
            None => target.attack(&run, arguments.seconds)?,
        };
        found += usize::from(!held);
    }
    tell::line(&format!("\n  {}", painted_sum(chosen.len(), found)));
    Ok(found)
}

fn painted_sum(run: usize, found: usize) -> String {
    match found {
        0 => tell::painted(Paint::Good, &format!("{run} of {run} held")),
        _ => tell::painted(Paint::Bad, &format!("{found} of {run} did not hold")),
    }
}

fn folder() -> PathBuf {
    workspace::target().join("fuzz")
}

/// Builds the targets with this toolchain; gives the folder they lie in.
fn build(run: &Run, names: &[String]) -> Result<PathBuf, Stop> {
    if output("c++", &["--version"]).is_none() {
        install::debian(run, &["g++"])?;
    }
    let cargo_fuzz = install::cargo(run, "cargo-fuzz", CARGO_FUZZ)?;
    // The versions that are shipped are attacked. What the fuzzer needs besides, cargo adds.
    let (lock, own) = (workspace::root().join("Cargo.lock"), workspace::root().join("fuzz/Cargo.lock"));
    let modified = |path: &Path| path.metadata().and_then(|found| found.modified()).ok();
    if modified(&own) < modified(&lock) {
        std::fs::copy(&lock, &own)?;
    }
    let step = || run.step(&cargo_fuzz).args(["build", "--fuzz-dir", "fuzz", "--target-dir"]).args([folder()]);
    let one = if let [name] = names { Some(name) } else { None };
    // Coverage is for the compiler to add, which says so on nightly; the toolchain stays the one of the project.
    step().args(one).env("RUSTC_BOOTSTRAP", "1").run()?;
    let triple = output("rustc", &["-vV"]).unwrap_or_default();
    let triple = triple.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    Ok(folder().join(triple).join("release"))
}

/// One built target, and where it keeps what it learns.
struct Target<'a> {
    name: &'a str,
    program: PathBuf,
    folder: PathBuf,
}

impl Target<'_> {
    /// Attacks for a time; says whether it held.
    fn attack(&self, run: &Run, seconds: u64) -> Result<bool, Stop> {
        let [corpus, seeds, findings] = ["corpus", "seeds", "findings"].map(|name| self.folder.join(name));
        for folder in [&corpus, &seeds, &findings] {
            std::fs::create_dir_all(folder)?;
        }
        let words = self.folder.join("words");
        if !words.exists() {
            std::fs::write(&words, "")?;
        }
        let before = run.logged().len();
        let status = self
            .started(run)
            .args([format!("-max_total_time={seconds}"), format!("-timeout={SLOW}"), format!("-rss_limit_mb={MEMORY}")])
            .args([format!("-max_len={LONGEST}"), "-print_final_stats=1".to_owned()])
            .args([format!("-artifact_prefix={}/", findings.display()), format!("-dict={}", words.display())])
            .args([&corpus, &seeds])
            .status()?;
        let log = run.logged();
        let told = Told::of(log.get(before..).unwrap_or_default());
        match status.success() {
            true => tell::good(&format!("{:<18} {} in {seconds} s, {}", self.name, told.runs(), told.coverage())),
            false => tell::bad(&format!("{:<18} {}", self.name, told.found(self.name, run.log()))),
        }
        Ok(status.success())
    }

    /// Runs one input.
    fn again(&self, run: &Run, input: &Path) -> Result<bool, Stop> {
        let input = input.canonicalize()?;
        let before = run.logged().len();
        let held = self.started(run).args([input]).status()?.success();
        match held {
            true => tell::good(&format!("{:<18} holds for this input", self.name)),
            false => {
                tell::quoted(Told::of(run.logged().get(before..).unwrap_or_default()).why());
                tell::bad(&format!("{:<18} does not hold for this input", self.name));
            }
        }
        Ok(held)
    }

    fn started<'r>(&self, run: &'r Run) -> crate::run::Step<'r> {
        run.step(&self.program).env("AGENTSECRETS_FUZZ_PREPARE", &self.folder)
    }
}

/// What libFuzzer told.
struct Told<'a>(&'a str);

impl<'a> Told<'a> {
    fn of(log: &'a str) -> Self {
        Self(log)
    }

    fn after(&self, mark: &str) -> Option<&'a str> {
        let at = self.0.rfind(mark)? + mark.len();
        self.0[at..].split_ascii_whitespace().next()
    }

    fn runs(&self) -> String {
        format!("{:>9} runs", self.after("stat::number_of_executed_units:").unwrap_or("?"))
    }

    /// Places of the code that were reached, and inputs that reached something new.
    fn coverage(&self) -> String {
        let corpus = self.after("corp: ").and_then(|count| count.split('/').next()).unwrap_or("?");
        format!("{:>5} places reached by {corpus:>4} inputs", self.after("cov: ").unwrap_or("?"))
    }

    /// What did not hold: the panic's message, or what libFuzzer says itself.
    fn why(&self) -> &'a str {
        let line = |mark: &str| self.0.lines().skip_while(|line| !line.contains(mark)).nth(1);
        let own = || self.0.lines().find(|line| line.contains("ERROR:"));
        line("panicked at").or_else(own).unwrap_or("the fuzzer ended without a word")
    }

    fn found(&self, name: &str, log: &Path) -> String {
        let kept = self.after("Test unit written to ").unwrap_or("nowhere");
        let shown = |path: &str| path.replace(&format!("{}/", workspace::root().display()), "");
        let log = shown(&log.to_string_lossy());
        format!("{}\n      again: cargo xtask fuzz {name} --again {}   (log: {log})", self.why(), shown(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "#2\tINITED cov: 9 ft: 10 corp: 2/3b\n#12\tDONE   cov: 512 ft: 900 corp: 41/2Kb lim: 80\n\
        thread '<unnamed>' panicked at core/src/x.rs:1:2:\na value leaves\nTest unit written to /x/crash-1\n\
        stat::number_of_executed_units: 12\n";

    #[test]
    fn what_a_fuzzer_tells_is_read() {
        let told = Told::of(LOG);
        assert!(told.runs().ends_with("12 runs") && told.coverage().contains("512") && told.coverage().contains("41"));
        assert!(told.why() == "a value leaves" && told.found("x", Path::new("l")).contains("--again /x/crash-1"));
    }

    #[test]
    fn every_target_of_the_sources_has_its_fuzzer() {
        let named = |file: &Path| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let mark = "Target { name: \"";
            let parts: Vec<String> =
                text.split(mark).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect();
            parts
        };
        let mut targets = Vec::new();
        let mut folders = vec![workspace::root().join("core/src"), workspace::root().join("cli/src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("sources").flatten() {
                match entry.path() {
                    path if path.is_dir() => folders.push(path),
                    path if path.ends_with("fuzz.rs") => targets.extend(named(&path)),
                    _ => {}
                }
            }
        }
        targets.sort();
        assert_eq!(targets, names());
        let manifest = std::fs::read_to_string(workspace::root().join("fuzz/Cargo.toml")).expect("a manifest");
        for name in names() {
            assert!(manifest.contains(&format!("\nname = \"{name}\"\n")), "{name} is not built");
        }
    }
}
