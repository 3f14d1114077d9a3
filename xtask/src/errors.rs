//! The core's table of errors, read in place: without the core as a dependency these commands build in seconds.

#[path = "../../core/src/error.rs"]
#[expect(dead_code, unreachable_pub, reason = "the generators read the table alone")]
mod table;

pub(crate) use table::{ErrorCode, Stage};
