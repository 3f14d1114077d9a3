//! What both sides of OPAQUE (RFC 9807) agree on beside its messages.
//!
//! The group is ristretto255 with SHA-512, the key exchange 3DH over the same, and the password is stretched by Argon2id with the
//! figures here and a salt of zeroes, as the RFC has it. The client's identifier is the address in lower case, the server's is
//! [`SERVER`].

/// The context of the key exchange, and the version of all this.
pub const CONTEXT: &str = "agentsecrets/opaque/1";
/// The server's identifier: it is the same everywhere, since a server may move to another name.
pub const SERVER: &str = CONTEXT;
/// Memory of the stretching, in KiB.
pub const MEMORY_KIB: u32 = 64 << 10;
/// Passes of the stretching.
pub const PASSES: u32 = 3;
/// Lanes of the stretching.
pub const LANES: u32 = 1;
/// The salt of the stretching: what differs between accounts is what the server's key makes of the password.
pub const SALT: [u8; 16] = [0; 16];
