//! What a host and the broker hold of memory: idle, with a long answer passing, with many streams open.

use std::path::PathBuf;

use super::asked::{Asked, Bound};
use super::workers::{Host, Workers};
use crate::run::Stop;
use crate::world::World;

const STREAMS: u32 = 1000;

/// A process, and what it holds in MiB.
struct Process(u64);

pub(super) fn rows(workers: &mut Workers, world: &World) -> Result<Vec<Asked>, Stop> {
    if let Some(running) = world.broker().map(Process) {
        world.succeed(world.cli(&["broker", "stop"]), b"")?;
        running.wait_for_its_end()?;
    }
    // A few calls, so that what is idle has done all there is once.
    workers.round(Host::Rust, "broker", 1, 20)?;
    let broker = world.broker().ok_or_else(|| Stop::Failed("no broker runs".to_owned()))?;
    let broker = Process(broker);
    let mut rows = vec![Asked::new("broker idle", broker.resident()?, Bound::AtMost(15.0), "MiB")];
    for (host, name) in [(Host::Python, "Python"), (Host::Node, "Node")] {
        workers.round(host, "broker", 1, 1)?;
        let caller = Process(workers.id(host));
        let before = [&caller, &broker].map(Process::forget_peak);
        workers.round(host, "broker/download", 1, 1)?;
        for (process, before, what) in [(&caller, &before[0], "host"), (&broker, &before[1], "broker")] {
            let more = process.peak()? - before.as_ref().map_err(|why| Stop::Failed(why.to_string()))?;
            let told = format!("100 MiB streamed by {name}, more in the {what}");
            rows.push(Asked::new(told, more, Bound::AtMost(10.0), "MiB"));
        }
    }
    let before = broker.resident()?;
    workers.round(Host::Rust, "broker/hold", STREAMS, 1)?;
    let more = broker.resident()? - before;
    workers.round(Host::Rust, "broker/let-go", 1, 1)?;
    rows.push(Asked::new("1,000 open streams, more in the broker", more, Bound::AtMost(100.0), "MiB"));
    Ok(rows)
}

impl Process {
    /// A stopped broker takes no new call while it lets the last ones finish.
    fn wait_for_its_end(&self) -> Result<(), Stop> {
        for _ in 0..300 {
            if !self.file("stat").exists() {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        Err(Stop::Failed("the broker did not stop in half a minute".to_owned()))
    }

    fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }

    /// Begins the peak anew where this user may, and gives what is held now.
    fn forget_peak(&self) -> std::io::Result<f64> {
        let _ = std::fs::write(self.file("clear_refs"), "5");
        self.line("VmRSS:")
    }

    fn resident(&self) -> std::io::Result<f64> {
        self.line("VmRSS:")
    }

    fn peak(&self) -> std::io::Result<f64> {
        self.line("VmHWM:")
    }

    fn line(&self, wanted: &str) -> std::io::Result<f64> {
        let status = std::fs::read_to_string(self.file("status"))?;
        let said =
            status.lines().find_map(|line| line.strip_prefix(wanted)?.split_whitespace().next()?.parse::<f64>().ok());
        said.map(|kib| kib / 1024.0).ok_or_else(|| std::io::ErrorKind::InvalidData.into())
    }
}
