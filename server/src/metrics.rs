//! What the server counts about itself, for Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the histogram of times, in milliseconds.
const BOUNDS: [u64; 8] = [1, 2, 5, 10, 20, 50, 200, 1000];

/// Counters by route and status.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(String, u16), u64>>,
    times: Mutex<Times>,
}

#[derive(Default)]
struct Times {
    within: [u64; BOUNDS.len()],
    count: u64,
    micros: u128,
}

impl Metrics {
    /// Counts a request: the route as it is written in the program, never the path.
    pub(crate) fn count(&self, route: &str, status: u16, took: Duration) {
        *self.requests.lock().unwrap_or_else(PoisonError::into_inner).entry((route.to_owned(), status)).or_default() +=
            1;
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.count += 1;
        times.micros += took.as_micros();
        for (within, bound) in times.within.iter_mut().zip(BOUNDS) {
            *within += u64::from(took <= Duration::from_millis(bound));
        }
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from("# TYPE agentsecrets_server_requests_total counter\n");
        for ((route, status), count) in &*self.requests.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ =
                writeln!(text, "agentsecrets_server_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}");
        }
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str("# TYPE agentsecrets_server_request_seconds histogram\n");
        for (within, bound) in times.within.iter().zip(BOUNDS) {
            let bound = Duration::from_millis(bound).as_secs_f64();
            let _ = writeln!(text, "agentsecrets_server_request_seconds_bucket{{le=\"{bound}\"}} {within}");
        }
        let (count, seconds) = (times.count, times.micros as f64 / 1e6);
        let _ = writeln!(text, "agentsecrets_server_request_seconds_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(text, "agentsecrets_server_request_seconds_sum {seconds}");
        let _ = writeln!(text, "agentsecrets_server_request_seconds_count {count}");
        text
    }
}
