//! Attacks on what a backup holds, once its seal is open.

use super::backup_file::Parts;
use crate::fuzz::Target;

/// Parts that are read are the very bytes that were given.
pub(crate) const BACKUP: Target = Target { name: "backup", attack: backup, seeds, words: &["record/", "home.json"] };

fn backup(data: &[u8]) {
    let Ok(parts) = Parts::decode(data) else { return };
    assert_eq!(parts.encode().expect("short names"), data);
    let _ = parts.records();
}

fn seeds() -> Vec<Vec<u8>> {
    let mut parts = Parts::new();
    parts.add("home.json", b"{}".to_vec());
    parts.add("record/0123456789abcdef0123456789abcdef", b"sealed".to_vec());
    vec![parts.encode().expect("short names"), Parts::new().encode().expect("nothing")]
}
