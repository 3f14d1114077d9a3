//! The case files in `tests/vectors/redact`, which every implementation of the redactor must agree with.
