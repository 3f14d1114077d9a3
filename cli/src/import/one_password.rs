//! What 1Password exports.
//!
//! - `op item get ITEM --format json`, as "Item JSON template" and "Item fields" in its documentation have it: `{id, title,
//!   category, fields: [{id, type, purpose, label, value, section, …}]}`. Several of them stand one after the other
//!   (`op item list --format json | op item get - --format json`) or in a list.
//! - The `export.data` of a 1PUX file, as "About the 1Password Unencrypted Export format" has it: `{accounts: [{vaults:
//!   [{items: [{overview, details: {loginFields, sections, password}}]}]}]}`.
//!
//! A field whose label is a legal name has that name. Another is called after its item and itself, as most items have a field
//! called `password`.

use agentsecrets::SecretName;

use super::Export;
use super::json::Node;

/// How a value begins that `op` was not told to show.
const VEILED: &str = "[use 'op item get";
const NOT_CONCEALED: &str = "its field is not concealed";
const ONE_TIME: &str = "it makes one-time passwords, which no call can use";

pub(super) fn recognises(documents: &[Node<'_>]) -> bool {
    if let [document] = documents
        && document.get("accounts").is_some()
    {
        return items_of_archive(document).is_some();
    }
    let mut items = items(documents).peekable();
    items.peek().is_some() && items.all(is_item)
}

pub(super) fn read<'a>(documents: &[Node<'a>], export: &mut Export<'a>) -> Option<()> {
    if let [document] = documents
        && let Some(items) = items_of_archive(document)
    {
        items.into_iter().for_each(|item| archived(item, export));
        return Some(());
    }
    let mut listed = 0;
    for item in items(documents) {
        if !is_item(item) {
            return None;
        }
        match item.get("fields") {
            Some(fields) => fields.list()?.iter().for_each(|field| shown(item, field, export)),
            None => listed += 1,
        }
    }
    if listed > 0 {
        export.partial = true;
        export.warnings.push(format!(
            "{listed} items have no fields, as `op item list` shows them; `op item list --format json | op item get - \
             --format json` has them"
        ));
    }
    Some(())
}

/// The items that `op` shows, one after the other or in a list.
fn items<'n, 'a>(documents: &'n [Node<'a>]) -> impl Iterator<Item = &'n Node<'a>> {
    documents.iter().flat_map(|document| document.list().unwrap_or(std::slice::from_ref(document)))
}

fn is_item(node: &Node<'_>) -> bool {
    ["id", "title", "category"].iter().all(|key| node.get(key).is_some_and(|it| it.text().is_some()))
}

/// A field of an item that `op` shows.
fn shown<'a>(item: &Node<'a>, field: &Node<'a>, export: &mut Export<'a>) {
    let Some(value) = field.get("value") else { return };
    let label = Some(field.label("label")).filter(|label| !label.is_empty()).unwrap_or_else(|| field.label("id"));
    let key = key_of(&item.label("title"), label);
    let is = |kind: &str| field.says("type", kind);
    if value.text().is_some_and(|text| text.starts_with(VEILED)) {
        export.skip(key, value, "its value is not in the file: op item get … --reveal");
    } else if is("CONCEALED") || is("SSHKEY") {
        export.value(key, value);
    } else {
        export.skip(key, value, if is("OTP") { ONE_TIME } else { NOT_CONCEALED });
    }
}

/// The items of a whole export.
fn items_of_archive<'n, 'a>(document: &'n Node<'a>) -> Option<Vec<&'n Node<'a>>> {
    let mut items = Vec::new();
    for account in document.get("accounts")?.list()? {
        for vault in account.get("vaults")?.list()? {
            // The first files of the format had each item in a map of its own.
            items.extend(vault.get("items")?.list()?.iter().map(|item| item.get("item").unwrap_or(item)));
        }
    }
    items.iter().all(|item| item.get("overview").is_some() && item.get("details").is_some()).then_some(items)
}

fn archived<'a>(item: &Node<'a>, export: &mut Export<'a>) {
    let (Some(overview), Some(details)) = (item.get("overview"), item.get("details")) else { return };
    let title = overview.label("title");
    if item.says("state", "archived") {
        return export.skip(title, item, "it is archived");
    }
    if details.get("passwordHistory").and_then(Node::list).is_some_and(|former| !former.is_empty()) {
        export.partial = true;
        export.warnings.push(format!("former passwords of {title} are left out"));
    }
    if let Some(password) = details.get("password") {
        export.value(key_of(&title, "password".to_owned()), password);
    }
    for field in list(details, "loginFields") {
        let Some(value) = field.get("value") else { continue };
        let is_password = field.says("designation", "password") || field.says("fieldType", "P");
        let called = ["designation", "name", "id"].map(|key| field.label(key));
        let label = called.into_iter().find(|label| !label.is_empty()).unwrap_or_default();
        let key = key_of(&title, label);
        if is_password { export.value(key, value) } else { export.skip(key, value, NOT_CONCEALED) }
    }
    let sections = list(details, "sections").iter().flat_map(|section| list(section, "fields"));
    sections.for_each(|field| in_section(&title, field, export));
    if let Some(notes) = details.get("notesPlain").filter(|notes| notes.text().is_some_and(|text| !text.is(""))) {
        export.skip(key_of(&title, "notes".to_owned()), notes, NOT_CONCEALED);
    }
}

/// A field of a section, whose value is a map of its kind and itself.
fn in_section<'a>(title: &str, field: &Node<'a>, export: &mut Export<'a>) {
    let label = Some(field.label("title")).filter(|label| !label.is_empty()).unwrap_or_else(|| field.label("id"));
    let key = key_of(title, label);
    for (kind, value) in field.get("value").and_then(Node::map).unwrap_or_default() {
        match (kind.is("concealed"), value.get("privateKey").filter(|_| kind.is("sshKey"))) {
            (true, _) => export.value(key.clone(), value),
            (_, Some(private)) => export.value(key.clone(), private),
            _ if value.is_null() || value.text().is_some_and(|text| text.is("")) => {}
            _ => export.skip(key.clone(), value, if kind.is("totp") { ONE_TIME } else { NOT_CONCEALED }),
        }
    }
}

fn list<'n, 'a>(node: &'n Node<'a>, key: &str) -> &'n [Node<'a>] {
    node.get(key).and_then(Node::list).unwrap_or_default()
}

/// What a field is called: as its label where that is a name already, and after its item else.
fn key_of(title: &str, label: String) -> String {
    if SecretName::parse(&label).is_ok() { label } else { format!("{title}/{label}") }
}
