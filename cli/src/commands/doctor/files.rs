//! What can be seen from outside: permissions, the use key's place, the executable, the project file.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use agentsecrets::owner::executable_of;
use agentsecrets::{Error, ErrorCode, Home, HomeConfig, PROJECT_FILE, Proposal, Result, Unlock};

use super::Check;

pub(super) fn checks(home: &Home, config: &HomeConfig) -> Vec<Check> {
    vec![permissions(home), use_key(config), executable(config), project_file(home)]
}

fn permissions(home: &Home) -> Check {
    let name = "permissions";
    match loose(home.root()) {
        Err(why) => Check::fail(name, why, "agentsecrets doctor --fix"),
        Ok(loose) if loose.is_empty() => Check::ok(name, format!("{} is yours alone", home.root().display())),
        Ok(loose) => {
            let first = loose[0].display();
            let message =
                format!("{} files or folders of the home are open to others or not yours, as {first}", loose.len());
            Check::fail(name, message, "agentsecrets doctor --fix")
        }
    }
}

/// What of the home others may open, or is not the user's own.
fn loose(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        // A file that is being replaced may be gone by now.
        let Ok(metadata) = path.symlink_metadata() else { continue };
        if !is_private(&metadata) {
            found.push(path.clone());
        }
        if metadata.is_dir() {
            let inside =
                std::fs::read_dir(&path).map_err(|why| format!("{} cannot be read: {}", path.display(), why.kind()))?;
            open.extend(inside.flatten().map(|entry| entry.path()));
        }
    }
    Ok(found)
}

fn is_private(metadata: &Metadata) -> bool {
    // A symbolic link has no mode of its own, and the home makes none; a socket is guarded by its folder.
    let kind = metadata.file_type();
    metadata.uid() == own_uid() && !kind.is_symlink() && (kind.is_socket() || metadata.mode() & 0o077 == 0)
}

fn own_uid() -> u32 {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() }
}

fn use_key(config: &HomeConfig) -> Check {
    let name = "use key";
    let Unlock::File(path) = &config.unlock else {
        return Check::ok(name, format!("lies in the place {}", config.unlock.kind()));
    };
    match path.metadata() {
        Err(why) => {
            let message = format!("the key file {} cannot be read: {}", path.display(), why.kind());
            Check::fail(name, message, format!("put the key file back at {}", path.display()))
        }
        Ok(found) if found.mode() & 0o077 != 0 => {
            Check::fail(name, format!("{} is open to others", path.display()), format!("chmod 600 {}", path.display()))
        }
        Ok(_) => Check::ok(name, format!("lies in {}", path.display())),
    }
}

fn executable(config: &HomeConfig) -> Check {
    let (name, fix) = ("executable", "agentsecrets doctor --fix");
    let Some(recorded) = &config.executable else {
        return Check::warn(name, "none is recorded; programs without their own cannot start the broker", fix);
    };
    match executable_of(&recorded.path) {
        Err(_) => Check::fail(name, format!("the recorded {} cannot be read", recorded.path.display()), fix),
        Ok(found) if found.sha256 != recorded.sha256 => {
            let message =
                format!("{} has changed since it was recorded; programs will not start it", recorded.path.display());
            Check::fail(name, message, fix)
        }
        Ok(_) => Check::ok(name, format!("{} is the one recorded", recorded.path.display())),
    }
}

fn project_file(home: &Home) -> Check {
    let name = "project file";
    let Ok(here) = std::env::current_dir() else {
        return Check::warn(name, "the current directory cannot be read", "cd ELSEWHERE");
    };
    match Proposal::nearest(&here) {
        Err(error) => Check::failed(name, &error),
        Ok(Some(found)) => {
            Check::ok(name, format!("{} names {}", found.directory.join(PROJECT_FILE).display(), found.project))
        }
        Ok(None) if home.root().starts_with(&here) => Check::ok(name, "none here"),
        Ok(None) => Check::ok(name, "none here; the home's first project is in use"),
    }
}

/// Makes the home private again and records this executable; says what was done.
pub(super) fn fix(home: &Home) -> Result<Vec<String>> {
    let mut fixed = Vec::new();
    for path in loose(home.root()).map_err(|why| Error::new(ErrorCode::StoreUnavailable, why))? {
        let Ok(metadata) = path.symlink_metadata() else { continue };
        if metadata.file_type().is_symlink() || metadata.uid() != own_uid() {
            continue;
        }
        let mode = if metadata.is_dir() { 0o700 } else { 0o600 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).map_err(|why| cannot(&path, &why))?;
        fixed.push(format!("{} is private", path.display()));
    }
    fixed.extend(record(home)?);
    Ok(fixed)
}

fn record(home: &Home) -> Result<Option<String>> {
    let own = std::env::current_exe().map_err(|why| cannot(Path::new("the executable"), &why))?;
    let (mut config, found) = (home.config()?, executable_of(&own)?);
    if config.executable.as_ref() == Some(&found) {
        return Ok(None);
    }
    let said = format!("{} is recorded", found.path.display());
    config.executable = Some(found);
    let text = serde_json::to_vec_pretty(&config)
        .map_err(|_| Error::new(ErrorCode::Internal, "home.json cannot be written"))?;
    write(&home.root().join("home.json"), &text)?;
    Ok(Some(said))
}

/// Whole or not at all, and for this user alone.
fn write(file: &Path, text: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let staged = file.with_extension(format!("json.{}", std::process::id()));
    let put = || {
        let mut options = std::fs::OpenOptions::new();
        let mut opened =
            options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(&staged)?;
        opened.write_all(text)?;
        opened.sync_all()?;
        std::fs::rename(&staged, file)
    };
    put().map_err(|why| {
        let _ = std::fs::remove_file(&staged);
        cannot(file, &why)
    })
}

fn cannot(path: &Path, why: &std::io::Error) -> Error {
    Error::new(ErrorCode::StoreUnavailable, format!("{} cannot be mended: {}", path.display(), why.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_to_others_is_found_wherever_it_lies() {
        let root = tempfile::tempdir().expect("temp dir");
        let inner = root.path().join("a/b");
        std::fs::create_dir_all(&inner).expect("dirs");
        let file = inner.join("f");
        std::fs::write(&file, "x").expect("file");
        for path in [root.path(), &root.path().join("a"), &inner] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).expect("mode");
        }
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("mode");
        assert_eq!(loose(root.path()), Ok(Vec::new()));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("mode");
        std::os::unix::fs::symlink("/etc/passwd", root.path().join("link")).expect("link");
        let mut found = loose(root.path()).expect("readable");
        found.sort();
        assert_eq!(found, [file, root.path().join("link")]);
    }
}
