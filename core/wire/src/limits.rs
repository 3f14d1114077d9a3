//! What a server takes at most. A client that keeps to them is never refused for size.

/// The longest sealed record, in bytes: a value of 64 KiB, its name, padding to the next bucket, nonce and tag.
pub const SEALED: usize = 136 * 1024;
/// The longest signed statement of the chain, in bytes: a rotation for a thousand members fits.
pub const ENTRY: usize = 512 * 1024;
/// Records in one push.
pub const PUSH: usize = 500;
/// Records in one answer to a pull.
pub const PULL: usize = 1000;
/// Entries of the chain in one answer.
pub const ENTRIES: usize = 500;
/// The longest body of a request, in bytes.
pub const BODY: usize = 16 * 1024 * 1024;
/// Members, invited ones and machines included.
pub const MEMBERS: usize = 1000;
/// Devices of one member.
pub const DEVICES: usize = 32;
/// Scopes of one machine.
pub const SCOPES: usize = 64;
/// How far the clocks of a device and a server may differ in a proof, in seconds.
pub const SKEW: i64 = 300;
