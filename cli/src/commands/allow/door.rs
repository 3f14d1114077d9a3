//! `allow --command` and `allow --provider`: the value itself leaves.

use agentsecrets::owner::{AllowDoor, PolicyAct};
use agentsecrets::{Error, ErrorCode, Label, Result, SecretName};
use serde_json::json;

use crate::commands::OK;
use crate::commands::session::Session;
use crate::render::{Outcome, Output};
use crate::surroundings;

/// Pins a command as it is in this directory now.
pub(super) fn of_command(project: &Label, name: &SecretName, argv: &[String]) -> Result<AllowDoor> {
    let here = std::env::current_dir()
        .map_err(|_| Error::new(ErrorCode::InvalidCall, "the working directory cannot be read"))?;
    AllowDoor::command(project.clone(), name.clone(), argv.to_vec(), &here, surroundings::text_of("PATH"))
}

/// Has the owner sign it, and says what it means.
pub(super) fn allow(session: &mut Session, door: AllowDoor, output: &Output) -> Outcome {
    let said = session.change(vec![PolicyAct::AllowDoor(door)])?;
    output.show(&json!({ "allowed": said, "discloses": true }), |output| super::tell(output, &said))?;
    if !output.is_json() {
        output.danger(
            "Such a grant DISCLOSES the value: while the command runs, every process of this user can read it.",
        );
        output.note("Prefer a placeholder or a call where one will do: see docs/doors.md");
    }
    Ok(OK)
}
