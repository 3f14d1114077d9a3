//! The exchanges that RFC 9807 publishes (appendix C.1), through the very suite that answers here: byte for byte on both sides.

use opaque_ke::rand::{CryptoRng, Error, RngCore};
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialFinalization, CredentialRequest, CredentialResponse, Identifiers, RegistrationRequest,
    RegistrationResponse, RegistrationUpload, ServerLogin, ServerLoginParameters, ServerRegistration,
};
use serde::Deserialize;

use super::{Setup, Suite, parse_setup};

/// An exchange, in hexadecimal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    source: String,
    context: String,
    client_identity: Option<String>,
    server_identity: Option<String>,
    oprf_seed: String,
    credential_identifier: String,
    password: String,
    envelope_nonce: String,
    masking_nonce: String,
    server_private_key: String,
    server_public_key: String,
    server_nonce: String,
    client_nonce: String,
    client_keyshare_seed: String,
    server_keyshare_seed: String,
    blind_registration: String,
    blind_login: String,
    registration_request: String,
    registration_response: String,
    ke1: String,
    export_key: String,
    registration_upload: String,
    ke2: String,
    ke3: String,
    session_key: String,
}

fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../../../tests/vectors/sync/opaque.json")).expect("cases")
}

/// Gives what the RFC drew, and nothing more.
struct Drawn(Vec<u8>);

impl Drawn {
    fn of(parts: &[&str]) -> Self {
        Self(parts.iter().flat_map(|part| hex(part)).collect())
    }
}

