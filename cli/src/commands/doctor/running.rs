//! What the engine says: store, policy, deny overlay, audit log, memory, and the broker itself.

use agentsecrets::{EgressInfo, ErrorCode, Home, Label, Problem, Result, ShareInfo, Status, logs};

use super::Check;
use crate::args::Place;
use crate::commands::session::Session;

/// Fewer open files than this are told of.
const FEW_FILES: u64 = 4096;

pub(super) fn checks(home: &Home) -> Vec<Check> {
    let asked = Session::open(&Place::default()).and_then(|session| {
        let status = session.wait(session.client.status())?;
        let anchor = session.wait(session.client.audit_anchor()).ok();
        Ok((status, anchor))
    });
    let (status, anchor) = match asked {
        Ok((status, anchor)) => (status, anchor),
        Err(error) => return vec![Check::failed("broker", &error), audit(home, None), core_dumps(None)],
    };
    let mut checks = vec![broker(&status)];
    checks.extend(store_and_policy(&status));
    checks.extend(status.egress.as_ref().map(egress));
    checks.extend(status.shares.iter().filter(|share| ["listening", "failed"].contains(&&*share.state)).map(shared));
    checks.extend([audit(home, anchor.as_ref()), memory(&status), core_dumps(status.broker_pid)]);
    checks.extend(status.broker_pid.and_then(open_files));
    checks
}

/// A socket beyond this user: said each time, as it is a way in.
fn shared(share: &ShareInfo) -> Check {
    let whom = share.agent.as_ref().map_or("every registered agent", Label::as_str);
    match &share.problem {
        None => Check::ok("shared", format!("{} serves {whom}, {}", share.socket, share.isolation)),
        Some(why) => Check::fail("shared", why.clone(), format!("agentsecrets broker share --stop {}", share.socket)),
    }
}

fn broker(status: &Status) -> Check {
    let name = "broker";
    let own = env!("CARGO_PKG_VERSION");
    match status.broker_pid {
        None => Check::warn(name, "not used: the engine runs in this process", "unset AGENTSECRETS_ISOLATION"),
        Some(pid) if status.version != own => {
            let message = format!("process {pid} is of version {}, this is {own}", status.version);
            Check::warn(name, message, "agentsecrets broker stop")
        }
        Some(pid) => Check::ok(name, format!("process {pid} answers, version {own}")),
    }
}

/// Where calls do not go straight, that is said: somebody else resolves their names.
fn egress(egress: &EgressInfo) -> Check {
    let opened = egress.auth.as_ref().map(|login| format!(", opened by {}", login.name)).unwrap_or_default();
    Check::ok("egress", format!("by the proxy {}{opened}, which resolves the names of public hosts", egress.proxy))
}

/// The engine reads one after the other and tells the first that is not sound.
fn store_and_policy(status: &Status) -> Vec<Check> {
    let problem = |code: ErrorCode| status.problem.as_ref().filter(|problem| problem.code == code.as_str());
    if status.locked {
        let locked = |name| Check::warn(name, "not looked at while the home is locked", "agentsecrets unlock");
        return vec![locked("store"), locked("policy"), locked("project")];
    }
    let told = |name, problem: &Problem| Check {
        name,
        state: super::State::Fail,
        message: problem.message.clone(),
        fix: problem.hint.clone().filter(|hint| hint != "agentsecrets doctor").or_else(|| restore(name)),
    };
    let store = match (&status.secrets, &status.project) {
        (Some(count), _) => Check::ok("store", format!("{} opens, {count} secrets here", status.store)),
        // Without a project no secrets are counted, and the store may be well.
        (None, None) => Check::ok("store", format!("{} opens", status.store)),
        (None, Some(_)) => {
            Check::fail("store", format!("the {} does not open", status.store), "agentsecrets secrets list")
        }
    };
    let policy = match (problem(ErrorCode::PolicyInvalid), status.policy_serial) {
        (Some(problem), _) => told("policy", problem),
        (None, Some(serial)) => {
            Check::ok("policy", format!("number {serial}, signed by its owner; the deny overlay is whole"))
        }
        (None, None) => match &status.problem {
            Some(problem) => told("policy", problem),
            None => Check::fail("policy", "it could not be read", "agentsecrets status"),
        },
    };
    let project = match (&status.project, &status.environment, &status.problem) {
        (Some(project), Some(environment), _) => Check::ok("project", format!("{project} in {environment}")),
        (_, _, Some(problem)) if status.policy_serial.is_some() => told("project", problem),
        _ => Check::warn("project", "none can be chosen before the policy is sound", "agentsecrets doctor"),
    };
    vec![store, policy, project]
}

