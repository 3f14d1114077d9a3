//! A granted command that runs as the broker's child.

use std::time::Duration;

use agentsecrets_bridge::{self as bridge, Ended, StreamDescription};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::raise;
use crate::wait::{Sources, wait};

/// A child that was started.
#[pyclass(frozen, module = "agentsecrets._native")]
pub(crate) struct Child(pub(crate) bridge::Child);

type Told<'py> = (Option<i32>, Option<i32>, Option<Bound<'py, PyBytes>>, Option<Bound<'py, PyBytes>>);

#[pymethods]
impl Child {
    #[getter]
    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn signal(&self, signal: i32) {
        self.0.signal(signal);
    }

    /// How it ended, if it has: code, signal, stdout and stderr.
    fn ended<'py>(&self, py: Python<'py>) -> PyResult<Option<Told<'py>>> {
        let ended = self.0.ended().transpose().map_err(|error| raise(py, &error))?;
        Ok(ended.map(|ended| told(py, &ended)))
    }

    /// Waits for the end, for `timeout` seconds at most; `None` where it has not come by then.
    fn wait<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Option<Told<'py>>> {
        let limit = timeout.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX));
        let waited = wait(py, &mut Sources::default(), self.0.wait_at_most(limit))?;
        Ok(waited.map(|ended| told(py, &ended)))
    }
}

fn told<'py>(py: Python<'py>, ended: &Ended) -> Told<'py> {
    let bytes = |output: &Option<Vec<u8>>| output.as_ref().map(|bytes| PyBytes::new(py, bytes));
    (ended.code, ended.signal, bytes(&ended.stdout), bytes(&ended.stderr))
}

/// The numbers of `subprocess`: `PIPE` is -1, `STDOUT` -2, `DEVNULL` -3.
pub(crate) fn stream(said: Option<i32>) -> StreamDescription {
    match said {
        None => StreamDescription::Inherit,
        Some(-1) => StreamDescription::Capture,
        Some(-2) => StreamDescription::Stdout,
        Some(-3) => StreamDescription::Null,
        Some(number) => StreamDescription::Descriptor(number),
    }
}
