//! The native half of the Python package: conversion, and nothing else.
//!
//! Every class is frozen and holds names, settings or a redacted answer; nothing here leads to a value.

use std::time::Duration;

use agentsecrets_bridge as bridge;
use pyo3::prelude::*;

mod child;
mod client;
mod completions;
mod error;
mod request;
mod response;
mod value;
mod wait;

use error::raise;

/// How long the end of the interpreter waits for calls under way to be given up.
const END_LIMIT: Duration = Duration::from_secs(2);

/// The native half of agentsecrets.
#[pymodule(gil_used = false)]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::child::Child;
    #[pymodule_export]
    use super::client::{Ask, Client};
    #[pymodule_export]
    use super::completions::Completions;
    #[pymodule_export]
    use super::request::{Feed, Request};
    #[pymodule_export]
    use super::response::{Response, Stream};

    /// Checks a reference and its format; returns the bare name and whether the reference is scoped.
    #[pyfunction]
    #[pyo3(signature = (text, pattern=None))]
    fn parse_reference(py: Python<'_>, text: &str, pattern: Option<&str>) -> PyResult<(String, bool)> {
        let parsed = request::reference(text, pattern).map_err(|error| raise(py, &error))?;
        Ok((parsed.name().to_string(), parsed.placeholder().is_err()))
    }

    /// The placeholder of a bare name, perhaps with a key's beginning.
    #[pyfunction]
    #[pyo3(signature = (text, beginning=None))]
    fn placeholder(py: Python<'_>, text: &str, beginning: Option<&str>) -> PyResult<String> {
        bridge::SecretRef::new(text)
            .and_then(|parsed| beginning.map_or_else(|| parsed.placeholder(), |said| parsed.placeholder_like(said)))
            .map_err(|error| raise(py, &error))
    }

    /// Ends the runtime: calls under way are given up. For the end of the interpreter.
    #[pyfunction]
    fn shutdown(py: Python<'_>) {
        py.detach(|| bridge::end(END_LIMIT));
    }

    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        bridge::install();
        Ok(())
    }
}
