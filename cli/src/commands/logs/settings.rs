//! `logs settings`: how the log is kept.

use agentsecrets::Home;
use agentsecrets::owner::{self, AnchorPlace, LogsChange, PolicyAct};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::args::{Passphrase, Place};
use crate::commands::OK;
use crate::commands::session::Session;
use crate::render::{Outcome, Output};

#[derive(Args)]
pub(super) struct Settings {
    /// Whether a call is sent only when its record is on the disk
    #[arg(long, value_name = "WHETHER")]
    durable: Option<Whether>,
    /// Where a broker notes the end of the log, outside the home
    #[arg(long, value_name = "PLACE")]
    anchor: Option<Anchor>,
    #[command(flatten)]
    passphrase: Passphrase,
}

#[derive(Clone, Copy, ValueEnum)]
enum Whether {
    On,
    Off,
}

#[derive(Clone, Copy, ValueEnum)]
enum Anchor {
    /// Nowhere
    None,
    /// The journal of systemd
    Journald,
    /// The system's log, at /dev/log
    Syslog,
}

impl Settings {
    pub(super) fn run(&self, home: &Home, output: &Output) -> Outcome {
        let change = LogsChange {
            durable: self.durable.map(|whether| matches!(whether, Whether::On)),
            anchor: self.anchor.map(|anchor| match anchor {
                Anchor::None => AnchorPlace::None,
                Anchor::Journald => AnchorPlace::Journald,
                Anchor::Syslog => AnchorPlace::Syslog,
            }),
        };
        if change == LogsChange::default() {
            return show(home, output);
        }
        let mut session = Session::with_owner(&Place::default(), self.passphrase.passphrase_fd)?;
        let said = session.owner()?.change(vec![PolicyAct::Logs(change)])?;
        output
            .show(&json!({ "changed": said }), |output| said.iter().try_for_each(|sentence| output.line(sentence)))?;
        output.note("It holds from the next start of a broker: agentsecrets broker stop ends the one that runs.");
        Ok(OK)
    }
}

fn show(home: &Home, output: &Output) -> Outcome {
    let settings = owner::log_settings(home)?;
    let anchor = match settings.anchor {
        AnchorPlace::None => "none",
        AnchorPlace::Journald => "journald",
        AnchorPlace::Syslog => "syslog",
    };
    output.show(&settings, |output| {
        let durable = if settings.durable { "on" } else { "off" };
        output.pairs(&[("durable", durable.to_owned()), ("anchor", anchor.to_owned())])
    })?;
    Ok(OK)
}
