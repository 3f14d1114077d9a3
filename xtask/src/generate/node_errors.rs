//! `node/src/errors.ts`.

use std::fmt::Write;

use crate::errors::{ErrorCode, Stage};

use super::{Generated, wrap};

const HEAD: &str = r#"// Every error of AgentSecrets: a stable code, the stage, whether to try again, and what mends it.
// Written by `cargo xtask generate` from core/src/error.rs. Messages hold names, never values.

"#;

const BASE: &str = r#"
/** What an error carries besides its message. */
export interface ErrorDetails {
  code: ErrorCode | (string & {});
  stage: Stage | (string & {});
  retryable: boolean;
  hint?: string | undefined;
}

/** The base of every error here; thrown itself only for a code that this version does not know. */
export class AgentSecretsError extends Error {
  /** The stable code, one of `ErrorCode` (or a newer one). */
  readonly code: ErrorCode | (string & {});
  /** The stage that refused or failed, one of `Stage` (or a newer one). */
  readonly stage: Stage | (string & {});
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** What mends it, where possible the exact command. */
  readonly hint: string | undefined;

  constructor(message: string, details: ErrorDetails) {
    super(message);
    this.name = "AgentSecretsError";
    this.code = details.code;
    this.stage = details.stage;
    this.retryable = details.retryable;
    this.hint = details.hint;
  }

  /** Whether this is the error of that code. */
  is<Code extends ErrorCode>(code: Code): this is AgentSecretsError & { readonly code: Code } {
    return this.code === code;
  }
}
"#;

const TAIL: &str = r#"
/** The error of a code, with exactly these parts; an unknown code gives the base class. */
export function fromParts(
  code: string,
  stage: string,
  retryable: boolean,
  message: string,
  hint?: string | null,
): AgentSecretsError {
  const details = { code, stage, retryable, hint: hint ?? undefined };
  const kind = Object.hasOwn(BY_CODE, code) ? BY_CODE[code as ErrorCode] : AgentSecretsError;
  return new kind(message, details);
}
"#;

pub(super) fn generate() -> Generated {
    let mut text = HEAD.to_owned();
    union(&mut text, "The stable codes.", "ErrorCode", ErrorCode::ALL.iter().map(|code| code.as_str()));
    text.push('\n');
    let stages = Stage::ALL.iter().map(|stage| stage.as_str());
    union(&mut text, "The stages, in the order of the way of a request.", "Stage", stages);
    text.push_str(BASE);
    ErrorCode::ALL.iter().for_each(|code| class(&mut text, *code));
    text.push_str(
        "\nconst BY_CODE: Record<ErrorCode, new (message: string, details: ErrorDetails) => AgentSecretsError> = {\n",
    );
    for code in ErrorCode::ALL {
        let _ = writeln!(text, "  {code}: {},", code.class_name());
    }
    text.push_str("};\n");
    text.push_str(TAIL);
    Generated::new("node/src/errors.ts", text)
}

fn union<'a>(text: &mut String, doc: &str, name: &str, values: impl Iterator<Item = &'a str>) {
    let values: Vec<String> = values.map(|value| format!("  | \"{value}\"")).collect();
    let _ = writeln!(text, "/** {doc} */\nexport type {name} =\n{};", values.join("\n"));
}

fn class(text: &mut String, code: ErrorCode) {
    let class = code.class_name();
    let lines = wrap(code.explanation(), 112);
    let _ = match lines.as_slice() {
        [one] => writeln!(text, "\n/** {one} */"),
        lines => writeln!(text, "\n/**\n * {}\n */", lines.join("\n * ")),
    };
    let hint = code.hint().map_or_else(|| "undefined".to_owned(), |hint| format!("\"{hint}\""));
    let _ = writeln!(text, "export class {class} extends AgentSecretsError {{");
    let _ = writeln!(text, "  constructor(message: string, details: Partial<ErrorDetails> = {{}}) {{");
    let _ = writeln!(
        text,
        "    super(message, {{ code: \"{code}\", stage: \"{}\", retryable: {}, hint: {hint}, ...details }});",
        code.stage(),
        code.retryable()
    );
    let _ = writeln!(text, "    this.name = \"{class}\";\n  }}\n}}");
}
