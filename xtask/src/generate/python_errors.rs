//! `python/src/agentsecrets/errors.py`.

use std::fmt::Write;

use crate::errors::{ErrorCode, Stage};

use super::{Generated, wrap};

const HEAD: &str = r#""""Every error of AgentSecrets: its code, stage, whether to try again, what mends it.

Written by ``cargo xtask generate`` from ``core/src/error.rs``. Messages hold names, never values.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

"#;

const BASE: &str = r#"

class AgentSecretsError(Exception):
    """The base of every error here; raised itself only for a code that this version does not know."""

    _CODE: ClassVar[str] = "internal"
    _STAGE: ClassVar[str] = "call"
    _RETRYABLE: ClassVar[bool] = False
    _HINT: ClassVar[str | None] = None

    code: str
    """The stable code, one of ``ErrorCode`` (or a newer one)."""
    stage: str
    """The stage that refused or failed, one of ``Stage`` (or a newer one)."""
    retryable: bool
    """Whether the same call may succeed later."""
    message: str
    """What went wrong, in one sentence."""
    hint: str | None
    """What mends it, where possible the exact command."""

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        stage: str | None = None,
        retryable: bool | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = self._CODE if code is None else code
        self.stage = self._STAGE if stage is None else stage
        self.retryable = self._RETRYABLE if retryable is None else retryable
        self.message = message
        self.hint = self._HINT if hint is None else hint

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}" if self.message else self.code
        return text if self.hint is None else f"{text}\n  hint: {self.hint}"

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.message!r}, code={self.code!r}, "
            f"stage={self.stage!r}, retryable={self.retryable!r}, hint={self.hint!r})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self.code, self.stage, self.retryable, self.message, self.hint)
        return (_restore, (type(self), *parts), self.__dict__)

"#;

const TAIL: &str = r#"

def from_parts(
    code: str,
    stage: str,
    retryable: bool,
    message: str,
    hint: str | None = None,
) -> AgentSecretsError:
    """The error of a code with these parts; an unknown code gives the base class."""
    kind = _BY_CODE.get(code, AgentSecretsError)
    return _restore(kind, code, stage, retryable, message, hint)


def _restore(
    kind: type[AgentSecretsError],
    code: str,
    stage: str,
    retryable: bool,
    message: str,
    hint: str | None,
) -> AgentSecretsError:
    # A subclass may ask for other arguments; only the parts are wanted here.
    error = kind.__new__(kind, message)
    AgentSecretsError.__init__(
        error,
        message,
        code=code,
        stage=stage,
        retryable=retryable,
    )
    error.hint = hint
    return error
"#;

pub(super) fn generate() -> Generated {
    let mut text = HEAD.to_owned();
    literal(&mut text, "ErrorCode", ErrorCode::ALL.iter().map(|code| code.as_str()));
    text.push('\n');
    literal(&mut text, "Stage", Stage::ALL.iter().map(|stage| stage.as_str()));
    text.push_str(BASE);
    ErrorCode::ALL.iter().for_each(|code| class(&mut text, *code));
    text.push_str("\n_BY_CODE: Final[dict[str, type[AgentSecretsError]]] = {\n");
    for code in ErrorCode::ALL {
        let _ = writeln!(text, "    \"{code}\": {},", code.class_name());
    }
    text.push_str("}\n");
    text.push_str(TAIL);
    let mut names: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.class_name()).collect();
    names.extend(["AgentSecretsError", "ErrorCode", "Stage", "from_parts"]);
    // In the order ruff wants: SCREAMING, then Capital, then lower case.
    names.sort_by_key(|name| (name.starts_with(char::is_lowercase), *name));
    text.push_str("\n\n__all__ = [\n");
    for name in names {
        let _ = writeln!(text, "    \"{name}\",");
    }
    text.push_str("]\n");
    Generated::new("python/src/agentsecrets/errors.py", text)
}

fn literal<'a>(text: &mut String, name: &str, values: impl Iterator<Item = &'a str>) {
    let _ = writeln!(text, "{name} = Literal[");
    for value in values {
        let _ = writeln!(text, "    \"{value}\",");
    }
    text.push_str("]\n");
}

fn class(text: &mut String, code: ErrorCode) {
    let _ = writeln!(text, "\nclass {}(AgentSecretsError):", code.class_name());
    let explanation = code.explanation().replace('`', "``");
    let lines = wrap(&explanation, 80);
    let _ = match lines.as_slice() {
        [one] => writeln!(text, "    \"\"\"{one}\"\"\"\n"),
        lines => writeln!(text, "    \"\"\"{}\n    \"\"\"\n", lines.join("\n    ")),
    };
    let _ = writeln!(text, "    _CODE = \"{code}\"");
    let _ = writeln!(text, "    _STAGE = \"{}\"", code.stage());
    let _ = writeln!(text, "    _RETRYABLE = {}", if code.retryable() { "True" } else { "False" });
    if let Some(hint) = code.hint() {
        let _ = writeln!(text, "    _HINT = \"{hint}\"");
    }
    text.push('\n');
}
