//! Answers, whole and as they come.

use std::sync::{Arc, Mutex, PoisonError};

use agentsecrets_bridge::{self as bridge, Buffered, header_pairs};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::raise;
use crate::request::parse_timeout;
use crate::wait::{Sources, wait, within};

type Pairs = Vec<(String, String)>;

/// An answer whose body has been read.
#[pyclass(frozen, module = "agentsecrets._native")]
pub(crate) struct Response(pub(crate) Buffered);

#[pymethods]
impl Response {
    #[getter]
    fn status_code(&self) -> u16 {
        self.0.status.as_u16()
    }

    #[getter]
    fn reason(&self) -> &str {
        &self.0.reason
    }

    #[getter]
    fn url(&self) -> String {
        self.0.url.to_string()
    }

    #[getter]
    fn headers(&self) -> Pairs {
        header_pairs(&self.0.headers)
    }

    #[getter]
    fn trailers(&self) -> Pairs {
        header_pairs(&self.0.trailers)
    }

    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.content)
    }

    #[getter]
    fn redacted(&self) -> Vec<&str> {
        self.0.redacted.iter().map(|name| name.as_str()).collect()
    }

    #[getter]
    fn duration_ms(&self) -> f64 {
        self.0.duration_ms
    }

    #[getter]
    fn audit_incomplete(&self) -> bool {
        self.0.audit_incomplete
    }
}

/// An answer whose body is read as it comes.
#[pyclass(frozen, module = "agentsecrets._native")]
pub(crate) struct Stream {
    pub(crate) inner: Arc<bridge::Stream>,
    head: Head,
    /// What of the request's body is still to be sent while the answer already comes.
    sources: Mutex<Sources>,
}

struct Head {
    status: u16,
    reason: String,
    url: String,
    headers: Pairs,
}

impl Stream {
    pub(crate) fn new(stream: bridge::Stream, sources: Sources) -> bridge::Result<Self> {
        let head = stream.look(|response| Head {
            status: response.status().as_u16(),
            reason: response.reason().to_owned(),
            url: response.url().to_string(),
            headers: header_pairs(response.headers()),
        })?;
        Ok(Self { inner: Arc::new(stream), head, sources: Mutex::new(sources) })
    }
}

#[pymethods]
impl Stream {
    #[getter]
    fn status_code(&self) -> u16 {
        self.head.status
    }

    #[getter]
    fn reason(&self) -> &str {
        &self.head.reason
    }

    #[getter]
    fn url(&self) -> &str {
        &self.head.url
    }

    #[getter]
    fn headers(&self) -> Pairs {
        self.head.headers.clone()
    }

    /// What is known of the body's end: redacted names, trailers, whether the audit is incomplete.
    fn tail(&self, py: Python<'_>) -> PyResult<(Vec<String>, Pairs, bool)> {
        let tail = self.inner.look(|response| {
            let names = response.redacted().iter().map(ToString::to_string).collect();
            (names, header_pairs(&response.trailers()), response.audit_incomplete())
        });
        tail.map_err(|error| raise(py, &error))
    }

    /// Waits for the next piece of the body, this many seconds at most; `None` at its end.
    #[pyo3(signature = (timeout=None))]
    fn next<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let limit = timeout.map(parse_timeout).transpose().map_err(|error| raise(py, &error))?;
        let piece = match self.inner.ready().map_err(|error| raise(py, &error))? {
            Some(piece) => piece,
            None => {
                // Taken out, not borrowed: the lock must not be held while other threads may want the interpreter.
                let mut sources = std::mem::take(&mut *self.sources.lock().unwrap_or_else(PoisonError::into_inner));
                let piece = match limit {
                    Some(limit) => wait(py, &mut sources, within(limit, self.inner.next())),
                    None => wait(py, &mut sources, self.inner.next()),
                };
                *self.sources.lock().unwrap_or_else(PoisonError::into_inner) = sources;
                piece?
            }
        };
        Ok(piece.map(|bytes| PyBytes::new(py, &bytes)))
    }

    /// The next piece if it is there: a tuple of it, `(None,)` at the end, `None` where it has to be waited for.
    fn ready<'py>(&self, py: Python<'py>) -> PyResult<Option<(Option<Bound<'py, PyBytes>>,)>> {
        let piece = self.inner.ready().map_err(|error| raise(py, &error))?;
        Ok(piece.map(|piece| (piece.map(|bytes| PyBytes::new(py, &bytes)),)))
    }

    /// Ends the call; what was not read is not read any more.
    fn close(&self) {
        self.inner.close();
        drop(std::mem::take(&mut *self.sources.lock().unwrap_or_else(PoisonError::into_inner)));
    }
}
