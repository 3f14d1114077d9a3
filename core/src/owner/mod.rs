//! The human's side: the owner key, its passphrase, and the acts it signs.
