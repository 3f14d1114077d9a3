//! The core's errors as the package's exceptions.

use agentsecrets_bridge::{Error, ErrorCode};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

static FROM_PARTS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The exception of an error, with every part of it.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    match exception(py, error) {
        Ok(exception) => PyErr::from_value(exception),
        Err(failed) => failed,
    }
}

pub(crate) fn exception<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let parts = (error.code().as_str(), error.stage().as_str(), error.retryable(), error.message(), error.hint());
    FROM_PARTS.import(py, "agentsecrets.errors", "from_parts")?.call1(parts)
}

/// An `invalid_call` of the binding itself.
pub(crate) fn invalid(py: Python<'_>, message: &'static str) -> PyErr {
    raise(py, &Error::new(ErrorCode::InvalidCall, message))
}
