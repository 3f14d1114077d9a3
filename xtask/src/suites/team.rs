//! Teams that share a workspace by a real server.

use crate::install;
use crate::run::{Run, Stop};
use crate::suites::e2e::{proved, wanted};
use crate::suites::{Suite, minutes};

pub(super) const SUITE: Suite = Suite {
    name: "team",
    proves: "people and machines share a workspace by a real server on SQLite and PostgreSQL: four commands, drift, conflict, \
             removal; a server that lies; server, client, network, database, clock and disk failing; nothing told at rest or on \
             the wire",
    budget: minutes(4),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    install::debian(run, &["postgresql"])?;
    wanted(run, &["gnome-keyring", "dbus", "dbus-bin", "libsecret-tools", "passwd", "faketime"])?;
    proved(run, "team")
}
