//! What Doppler exports.
//!
//! - `doppler secrets download --no-file --format json`, as its documentation on accessing secrets has it: `{NAME: value}`.
//! - `doppler secrets --json`: `{NAME: {computed, raw, computedVisibility, note, …}}`. A computed value has its references
//!   resolved, and is the one that programs get. It is null where its visibility is restricted.
//! - The API, "List secrets" (`/v3/configs/config/secrets`): the same under `secrets`.

use super::Export;
use super::json::Node;

/// What Doppler adds to say where the values are from.
const OWN: [&str; 3] = ["DOPPLER_PROJECT", "DOPPLER_ENVIRONMENT", "DOPPLER_CONFIG"];

pub(super) fn recognises(document: &Node<'_>) -> bool {
    let values = within(document);
    let own = OWN.iter().all(|name| values.get(name).is_some());
    let Some(pairs) = values.map() else { return false };
    let computed = !pairs.is_empty() && pairs.iter().all(|(_, node)| is_computed(node));
    computed || (own && pairs.iter().all(|(_, node)| node.text().is_some()))
}

pub(super) fn read<'a>(document: &Node<'a>, export: &mut Export<'a>) -> Option<()> {
    for (name, node) in within(document).map()? {
        let key = name.label();
        let value = if is_computed(node) { node.get("computed")? } else { node };
        if OWN.iter().any(|own| name.is(own)) {
            export.aside(key, value, "Doppler adds it by itself");
        } else if is_computed(node) && value.is_null() {
            export.partial = true;
            export.skip(key, value, "its value is withheld by its visibility");
        } else {
            export.value(key, value);
        }
    }
    Some(())
}

/// The values, which the API has one step further in.
fn within<'n, 'a>(document: &'n Node<'a>) -> &'n Node<'a> {
    match document.get("secrets") {
        Some(secrets) if secrets.map().is_some() && !is_computed(secrets) => secrets,
        _ => document,
    }
}

fn is_computed(node: &Node<'_>) -> bool {
    node.get("computed").is_some() && node.get("raw").is_some()
}
