//! Contenders measured round by round, so that what else happens on the machine hits all alike.

use super::quantile;
use super::workers::{Host, Workers};
use crate::run::Stop;
use crate::tell::{self, Paint};

/// A contender: whose worker, what it is called there, how many calls a round.
pub(super) struct Contender {
    pub(super) host: Host,
    pub(super) name: &'static str,
    pub(super) shown: &'static str,
    pub(super) calls: u32,
}

pub(super) const fn contender(host: Host, name: &'static str, shown: &'static str, calls: u32) -> Contender {
    Contender { host, name, shown, calls }
}

/// The times of all rounds.
pub(super) struct Table {
    rows: Vec<((Host, &'static str), Vec<f64>)>,
}

impl Table {
    /// Measures, and prints a line for each contender. The first is what the others are measured by.
    pub(super) fn measure(
        workers: &mut Workers,
        contenders: &[Contender],
        in_flight: u32,
        rounds: usize,
    ) -> Result<Self, Stop> {
        let mut took: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
        for round in 0..=rounds {
            // Each round begins elsewhere, so that nobody always follows the same neighbour. The first one only warms up.
            for at in (0..contenders.len()).map(|at| (at + round * 5) % contenders.len()) {
                let one = &contenders[at];
                let calls = if round == 0 { one.calls / 5 } else { one.calls };
                let micros = workers.round(one.host, one.name, in_flight, calls.max(in_flight))?;
                if round > 0 {
                    took[at].push(micros);
                }
            }
        }
        let rows = contenders.iter().zip(took).map(|(one, times)| ((one.host, one.name), times)).collect();
        let table = Self { rows };
        table.print(contenders);
        Ok(table)
    }

    /// The median over the rounds of one contender's time divided by another's.
    pub(super) fn ratio(&self, of: (Host, &str), by: (Host, &str)) -> Option<f64> {
        self.between(of, by, |of, by| of / by)
    }

    /// The median over the rounds of what one contender takes more than another.
    pub(super) fn more(&self, of: (Host, &str), than: (Host, &str)) -> Option<f64> {
        self.between(of, than, |of, than| of - than)
    }

    /// The median over the rounds of what two contenders' times come to.
    fn between(&self, one: (Host, &str), other: (Host, &str), come_to: fn(&f64, &f64) -> f64) -> Option<f64> {
        let times = |wanted| self.rows.iter().find(|(row, _)| *row == wanted).map(|(_, times)| times);
        let all: Vec<f64> = times(one)?.iter().zip(times(other)?).map(|(one, other)| come_to(one, other)).collect();
        Some(quantile(&all, 0.5))
    }

    fn print(&self, contenders: &[Contender]) {
        tell::line(&tell::painted(Paint::Dim, "    ratio   median     p10 – p90 (µs a call)"));
        for (one, (_, times)) in contenders.iter().zip(&self.rows) {
            let ratios: Vec<f64> = times.iter().zip(&self.rows[0].1).map(|(time, base)| time / base).collect();
            let (low, high) = (quantile(times, 0.1), quantile(times, 0.9));
            let spread = format!("{low:.0} – {high:.0}");
            let (ratio, median) = (quantile(&ratios, 0.5), quantile(times, 0.5));
            tell::line(&format!("  {ratio:>7.2} {median:>8.1}   {spread:<16} {}", one.shown));
        }
    }
}
