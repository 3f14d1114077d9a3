//! Which start of the machine this is: what was written in an earlier one may have been lost when that one ended.

use std::sync::OnceLock;

/// The identity of a start; zeros where the system gives none.
pub(super) type BootId = [u8; 16];

/// The start this process lives in.
pub(super) fn current() -> BootId {
    static CURRENT: OnceLock<BootId> = OnceLock::new();
    *CURRENT.get_or_init(|| read().unwrap_or_default())
}

/// Whether the machine went down since `then`. Where that is not known, it is not believed.
pub(super) fn went_down_since(then: BootId) -> bool {
    then != BootId::default() && current() != BootId::default() && then != current()
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn read() -> Option<BootId> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    uuid::Uuid::try_parse(text.trim()).ok().map(uuid::Uuid::into_bytes)
}

#[cfg(target_os = "macos")]
fn read() -> Option<BootId> {
    let mut text = [0_u8; 64];
    let mut length = text.len();
    let name = c"kern.bootsessionuuid".as_ptr();
    // SAFETY: the pointers lead to live locals, the second with the length it says.
    let done = unsafe { libc::sysctlbyname(name, text.as_mut_ptr().cast(), &raw mut length, std::ptr::null_mut(), 0) };
    let text = std::str::from_utf8(text.get(..length)?).ok().filter(|_| done == 0)?;
    uuid::Uuid::try_parse(text.trim_end_matches('\0')).ok().map(uuid::Uuid::into_bytes)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
fn read() -> Option<BootId> {
    None
}
