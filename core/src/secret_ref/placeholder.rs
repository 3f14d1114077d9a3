//! The texts that stand for a secret where a library wants a string.

use super::SecretRef;
use crate::error::{Error, ErrorCode};

/// What a placeholder begins with.
pub(crate) const PLACEHOLDER_PREFIX: &str = "AS_SECRET_";
/// The longest beginning of a key that a placeholder takes along, in bytes.
pub(crate) const MAX_LIKE: usize = 64;

impl SecretRef {
    /// `AS_SECRET_` and the name: a text that stands for the secret where a library wants a string.
    ///
    /// # Errors
    /// `invalid_call` for a scoped reference, which has no placeholder.
    pub fn placeholder(&self) -> Result<String, Error> {
        if self.scope.is_empty() {
            return Ok(format!("{PLACEHOLDER_PREFIX}{}", self.name));
        }
        Err(Error::new(ErrorCode::InvalidCall, "a scoped reference has no placeholder")
            .with_hint("choose project and environment on the client, and take the placeholder of the bare name"))
    }

    /// A placeholder that begins like the vendor's keys do, for libraries that check: `placeholder_like("sk-")`.
    ///
    /// # Errors
    /// `invalid_call` for a beginning that is empty, longer than 64 bytes or not of printable ASCII, and for a scoped
    /// reference.
    pub fn placeholder_like(&self, beginning: &str) -> Result<String, Error> {
        self.placeholder()?;
        if !(1..=MAX_LIKE).contains(&beginning.len()) || !beginning.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::new(ErrorCode::InvalidCall, "a key begins with 1 to 64 characters of printable ASCII")
                .with_hint("SecretRef(\"NAME\").placeholder_like(\"sk-\")"));
        }
        Ok(format!("{beginning}{PLACEHOLDER_PREFIX}{}_{}", beginning.len(), self.name))
    }
}
