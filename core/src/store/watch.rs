//! Whether anything in a home's folders changed: one read of a kernel queue, where asking every file would be many.
//!
//! It may say that something changed where nothing did, never the other way round: where the kernel cannot know of every
//! change (another file system, another system, a forked child that shares the queue), it says nothing at all.

use std::path::Path;

#[cfg(target_os = "linux")]
pub(crate) use linux::Watch;
#[cfg(not(target_os = "linux"))]
pub(crate) use unknown::Watch;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, PoisonError};
    use std::time::{Duration, Instant};

    /// Whatever is written, made, moved or taken away in the folder, and the folder itself.
    const CHANGES: u32 = libc::IN_MODIFY
        | libc::IN_ATTRIB
        | libc::IN_CREATE
        | libc::IN_DELETE
        | libc::IN_MOVE
        | libc::IN_DELETE_SELF
        | libc::IN_MOVE_SELF;
    /// File systems of this machine alone (`linux/magic.h`): ext, XFS, Btrfs, tmpfs, overlayfs, F2FS, ZFS. On one that is
    /// shared, another machine's changes come without an event.
    const LOCAL: [i64; 7] = [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0xF2F5_2010, 0x2FC1_2FC1];

    /// A queue of changes, and how often it was found not empty.
    pub(crate) struct Watch {
        queue: OwnedFd,
        owner: u32,
        folders: Vec<Folder>,
        state: Mutex<State>,
    }

    /// A folder that is watched, by which it is known that its path still leads to it.
    struct Folder {
        path: PathBuf,
        identity: (u64, u64),
    }

    struct State {
        epoch: u64,
        /// Whether the folders were moved, removed or covered: what happens at their paths is then told no more.
        blind: bool,
        looked: Instant,
    }

    /// How long a folder may be elsewhere than its path says before that is seen, where the kernel tells nothing: a moved
    /// ancestor, a mount over it.
    const LOOK: Duration = Duration::from_millis(50);
    /// After these no event comes any more, or some were lost.
    const LAST: u32 =
        libc::IN_IGNORED | libc::IN_UNMOUNT | libc::IN_DELETE_SELF | libc::IN_MOVE_SELF | libc::IN_Q_OVERFLOW;

    impl Watch {
        /// Watches the folders; `None` where not every change in them would be told.
        pub(crate) fn of(folders: &[&Path]) -> Option<Self> {
            // SAFETY: the call takes flags and gives a descriptor or -1.
            let queue = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
            if queue < 0 {
                return None;
            }
            // SAFETY: the descriptor was just made, and is nobody else's.
            let queue = unsafe { OwnedFd::from_raw_fd(queue) };
            let mut known = Vec::with_capacity(folders.len());
            for path in folders {
                let folder = path;
                let folder = std::ffi::CString::new(folder.as_os_str().as_bytes()).ok()?;
                // SAFETY: the text ends with a NUL and outlives the call.
                let watched = unsafe {
                    is_local(&folder)
                        && libc::inotify_add_watch(queue.as_raw_fd(), folder.as_ptr(), CHANGES | libc::IN_ONLYDIR) >= 0
                };
                if !watched {
                    return None;
                }
                known.push(Folder { path: path.to_path_buf(), identity: identity(path)? });
            }
            let state = State { epoch: 0, blind: false, looked: Instant::now() };
            Some(Self { queue, owner: std::process::id(), folders: known, state: Mutex::new(state) })
        }

        /// A number that is another one after any change; `None` where a change might go unseen.
        pub(crate) fn epoch(&self) -> Option<u64> {
            if self.owner != std::process::id() {
                return None; // A forked child has the parent's queue, and would take events away from it.
            }
            // Held while reading: whoever comes second must see what the first one has read.
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            self.read(&mut state)?;
            if state.looked.elapsed() >= LOOK {
                state.looked = Instant::now();
                state.blind |= self.folders.iter().any(|folder| identity(&folder.path) != Some(folder.identity));
            }
            (!state.blind).then_some(state.epoch)
        }

        /// Empties the queue; `None` where it cannot be read.
        fn read(&self, state: &mut State) -> Option<()> {
            let mut events = [0_u8; 4096];
            loop {
                // SAFETY: the buffer is ours and as long as is said.
                let got = unsafe { libc::read(self.queue.as_raw_fd(), events.as_mut_ptr().cast(), events.len()) };
                match got {
                    1.. => {
                        state.epoch += 1;
                        state.blind |= has_last(&events[..usize::try_from(got).ok()?]);
                    }
                    0 => return None,
                    _ => match std::io::Error::last_os_error().kind() {
                        std::io::ErrorKind::WouldBlock => return Some(()),
                        std::io::ErrorKind::Interrupted => {}
                        _ => return None,
                    },
                }
            }
        }
    }

    /// Device and inode, by which a folder is the same one.
    fn identity(folder: &Path) -> Option<(u64, u64)> {
        let found = folder.symlink_metadata().ok()?;
        Some((found.dev(), found.ino()))
    }

    /// Whether one of the events (`inotify(7)`: watch, mask, cookie, length of the name, name) is the last of a folder.
    fn has_last(mut events: &[u8]) -> bool {
        const HEAD: usize = size_of::<libc::inotify_event>();
        while let Some(head) = events.get(..HEAD) {
            let word = |at: usize| head[at..at + 4].try_into().map_or(0, u32::from_ne_bytes);
            if word(4) & LAST != 0 {
                return true;
            }
            let length = usize::try_from(word(12)).unwrap_or(usize::MAX);
            events = events.get(HEAD.saturating_add(length)..).unwrap_or_default();
        }
        false
    }

    fn is_local(folder: &std::ffi::CStr) -> bool {
        // SAFETY: zeroes are a value of this struct, and the call fills it.
        let mut about: libc::statfs = unsafe { std::mem::zeroed() };
        // SAFETY: the text ends with a NUL, the struct is ours; both outlive the call.
        let told = unsafe { libc::statfs(folder.as_ptr(), &raw mut about) } == 0;
        #[allow(clippy::unnecessary_cast, clippy::useless_conversion)] // The field has another type on other systems.
        let kind = about.f_type as i64;
        told && LOCAL.contains(&kind)
    }
}

