//! What Infisical exports.
//!
//! - `infisical export --format json`, as the command's source has it (`SingleEnvironmentVariable`): `[{key, value, type,
//!   _id, …}]`, in which imports and personal overrides are resolved already.
//! - The API, "List secrets" (`/api/v3/secrets/raw`, `/api/v4/secrets`): `{secrets: [{secretKey, secretValue,
//!   secretValueHidden, type, …}], imports: […]}`.

use super::Export;
use super::json::{Kind, Node};

/// What stands in place of a value that the asker may not read.
const HIDDEN: &str = "<hidden-by-infisical>";

pub(super) fn recognises(document: &Node<'_>) -> bool {
    secrets(document).is_some_and(|secrets| !secrets.is_empty() && secrets.iter().all(|node| pair(node).is_some()))
}

pub(super) fn read<'a>(document: &Node<'a>, export: &mut Export<'a>) -> Option<()> {
    for secret in secrets(document)? {
        let (key, value) = pair(secret)?;
        let hidden = matches!(secret.get("secretValueHidden"), Some(Node { kind: Kind::Boolean(true), .. }))
            || value.text().is_some_and(|text| text.is(HIDDEN));
        if hidden {
            export.skip(key, value, "its value is hidden from whoever exported it");
        } else {
            export.value(key, value);
        }
    }
    if document.get("imports").and_then(Node::list).is_some_and(|imports| !imports.is_empty()) {
        export.partial = true;
        export.warnings.push("what the folder imports from others is left out; `infisical export` has it".to_owned());
    }
    Some(())
}

fn secrets<'n, 'a>(document: &'n Node<'a>) -> Option<&'n [Node<'a>]> {
    document.list().or_else(|| document.get("secrets")?.list())
}

/// The name of a secret, and its value.
fn pair<'n, 'a>(secret: &'n Node<'a>) -> Option<(String, &'n Node<'a>)> {
    let (key, value) = match secret.get("secretKey") {
        Some(key) => (key, secret.get("secretValue")?),
        None => (secret.get("key")?, secret.get("value")?),
    };
    Some((key.text()?.label(), value))
}
