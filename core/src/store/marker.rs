//! The mark that a human locked the store: while it is there, no broker opens the use key by itself.

use std::path::Path;

use super::{atomic, unavailable};
use crate::error::Result;

const NAME: &str = "locked";

/// Sets the mark.
pub(crate) fn set(run: &Path) -> Result<()> {
    atomic::write(&run.join(NAME), b"")
}

/// Takes the mark away.
pub(crate) fn clear(run: &Path) -> Result<()> {
    let path = run.join(NAME);
    match std::fs::remove_file(&path) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(unavailable("remove", &path, &why)),
        _ => Ok(()),
    }
}

/// Whether the store was locked.
pub(crate) fn is_set(run: &Path) -> bool {
    run.join(NAME).symlink_metadata().is_ok()
}
