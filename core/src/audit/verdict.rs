//! What a look at the whole log found, as it is shown.

use serde::{Deserialize, Serialize};

/// What a look at the whole log found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verdict {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// Sound records, from the first on.
    pub records: u64,
    /// Files they stand in.
    pub segments: usize,
    /// Records that never reached the disk before the machine went down, as records `tail_lost` say, or the next opening
    /// will. They were the last of their time: a record that was synced and is missing is `first_bad`.
    #[serde(default)]
    pub tail_lost_in_crash: u64,
    /// Calls under way, or left open by a process that died and not yet closed by the next opening.
    pub open_calls: usize,
    /// Bytes of a record a killed process did not finish; the next opening moves them aside.
    pub torn: u64,
    /// Whether every MAC was checked, which takes the owner's key.
    pub macs_checked: bool,
    /// Milliseconds since the anchor was taken: a cut or a rollback within them would not be seen. Absent without anchor.
    pub anchor_age_ms: Option<u64>,
    /// The first record that is not what was written.
    pub first_bad: Option<FirstBad>,
}

/// A record that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FirstBad {
    /// Its id, where it has one.
    pub id: Option<String>,
    /// The file it stands in.
    pub file: String,
    /// The line of that file, counted from 1.
    pub line: u64,
    /// What is wrong.
    pub why: String,
}