impl RngCore for Drawn {
    fn next_u32(&mut self) -> u32 {
        unreachable!("the protocol draws bytes")
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!("the protocol draws bytes")
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0[..bytes.len()]);
        self.0.drain(..bytes.len());
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Drawn {}

/// Half of what is drawn for a scalar, which is reduced: zeroes behind it leave it as it is.
const ZEROES: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl Case {
    fn setup(&self) -> Setup {
        // The last is the key that is shown for addresses without an account, and is drawn by none of this.
        let parts = [&self.oprf_seed, &self.server_private_key, &self.server_public_key];
        parse_setup(&parts.iter().flat_map(|part| hex(part)).collect::<Vec<u8>>()).expect("a setup")
    }

    fn with_identifiers<T>(&self, then: impl FnOnce(Identifiers<'_>) -> T) -> T {
        let (client, server) = (self.client_identity.as_deref().map(hex), self.server_identity.as_deref().map(hex));
        then(Identifiers { client: client.as_deref(), server: server.as_deref() })
    }

    /// A client on its way, and the request it sent.
    fn client(&self) -> ClientLogin<Suite> {
        let mut drawn = Drawn::of(&[&self.blind_login, ZEROES, &self.client_keyshare_seed, &self.client_nonce]);
        let started = ClientLogin::<Suite>::start(&mut drawn, &hex(&self.password)).expect("started");
        assert_eq!((started.message.serialize().to_vec(), drawn.0.len()), (hex(&self.ke1), 0), "{}", self.source);
        started.state
    }

    /// What the client makes of an answer: its last message, the session key and the export key.
    fn finish(&self, ke2: &[u8], password: &[u8]) -> Option<[Vec<u8>; 3]> {
        let response = CredentialResponse::deserialize(ke2).ok()?;
        let context = hex(&self.context);
        let finished = self.with_identifiers(|identifiers| {
            let parameters = ClientLoginFinishParameters::new(Some(&context), identifiers, None);
            self.client().finish(&mut Drawn(Vec::new()), password, response, parameters)
        });
        let finished = finished.ok()?;
        let message = finished.message.serialize().to_vec();
        Some([message, finished.session_key.to_vec(), finished.export_key.to_vec()])
    }

    /// The server on its way, having sent its answer.
    fn server(&self) -> (ServerLogin<Suite>, Vec<u8>) {
        // What an address without an account would be answered with is drawn first, for everybody.
        let mut drawn =
            Drawn::of(&[ZEROES, ZEROES, &self.masking_nonce, &self.server_keyshare_seed, &self.server_nonce]);
        let record = ServerRegistration::<Suite>::deserialize(&hex(&self.registration_upload)).expect("a record");
        let request = CredentialRequest::deserialize(&hex(&self.ke1)).expect("a request");
        let (context, account) = (hex(&self.context), hex(&self.credential_identifier));
        let started = self.with_identifiers(|identifiers| {
            let parameters = ServerLoginParameters { context: Some(&context), identifiers };
            ServerLogin::start(&mut drawn, &self.setup(), Some(record), request, &account, parameters)
        });
        let started = started.expect("answered");
        assert!(drawn.0.is_empty());
        (started.state, started.message.serialize().to_vec())
    }

    fn accepts(&self, ke3: &[u8]) -> Option<Vec<u8>> {
        let finalization = CredentialFinalization::deserialize(ke3).ok()?;
        let context = hex(&self.context);
        let finished = self.with_identifiers(|identifiers| {
            self.server().0.finish(finalization, ServerLoginParameters { context: Some(&context), identifiers })
        });
        Some(finished.ok()?.session_key.to_vec())
    }
}

#[test]
fn the_registrations_of_the_rfc_are_made_byte_for_byte() {
    assert_eq!(cases().len(), 2);
    for case in cases() {
        let password = hex(&case.password);
        let mut drawn = Drawn::of(&[&case.blind_registration, ZEROES]);
        let client = ClientRegistration::<Suite>::start(&mut drawn, &password).expect("started");
        assert_eq!(client.message.serialize().to_vec(), hex(&case.registration_request), "{}", case.source);
        let request = RegistrationRequest::deserialize(&hex(&case.registration_request)).expect("a request");
        let account = hex(&case.credential_identifier);
        let answered = ServerRegistration::<Suite>::start(&case.setup(), request, &account).expect("answered");
        assert_eq!(answered.message.serialize().to_vec(), hex(&case.registration_response), "{}", case.source);
        let response = RegistrationResponse::deserialize(&hex(&case.registration_response)).expect("an answer");
        let mut drawn = Drawn::of(&[&case.envelope_nonce]);
        let finished = case.with_identifiers(|identifiers| {
            let parameters = ClientRegistrationFinishParameters::new(identifiers, None);
            client.state.finish(&mut drawn, &password, response, parameters)
        });
        let finished = finished.expect("finished");
        assert_eq!(finished.message.serialize().to_vec(), hex(&case.registration_upload), "{}", case.source);
        assert_eq!(finished.export_key.to_vec(), hex(&case.export_key), "{}", case.source);
        let upload = RegistrationUpload::<Suite>::deserialize(&hex(&case.registration_upload)).expect("a record");
        assert_eq!(ServerRegistration::finish(upload).serialize().to_vec(), hex(&case.registration_upload));
    }
}

#[test]
fn the_logins_of_the_rfc_are_made_byte_for_byte() {
    for case in cases() {
        assert_eq!(case.server().1, hex(&case.ke2), "{}", case.source);
        let [message, session, export] = case.finish(&hex(&case.ke2), &hex(&case.password)).expect("logged in");
        let expected = (hex(&case.ke3), hex(&case.session_key), hex(&case.export_key));
        assert_eq!((message, session, export), expected, "{}", case.source);
        assert_eq!(case.accepts(&hex(&case.ke3)), Some(hex(&case.session_key)), "{}", case.source);
    }
}

#[test]
fn no_login_of_the_rfc_holds_with_one_byte_altered() {
    for case in cases() {
        let (ke2, ke3, password) = (hex(&case.ke2), hex(&case.ke3), hex(&case.password));
        for at in 0..ke2.len() {
            let mut altered = ke2.clone();
            altered[at] ^= 1;
            assert!(case.finish(&altered, &password).is_none(), "{}, byte {at} of the answer", case.source);
        }
        for at in 0..ke3.len() {
            let mut altered = ke3.clone();
            altered[at] ^= 1;
            assert!(case.accepts(&altered).is_none(), "{}, byte {at} of the proof", case.source);
        }
        assert!(case.finish(&ke2, b"CorrectHorseBatteryStaplf").is_none(), "{}", case.source);
    }
    let [one, other] = [&cases()[0], &cases()[1]];
    assert!(one.accepts(&hex(&other.ke3)).is_none() && one.finish(&hex(&other.ke2), &hex(&one.password)).is_none());
}