#[cfg(not(target_os = "linux"))]
mod unknown {
    use std::path::Path;

    /// Nothing tells of every change here.
    pub(crate) struct Watch;

    impl Watch {
        pub(crate) fn of(_folders: &[&Path]) -> Option<Self> {
            None
        }

        pub(crate) fn epoch(&self) -> Option<u64> {
            None
        }
    }
}

/// The folders of a home in which something is replaced that a call depends on.
pub(crate) fn of_home(home: &Path) -> Option<Watch> {
    Watch::of(&[home, &home.join("run")])
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_way_to_change_a_file_is_seen_and_nothing_else_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, other) = (folder.path().join("file"), folder.path().join("other"));
        let watch = Watch::of(&[folder.path()]).expect("a local file system");
        let mut last = watch.epoch().expect("known");
        let mut changed = |change: &dyn Fn()| {
            assert_eq!(watch.epoch(), Some(last), "nothing happened");
            change();
            let now = watch.epoch().expect("known");
            assert_ne!(now, last);
            last = now;
        };
        changed(&|| fs::write(&file, "made").expect("made"));
        changed(&|| fs::write(&file, "written in place").expect("written"));
        changed(&|| fs::write(folder.path().join("new"), "moved over").expect("made"));
        changed(&|| fs::rename(folder.path().join("new"), &file).expect("moved"));
        changed(&|| fs::hard_link(&file, &other).expect("linked"));
        changed(&|| fs::remove_file(&other).expect("removed"));
        changed(&|| {
            fs::File::options().write(true).open(&file).expect("there").set_len(1).expect("cut");
        });
        let _ = fs::read(&file).expect("read");
        assert_eq!(watch.epoch(), Some(last), "reading changes nothing");
    }

    /// Home put aside and back, as a restore does it, and a folder whose ancestor was moved.
    #[test]
    fn a_folder_that_is_another_one_is_not_believed() {
        let above = tempfile::tempdir().expect("a folder");
        let folder = above.path().join("above/home");
        for moved in [folder.clone(), above.path().join("above")] {
            fs::create_dir_all(&folder).expect("made");
            let watch = Watch::of(&[&folder]).expect("a local file system");
            assert!(watch.epoch().is_some());
            let aside = above.path().join("aside");
            fs::rename(&moved, &aside).expect("moved");
            fs::create_dir_all(&folder).expect("another in its place");
            std::thread::sleep(std::time::Duration::from_millis(60));
            assert_eq!(watch.epoch(), None);
            fs::write(folder.join("file"), "unseen").expect("written");
            assert_eq!(watch.epoch(), None, "and never again");
            fs::remove_dir_all(&aside).expect("removed");
            fs::remove_dir_all(above.path().join("above")).expect("removed");
        }
    }

    #[test]
    fn a_file_system_that_others_may_write_to_is_not_believed() {
        assert!(Watch::of(&[Path::new("/proc/self")]).is_none());
        assert!(Watch::of(&[Path::new("/nowhere at all")]).is_none());
    }
}