/// There is no command for it: what was altered by somebody else is put back from a copy.
fn restore(name: &str) -> Option<String> {
    (name == "policy").then(|| "put policy.json, pin.sealed and deny.json back from a backup of the home".to_owned())
}

fn audit(home: &Home, anchor: Option<&logs::Anchor>) -> Check {
    let name = "audit";
    let verified: Result<logs::Verdict> = logs::verify(home, anchor);
    match verified {
        Err(error) => Check::failed(name, &error),
        Ok(verdict) => match &verdict.first_bad {
            None => Check::ok(name, format!("{} records, chained without a gap", verdict.records)),
            Some(bad) => Check::fail(
                name,
                format!("{} line {}: {}", bad.file, bad.line, bad.why),
                "agentsecrets logs verify --full",
            ),
        },
    }
}

fn memory(status: &Status) -> Check {
    let name = "memory";
    let Some(report) = status.memory else { return Check::ok(name, "no values are held yet") };
    let limit = limit_of(libc::RLIMIT_MEMLOCK);
    if report.unlocked == 0 {
        return Check::ok(name, format!("{} KiB locked, of at most {}", report.locked / 1024, in_kib(limit)));
    }
    let message =
        format!("{} KiB of values could be swapped out; the limit is {}", report.unlocked / 1024, in_kib(limit));
    Check::warn(name, message, "ulimit -l unlimited && agentsecrets broker stop")
}

/// How many calls the broker's limit of open files has room for: each needs up to three. Nothing where the system does not say.
fn open_files(broker: u32) -> Option<Check> {
    let name = "open files";
    let said = limit_in(broker, "Max open files")?;
    Some(match said.parse::<u64>() {
        Ok(files) if files < FEW_FILES => {
            let message = format!("the broker may have {files}, which is room for about {} calls at once", files / 3);
            Check::warn(name, message, "raise the hard limit (ulimit -Hn), then: agentsecrets broker stop")
        }
        _ => Check::ok(name, format!("the broker may have {said}")),
    })
}

/// The soft limit of another process, by its name in `/proc`.
fn limit_in(process: u32, limit: &str) -> Option<String> {
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix(limit))?;
    line.split_whitespace().next().map(str::to_owned)
}

fn core_dumps(broker: Option<u32>) -> Check {
    let name = "core dumps";
    let said = broker.and_then(|pid| limit_in(pid, "Max core file size"));
    match said.map(|soft| soft == "0") {
        Some(true) => Check::ok(name, "off in the broker and here"),
        Some(false) => Check::fail(name, "the broker would write one", "agentsecrets broker stop"),
        None if limit_of(libc::RLIMIT_CORE) == Some(0) => Check::ok(name, "off here"),
        None => Check::warn(name, "this process would write one", "ulimit -c 0"),
    }
}

/// The soft limit of a resource; `None` for one that is not limited or not told.
fn limit_of(resource: libc::__rlimit_resource_t) -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer leads to a live local.
    let told = unsafe { libc::getrlimit(resource, &raw mut limit) } == 0;
    (told && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

fn in_kib(limit: Option<u64>) -> String {
    limit.map_or_else(|| "no limit".to_owned(), |bytes| format!("{} KiB", bytes / 1024))
}
