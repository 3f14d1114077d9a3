//! Login by a password that never comes here: the server's side of OPAQUE (RFC 9807).
//!
//! What both sides agree on is in [`agentsecrets_wire::opaque`]. The stretching is the client's alone.

use agentsecrets_wire::{Blob, opaque as agreed};
use opaque_ke::ksf::Identity;
use opaque_ke::{
    CipherSuite, CredentialFinalization, CredentialRequest, Identifiers, RegistrationRequest, RegistrationUpload,
    Ristretto255, ServerLogin, ServerLoginParameters, ServerRegistration, ServerSetup, TripleDh,
};
use sha2_010::Sha512;
use zeroize::Zeroizing;

use crate::random::System;

/// The algorithms. The server never stretches.
pub(crate) struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, Sha512>;
    type Ksf = Identity;
}

/// The server's lasting secret.
pub(crate) type Setup = ServerSetup<Suite>;

/// A new secret, as bytes.
pub(crate) fn make_setup() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Setup::new(&mut System).serialize().to_vec())
}

/// The secret from its bytes.
pub(crate) fn parse_setup(bytes: &[u8]) -> Option<Setup> {
    Setup::deserialize(bytes).ok()
}

/// Answers the first half of a registration; the same for an address with and without account.
pub(crate) fn register(setup: &Setup, email: &str, request: &Blob) -> Option<Blob> {
    let request = RegistrationRequest::deserialize(request.as_bytes()).ok()?;
    let started = ServerRegistration::<Suite>::start(setup, request, email.as_bytes()).ok()?;
    Some(Blob(started.message.serialize().to_vec()))
}

/// What is stored of the second half.
pub(crate) fn parse_record(record: &Blob) -> Option<Vec<u8>> {
    let upload = RegistrationUpload::<Suite>::deserialize(record.as_bytes()).ok()?;
    Some(ServerRegistration::finish(upload).serialize().to_vec())
}

/// Answers the first half of a login, with what has to be remembered until the second. Without a record the answer looks the
/// same, and leads nowhere.
pub(crate) fn begin(setup: &Setup, email: &str, record: Option<&[u8]>, request: &Blob) -> Option<(Blob, Vec<u8>)> {
    let request = CredentialRequest::deserialize(request.as_bytes()).ok()?;
    let record = record.map(ServerRegistration::<Suite>::deserialize).transpose().ok()?;
    let identifiers = Identifiers { client: Some(email.as_bytes()), server: Some(agreed::SERVER.as_bytes()) };
    let parameters = ServerLoginParameters { context: Some(agreed::CONTEXT.as_bytes()), identifiers };
    let started = ServerLogin::start(&mut System, setup, record, request, email.as_bytes(), parameters).ok()?;
    Some((Blob(started.message.serialize().to_vec()), started.state.serialize().to_vec()))
}

/// Whether the second half proves that the password is known.
pub(crate) fn is_proved(state: &[u8], finalization: &Blob) -> bool {
    let Ok(state) = ServerLogin::<Suite>::deserialize(state) else { return false };
    let Ok(finalization) = CredentialFinalization::deserialize(finalization.as_bytes()) else { return false };
    // Both were bound into the state by the first half.
    state.finish(finalization, ServerLoginParameters::default()).is_ok()
}

#[cfg(test)]
mod vectors;
