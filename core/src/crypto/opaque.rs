//! Login by a password that the server never sees: the client's side of OPAQUE (RFC 9807).
//!
//! What both sides agree on is in [`agentsecrets_wire::opaque`].

use agentsecrets_wire::{Blob, opaque as agreed};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use opaque_ke::errors::{InternalError, ProtocolError};
use opaque_ke::generic_array::{ArrayLength, GenericArray};
use opaque_ke::ksf::Ksf;
use opaque_ke::rand::{CryptoRng, Error as RandomError, RngCore};
use opaque_ke::{
    CipherSuite, ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialResponse, Identifiers, RegistrationResponse, Ristretto255, TripleDh,
};
use sha2_010::Sha512;
use zeroize::Zeroize;

use super::fill_random;
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::SecretValue;

/// The algorithms.
pub(super) struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, Sha512>;
    type Ksf = Stretch;
}

/// A registration under way: the password is asked for in both halves, and kept in neither.
pub(crate) struct Registration(ClientRegistration<Suite>);

impl Registration {
    /// Begins, and has the `RegistrationRequest`.
    pub(crate) fn start(password: &SecretValue) -> Result<(Self, Blob)> {
        // EXPOSE: the protocol blinds the password before it leaves.
        let started = ClientRegistration::<Suite>::start(&mut System, password.expose()).map_err(failed)?;
        Ok((Self(started.state), Blob(started.message.serialize().to_vec())))
    }

    /// Ends, with the `RegistrationRecord` and the export key.
    ///
    /// # Errors
    /// `sync_refused` where the server's answer is none.
    pub(crate) fn finish(self, password: &SecretValue, email: &str, response: &Blob) -> Result<(Blob, SecretValue)> {
        let response = RegistrationResponse::deserialize(response.as_bytes()).map_err(|_| no_answer())?;
        let email = email.to_lowercase();
        let parameters = ClientRegistrationFinishParameters::new(identifiers(&email), None);
        // EXPOSE: the protocol stretches the password and drops it.
        let finished = self.0.finish(&mut System, password.expose(), response, parameters);
        let mut finished = finished.map_err(failed)?;
        let export = SecretValue::copy_from(&finished.export_key);
        finished.export_key.as_mut_slice().zeroize();
        Ok((Blob(finished.message.serialize().to_vec()), export))
    }
}

/// A login under way.
pub(crate) struct Login(ClientLogin<Suite>);

impl Login {
    /// Begins, and has the `CredentialRequest`.
    pub(crate) fn start(password: &SecretValue) -> Result<(Self, Blob)> {
        // EXPOSE: the protocol blinds the password before it leaves.
        let started = ClientLogin::<Suite>::start(&mut System, password.expose()).map_err(failed)?;
        Ok((Self(started.state), Blob(started.message.serialize().to_vec())))
    }

    /// Ends, with the `CredentialFinalization` and the export key.
    ///
    /// # Errors
    /// `wrong_credentials` where the password, the address or the server is another than at the registration;
    /// `sync_refused` where the server's answer is none.
    pub(crate) fn finish(self, password: &SecretValue, email: &str, response: &Blob) -> Result<(Blob, SecretValue)> {
        let response = CredentialResponse::deserialize(response.as_bytes()).map_err(|_| no_answer())?;
        let email = email.to_lowercase();
        let context = Some(agreed::CONTEXT.as_bytes());
        let parameters = ClientLoginFinishParameters::new(context, identifiers(&email), None);
        // EXPOSE: the protocol stretches the password and drops it.
        let finished = self.0.finish(&mut System, password.expose(), response, parameters);
        let mut finished = finished.map_err(failed)?;
        let export = SecretValue::copy_from(&finished.export_key);
        finished.export_key.as_mut_slice().zeroize();
        finished.session_key.as_mut_slice().zeroize();
        Ok((Blob(finished.message.serialize().to_vec()), export))
    }
}

fn identifiers(email: &str) -> Identifiers<'_> {
    Identifiers { client: Some(email.as_bytes()), server: Some(agreed::SERVER.as_bytes()) }
}

fn failed(error: ProtocolError) -> Error {
    match error {
        ProtocolError::InvalidLoginError => {
            Error::new(ErrorCode::WrongCredentials, "the address or the password is wrong")
        }
        ProtocolError::LibraryError(_) | ProtocolError::Custom(_) => {
            Error::new(ErrorCode::Internal, "the login protocol failed on this side")
        }
        _ => no_answer(),
    }
}

fn no_answer() -> Error {
    Error::new(ErrorCode::SyncRefused, "the server's answer to the login is none of the protocol's")
}

/// Argon2id, in blocks that are wiped.
#[derive(Default)]
pub(super) struct Stretch;

impl Ksf for Stretch {
    fn hash<L: ArrayLength<u8>>(&self, input: GenericArray<u8, L>) -> Result<GenericArray<u8, L>, InternalError> {
        let mut output = GenericArray::default();
        stretch(&input, &mut output).ok_or(InternalError::KsfError)?;
        Ok(output)
    }
}

