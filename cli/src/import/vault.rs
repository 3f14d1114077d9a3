//! What Vault's KV engines export: `vault kv get -format=json`, in the shape of the HTTP API.
//!
//! - Version 1 ("KV secrets engine version 1 API", read secret): `{request_id, lease_id, …, data: {name: value}}`.
//! - Version 2 ("KV secrets engine version 2 API", read secret version): the same with
//!   `data: {data: {name: value}, metadata: {created_time, version, …}}`.
//! - With `-field=data` the innermost map alone, which looks like many another: `--format vault` takes it.

use super::Export;
use super::json::Node;

pub(super) fn recognises(document: &Node<'_>) -> bool {
    let answers = ["request_id", "lease_id", "renewable"].iter().all(|key| document.get(key).is_some());
    answers && document.get("data").is_some_and(|data| data.map().is_some())
}

pub(super) fn read<'a>(document: &Node<'a>, export: &mut Export<'a>) -> Option<()> {
    let data = if recognises(document) { document.get("data")? } else { document };
    let values = if is_version_2(data) { data.get("data")? } else { data };
    if values.is_null() {
        export.warnings.push("this version of the secret is deleted, and has no values".to_owned());
        return Some(());
    }
    for (name, node) in values.map()? {
        export.value(name.label(), node);
    }
    Some(())
}

/// Whether values lie beside what is said of their version.
fn is_version_2(data: &Node<'_>) -> bool {
    let described =
        ["created_time", "version"].iter().all(|key| data.get("metadata").is_some_and(|it| it.get(key).is_some()));
    described && data.map().is_some_and(|pairs| pairs.len() == 2) && data.get("data").is_some()
}
