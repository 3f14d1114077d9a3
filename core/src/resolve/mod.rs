//! Stage 2: opens the values a permitted call names.

pub(crate) mod arena;
pub(crate) mod input;
pub(crate) mod value;
