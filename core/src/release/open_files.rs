//! How many files may be open: for the broker all that the system lets it have, for its children what it was given.
//!
//! A call holds two, one to its caller and one to the upstream, and a third while a name is looked up. A program that watches files with `select` breaks with
//! numbers over 1023, so a child gets the limit that the broker was started with.

use std::sync::OnceLock;

/// The most that is asked for; where the hard limit is none, a kernel may still have one of its own (macOS: `OPEN_MAX`).
const MOST: libc::rlim_t = if cfg!(target_os = "macos") { 10_240 } else { 1 << 20 };

static GIVEN: OnceLock<libc::rlimit> = OnceLock::new();

/// Raises the limit of open files to the hard one, and gives the limit in force. To be called before there are children.
pub fn raise_open_files() -> u64 {
    let given = *GIVEN.get_or_init(limit);
    let raised = libc::rlimit { rlim_cur: given.rlim_max.min(MOST).max(given.rlim_cur), ..given };
    // SAFETY: the pointer leads to a live local. Refused, the limit stays what it is, and that is what is told.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) };
    limit().rlim_cur
}

/// Gives a child the limit that this process was started with. For the time between fork and exec.
pub(super) fn give_back() -> std::io::Result<()> {
    let Some(given) = GIVEN.get() else { return Ok(()) };
    // SAFETY: one system call with a pointer to what lives for ever.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, given) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

fn limit() -> libc::rlimit {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer leads to a live local.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    limit
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;

    use super::*;

    #[test]
    fn what_is_raised_here_is_given_back_to_a_child() {
        let before = limit().rlim_cur;
        let raised = raise_open_files();
        assert_eq!(raised, limit().rlim_max.min(MOST).max(before));
        let said = |give: fn() -> std::io::Result<()>| {
            let mut shell = std::process::Command::new("/bin/sh");
            shell.args(["-c", "ulimit -n"]);
            // SAFETY: the closure makes one system call.
            unsafe { shell.pre_exec(give) };
            let told = shell.output().expect("a shell").stdout;
            String::from_utf8_lossy(&told).trim().parse::<u64>().expect("a number")
        };
        assert_eq!(said(|| Ok(())), raised, "the control: a child has what its parent has");
        assert_eq!(said(give_back), before);
    }
}