fn stretch(input: &[u8], output: &mut [u8]) -> Option<()> {
    let params = Params::new(agreed::MEMORY_KIB, agreed::PASSES, agreed::LANES, Some(output.len())).ok()?;
    let mut blocks = Vec::new();
    blocks.try_reserve_exact(params.block_count()).ok()?;
    blocks.resize(params.block_count(), Block::default());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let outcome = argon2.hash_password_into_with_memory(input, &agreed::SALT, output, &mut blocks);
    blocks.iter_mut().for_each(Zeroize::zeroize);
    outcome.ok()
}

/// Randomness of the system, as the protocol's crate asks for it.
struct System;

impl RngCore for System {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        fill_random(bytes).expect("the system gives random bytes");
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for System {}

#[cfg(test)]
mod tests {
    use opaque_ke::generic_array::typenum::U64 as Length;
    use opaque_ke::{
        CredentialFinalization, CredentialRequest, RegistrationRequest, RegistrationUpload, ServerLogin,
        ServerLoginParameters, ServerRegistration, ServerSetup,
    };

    use super::*;

    const EMAIL: &str = "Anna@Example.test";

    /// What a server does, in memory.
    struct Server(ServerSetup<Suite>, ServerRegistration<Suite>);

    impl Server {
        fn registered(password: &SecretValue) -> (Self, SecretValue) {
            let setup = ServerSetup::<Suite>::new(&mut System);
            let (registration, request) = Registration::start(password).expect("started");
            let request = RegistrationRequest::deserialize(request.as_bytes()).expect("a request");
            let started = ServerRegistration::start(&setup, request, b"account").expect("answered");
            let response = Blob(started.message.serialize().to_vec());
            let (record, export) = registration.finish(password, EMAIL, &response).expect("finished");
            let record = RegistrationUpload::deserialize(record.as_bytes()).expect("a record");
            (Self(setup, ServerRegistration::finish(record)), export)
        }

        fn login(&self, password: &SecretValue, email: &str) -> Result<SecretValue> {
            let (login, request) = Login::start(password)?;
            let request = CredentialRequest::deserialize(request.as_bytes()).expect("a request");
            let identifiers =
                Identifiers { client: Some(b"anna@example.test"), server: Some(agreed::SERVER.as_bytes()) };
            let parameters = || ServerLoginParameters { context: Some(agreed::CONTEXT.as_bytes()), identifiers };
            let record = Some(self.1.clone());
            let started = ServerLogin::start(&mut System, &self.0, record, request, b"account", parameters());
            let started = started.expect("answered");
            let response = Blob(started.message.serialize().to_vec());
            let (finalization, export) = login.finish(password, email, &response)?;
            let finalization = CredentialFinalization::deserialize(finalization.as_bytes()).expect("a finalization");
            started.state.finish(finalization, parameters()).expect("the server agrees");
            Ok(export)
        }
    }

    #[test]
    fn the_right_password_leads_to_the_same_key_and_a_wrong_one_to_none() {
        let password = SecretValue::copy_from(b"correct horse");
        let (server, export) = Server::registered(&password);
        let again = server.login(&password, "anna@example.test").expect("logged in");
        // EXPOSE: the test compares both keys.
        assert_eq!((again.expose(), again.len()), (export.expose(), 64));
        let wrong = server.login(&SecretValue::copy_from(b"correct horsf"), EMAIL).err().expect("refused");
        assert_eq!(wrong.code(), ErrorCode::WrongCredentials);
        let other = server.login(&password, "bert@example.test").err().expect("refused");
        assert_eq!(other.code(), ErrorCode::WrongCredentials);
    }

    #[test]
    fn a_password_is_stretched_as_another_implementation_does() {
        #[derive(serde::Deserialize)]
        struct Case {
            input: String,
            memory_kib: u32,
            passes: u32,
            lanes: u32,
            salt: String,
            output: String,
        }
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../../tests/vectors/sync/stretch.json")).expect("cases");
        assert_eq!(cases.len(), 2);
        for case in cases {
            let agreed = (agreed::MEMORY_KIB, agreed::PASSES, agreed::LANES, hex::encode(agreed::SALT));
            assert_eq!((case.memory_kib, case.passes, case.lanes, case.salt), agreed);
            let input = GenericArray::<u8, Length>::clone_from_slice(&hex::decode(&case.input).expect("hexadecimal"));
            assert_eq!(hex::encode(Stretch.hash(input).expect("stretched")), case.output);
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let password = SecretValue::copy_from(b"correct horse");
        for bytes in [vec![], vec![0; 64], vec![255; 320]] {
            let (registration, _) = Registration::start(&password).expect("started");
            let refused = registration.finish(&password, EMAIL, &Blob(bytes.clone())).err().expect("refused");
            assert_eq!(refused.code(), ErrorCode::SyncRefused);
            let (login, _) = Login::start(&password).expect("started");
            let refused = login.finish(&password, EMAIL, &Blob(bytes)).err().expect("refused");
            assert_eq!(refused.code(), ErrorCode::SyncRefused);
        }
    }
}
