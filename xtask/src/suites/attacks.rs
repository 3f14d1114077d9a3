//! What other processes may try on a broker and its hosts, tried.

use crate::run::{Run, Stop};
use crate::suites::e2e::{proved, wanted};
use crate::suites::{Suite, minutes};

pub(super) const SUITE: Suite = Suite {
    name: "attacks",
    proves: "every cell of docs/attack-table.md by an attack that runs, a web page in Chromium among them; each works where it has to",
    budget: minutes(4),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    wanted(run, &["gdb", "curl", "gnome-keyring", "dbus", "dbus-bin", "libsecret-tools", "passwd", "systemd"])?;
    wanted(run, &["chromium"])?;
    proved(run, "attacks")
}
