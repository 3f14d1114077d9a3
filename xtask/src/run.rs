//! Running the commands of a suite, with a log, a time limit and signs of life.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use crate::workspace;

/// Why a suite ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It ran, and something is wrong.
    Failed(String),
    /// It could not run here; neither green nor red.
    NotRun(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// One suite while it runs.
pub(crate) struct Run {
    log: PathBuf,
    ends: Instant,
}

/// How often a long command says that it lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

impl Run {
    /// Begins an empty log. Past `limit` the running command is ended.
    pub(crate) fn start(name: &str, limit: Duration) -> io::Result<Self> {
        let folder = workspace::scratch().join("logs");
        std::fs::create_dir_all(&folder)?;
        let log = folder.join(format!("{name}.log"));
        File::create(&log)?;
        Ok(Self { log, ends: Instant::now() + limit })
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// A command at the root of the repository.
    pub(crate) fn step(&self, program: impl AsRef<OsStr>) -> Step<'_> {
        let mut command = Command::new(program);
        // Backtraces would push the failure itself out of the report's tail.
        command.current_dir(workspace::root()).stdin(Stdio::null()).env("RUST_BACKTRACE", "0");
        Step { run: self, command }
    }

    /// This cargo, whatever `PATH` says.
    pub(crate) fn cargo(&self) -> Step<'_> {
        self.step(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// A line of the suite's own in its log.
    pub(crate) fn note(&self, text: &str) -> io::Result<()> {
        writeln!(OpenOptions::new().append(true).open(&self.log)?, "{text}")
    }

    pub(crate) fn logged(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// How many Rust tests the log says have passed.
    pub(crate) fn rust_tests(&self) -> u64 {
        count_rust_tests(&self.logged())
    }
}

/// The sum over cargo's `test result:` lines.
fn count_rust_tests(log: &str) -> u64 {
    log.lines()
        .filter_map(|line| {
            line.strip_prefix("test result: ")?.split(". ").nth(1)?.split(" passed").next()?.parse::<u64>().ok()
        })
        .sum()
}

/// One command of a suite.
pub(crate) struct Step<'a> {
    run: &'a Run,
    command: Command,
}

impl Step<'_> {
    pub(crate) fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs it; anything but success fails the suite.
    pub(crate) fn run(self) -> Result<(), Stop> {
        let told = self.told();
        let status = self.status()?;
        if status.success() { Ok(()) } else { Err(Stop::Failed(format!("`{told}` ended with {status}"))) }
    }

    /// Runs a command that has to succeed; its standard output is handed on instead of logged.
    pub(crate) fn output(mut self) -> Result<String, Stop> {
        let told = self.told();
        self.run.note(&format!("\n$ {told}"))?;
        let log = OpenOptions::new().append(true).open(&self.run.log)?;
        let output = self.command.stderr(log).output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Stop::Failed(format!("`{told}` ended with {}", output.status)))
    }

    /// Runs it and hands the status on, for a step that should fail.
    pub(crate) fn status(mut self) -> Result<ExitStatus, Stop> {
        let told = self.told();
        self.run.note(&format!("\n$ {told}"))?;
        let log = OpenOptions::new().append(true).open(&self.run.log)?;
        self.command.stdout(log.try_clone()?).stderr(log).process_group(0);
        let mut child =
            self.command.spawn().map_err(|error| Stop::NotRun(format!("`{told}` does not start: {error}")))?;
        RUNNING.store(i32::try_from(child.id()).unwrap_or(0), Ordering::SeqCst);
        let status = self.wait(&mut child, &told);
        RUNNING.store(0, Ordering::SeqCst);
        status
    }

    fn wait(&self, child: &mut Child, told: &str) -> Result<ExitStatus, Stop> {
        let mut next_sign = Instant::now() + SIGN_OF_LIFE;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            let now = Instant::now();
            if now >= self.run.ends {
                end_group(child.id());
                child.wait()?;
                return Err(Stop::Failed(format!("`{told}` was ended: far over the suite's time budget")));
            }
            if now >= next_sign {
                next_sign += SIGN_OF_LIFE;
                let _ = writeln!(io::stderr(), "      … {}", last_line(&self.run.logged()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The command as a person would type it, with paths from the root.
    fn told(&self) -> String {
        let mut told = short(self.command.get_program());
        for argument in self.command.get_args() {
            let _ = write!(told, " {}", short(argument));
        }
        told
    }
}

fn short(argument: &OsStr) -> String {
    let text = argument.to_string_lossy();
    let text = text.replace(&*workspace::root().to_string_lossy(), ".");
    match text.rsplit_once("/bin/") {
        Some((_, program)) if !text.contains(' ') => program.to_owned(),
        _ => text,
    }
}

fn last_line(log: &str) -> String {
    log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().chars().take(110).collect()
}

/// The process group of the command that runs now; 0 for none.
static RUNNING: AtomicI32 = AtomicI32::new(0);

/// Commands run in process groups of their own, so that a time limit ends their children too; an interrupt from the
/// terminal therefore has to be passed on.
pub(crate) fn end_children_on_interrupt() {
    extern "C" fn pass_on(signal: i32) {
        let group = RUNNING.load(Ordering::SeqCst);
        // SAFETY: kill and _exit are async-signal-safe and take no pointers.
        unsafe {
            if group > 0 {
                libc::kill(-group, libc::SIGTERM);
            }
            libc::_exit(128 + signal);
        }
    }
    let handler = pass_on as extern "C" fn(i32) as libc::sighandler_t;
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler is a function of the right signature that only calls async-signal-safe functions.
        unsafe { libc::signal(signal, handler) };
    }
}

fn end_group(id: u32) {
    if let Ok(group) = i32::try_from(id) {
        // SAFETY: kill takes no pointers; the group was made for this child, which has not been waited for yet.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
}

/// The standard output of a short command, or `None` where it fails.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_tests_are_summed_over_all_targets() {
        let log = "x\ntest result: ok. 3 passed; 0 failed; 0 ignored\ntest result: FAILED. 4 passed; 1 failed;\nno result: 9 passed";
        assert_eq!(count_rust_tests(log), 7);
    }

    #[test]
    fn a_command_over_its_limit_is_ended_with_its_children() {
        let run = Run::start("self-limit", Duration::from_millis(300)).expect("a log");
        let began = Instant::now();
        let stopped = run.step("bash").args(["-c", "sleep 30 & echo $!; wait"]).run();
        assert!(matches!(stopped, Err(Stop::Failed(why)) if why.contains("time budget")));
        assert!(began.elapsed() < Duration::from_secs(10));
        let log = run.logged();
        let child = log.lines().last().expect("the child's number");
        let state = || std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let is_dead = |state: &str| state.is_empty() || state.contains(") Z ");
        // It has been killed, and is dead when the kernel next runs it.
        while !is_dead(&state()) && began.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(is_dead(&state()), "{}", state());
    }

    #[test]
    fn a_missing_program_is_not_a_failure_of_the_product() {
        let run = Run::start("self-missing", Duration::from_secs(5)).expect("a log");
        assert!(matches!(run.step("no-such-program-here").run(), Err(Stop::NotRun(_))));
        assert!(matches!(run.step("false").run(), Err(Stop::Failed(_))));
    }
}
