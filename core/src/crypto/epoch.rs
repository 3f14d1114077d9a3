//! The keys of a workspace: one for each span of its chain, and from it one for each project and environment.
//!
//! An epoch's key is sealed to the members with HPKE (RFC 9180, base mode, X25519, HKDF-SHA-256, ChaCha20-Poly1305); a machine is
//! sealed the keys of its scopes alone. The keys of names come from the first epoch, so that an id lasts.

use std::sync::Arc;

use agentsecrets_wire::chain::Seal;
use agentsecrets_wire::{Blob, Hash, PublicKey};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256 as Kem;
use hpke::{Deserializable, OpModeR, OpModeS, Serializable};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::binding::Binding;
use super::device::ReceivingKey;
use super::use_key::SubKey;
use super::{envelope, fill_random};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};
use crate::secret_ref::{Label, SecretName};

const KEY: usize = 32;
const ENCAPSULATED: usize = 32;

/// The key of an epoch.
#[derive(Clone)]
pub(crate) struct EpochKey {
    number: u64,
    key: Arc<SubKey>,
}

/// What gives projects, environments and names their ids; it outlives epochs.
#[derive(Clone)]
pub(crate) struct Names {
    workspace: Uuid,
    key: Arc<SubKey>,
}

/// The key of one project and environment in one epoch, and that of its names.
#[derive(Clone)]
pub(crate) struct ScopeKey {
    epoch: u64,
    scope: Hash,
    key: Arc<SubKey>,
    names: Arc<SubKey>,
}

impl EpochKey {
    /// A new random key.
    pub(crate) fn make(number: u64) -> Result<Self> {
        let mut bytes = SecretBuf::zeroed(KEY);
        fill_random(bytes.as_mut_slice())?;
        Ok(Self { number, key: Arc::new(SubKey::of(bytes.into_value())?) })
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn of(number: u64, bytes: &[u8]) -> Self {
        let key = SubKey::of(SecretValue::copy_from(bytes)).expect("32 bytes");
        Self { number, key: Arc::new(key) }
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.key.bytes()
    }

    /// The digest by which the chain names the key.
    pub(crate) fn commitment(&self, workspace: Uuid) -> Hash {
        let bound = Binding::new("agentsecrets/epoch/1").field(workspace.as_bytes()).field(&self.number.to_le_bytes());
        let mut hasher = Sha256::new();
        hasher.update(bound.field(self.key.bytes()).as_bytes());
        <[u8; 32]>::from(hasher.finalize()).into()
    }

    /// The keys of names, of the first epoch.
    pub(crate) fn names(&self, workspace: Uuid) -> Result<Names> {
        Ok(Names { workspace, key: Arc::new(derive(&self.key, "names", workspace, &[])?) })
    }

    /// The key of a scope in this epoch.
    pub(crate) fn scope(&self, workspace: Uuid, scope: Hash, names: &Names) -> Result<ScopeKey> {
        Ok(ScopeKey {
            epoch: self.number,
            scope,
            key: Arc::new(derive(&self.key, "scope", workspace, scope.as_bytes())?),
            names: Arc::new(derive(&names.key, "scope-names", workspace, scope.as_bytes())?),
        })
    }

    /// The key for what concerns the whole workspace.
    pub(super) fn purpose(&self, purpose: &'static str, workspace: Uuid) -> Result<SubKey> {
        derive(&self.key, purpose, workspace, &[])
    }

    /// The number of the epoch.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Seals the key of the epoch before, for whoever has this one.
    pub(crate) fn seal_previous(&self, workspace: Uuid, previous: &Self) -> Result<Blob> {
        let key = derive(&self.key, "previous", workspace, &[])?;
        envelope::seal(&key, &self.ladder(workspace), previous.key.bytes()).map(Blob)
    }

    /// Opens the key of the epoch before.
    ///
    /// # Errors
    /// `chain_invalid`.
    pub(crate) fn open_previous(&self, workspace: Uuid, sealed: &Blob) -> Result<Self> {
        let key = derive(&self.key, "previous", workspace, &[])?;
        let opened = envelope::open(&key, &self.ladder(workspace), sealed.as_bytes()).map_err(|_| unsealed())?;
        Ok(Self {
            number: self.number.saturating_sub(1),
            key: Arc::new(SubKey::of(opened.into_value()).map_err(|_| unsealed())?),
        })
    }

    fn ladder(&self, workspace: Uuid) -> Binding {
        Binding::new("agentsecrets/previous/1").field(workspace.as_bytes()).field(&self.number.to_le_bytes())
    }

    /// Seals the key to a member or an invitation.
    pub(crate) fn seal_to(&self, workspace: Uuid, recipient: Uuid, key: &PublicKey) -> Result<Seal> {
        seal((workspace, recipient, self.number, None), key, self.key.bytes())
    }
}

impl Names {
    /// The id of a project and environment.
    pub(crate) fn scope(&self, project: Uuid, environment: &Label) -> Result<Hash> {
        let place = Binding::new("agentsecrets/scope/1").field(self.workspace.as_bytes()).field(project.as_bytes());
        Ok(self.key.mac("agentsecrets/scope/1", place.field(environment.as_str().as_bytes()).as_bytes()).into())
    }
}

impl ScopeKey {
    /// The scope.
    pub(crate) fn scope(&self) -> Hash {
        self.scope
    }

    /// The number of the epoch.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&self.key.bytes()[..], self.names.bytes()].concat()
    }

    /// The id of a name.
    pub(crate) fn record_id(&self, name: &SecretName) -> Hash {
        self.names.mac("agentsecrets/record-id/1", name.as_str().as_bytes()).into()
    }

    /// The key for records, the policy or labels.
    pub(super) fn purpose(&self, purpose: &'static str, workspace: Uuid) -> Result<SubKey> {
        derive(&self.key, purpose, workspace, self.scope.as_bytes())
    }

    /// Seals both keys to a machine or its invitation.
    pub(crate) fn seal_to(&self, workspace: Uuid, recipient: Uuid, key: &PublicKey) -> Result<Seal> {
        let mut both = SecretBuf::with_capacity(2 * KEY);
        both.extend(self.key.bytes());
        both.extend(self.names.bytes());
        seal((workspace, recipient, self.epoch, Some(self.scope)), key, both.as_slice())
    }
}

impl ReceivingKey {
    /// Opens an epoch's key.
    ///
    /// # Errors
    /// `chain_invalid` where it was sealed to another, or for another place.
    pub(crate) fn open_epoch(&self, workspace: Uuid, seal: &Seal) -> Result<EpochKey> {
        let opened = open(self, workspace, seal)?;
        Ok(EpochKey { number: seal.epoch, key: Arc::new(SubKey::of(opened).map_err(|_| unsealed())?) })
    }

    /// Opens a scope's keys.
    ///
    /// # Errors
    /// `chain_invalid`.
    pub(crate) fn open_scope(&self, workspace: Uuid, seal: &Seal) -> Result<ScopeKey> {
        let opened = open(self, workspace, seal)?;
        // EXPOSE: two keys are taken apart, each into the type that guards it further.
        let (key, names) = opened.expose().split_at_checked(KEY).ok_or_else(unsealed)?;
        let part = |bytes: &[u8]| SubKey::of(SecretValue::copy_from(bytes)).map(Arc::new).map_err(|_| unsealed());
        let scope = seal.scope.ok_or_else(unsealed)?;
        Ok(ScopeKey { epoch: seal.epoch, scope, key: part(key)?, names: part(names)? })
    }
}

type SealedFor = (Uuid, Uuid, u64, Option<Hash>);

fn seal(place: SealedFor, key: &PublicKey, plain: &[u8]) -> Result<Seal> {
    let (_, recipient, epoch, scope) = place;
    let public = <Kem as hpke::Kem>::PublicKey::from_bytes(key.as_bytes()).map_err(|_| unsealed())?;
    let (encapsulated, ciphertext) = hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, Kem>(
        &OpModeS::Base,
        &public,
        info(place).as_bytes(),
        plain,
        b"",
    )
    .map_err(|_| Error::new(ErrorCode::Internal, "a key cannot be sealed to a member"))?;
    let mut sealed = Vec::with_capacity(ENCAPSULATED + ciphertext.len());
    sealed.extend_from_slice(&encapsulated.to_bytes());
    sealed.extend_from_slice(&ciphertext);
    Ok(Seal { recipient, epoch, scope, sealed: sealed.into() })
}

fn open(key: &ReceivingKey, workspace: Uuid, seal: &Seal) -> Result<SecretValue> {
    let (encapsulated, ciphertext) = seal.sealed.as_bytes().split_at_checked(ENCAPSULATED).ok_or_else(unsealed)?;
    let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| unsealed())?;
    let info = info((workspace, seal.recipient, seal.epoch, seal.scope));
    let opened = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
        &OpModeR::Base,
        &key.private()?,
        &encapsulated,
        info.as_bytes(),
        ciphertext,
        b"",
    )
    .map_err(|_| unsealed())?;
    let opened = zeroize::Zeroizing::new(opened);
    Ok(SecretValue::copy_from(&opened))
}

fn info((workspace, recipient, epoch, scope): SealedFor) -> Binding {
    let bound = Binding::new("agentsecrets/seal/1").field(workspace.as_bytes()).field(recipient.as_bytes());
    let scope = scope.as_ref().map_or(&[][..], |scope| scope.as_bytes());
    bound.field(&epoch.to_le_bytes()).field(scope)
}

fn derive(key: &SubKey, purpose: &'static str, workspace: Uuid, more: &[u8]) -> Result<SubKey> {
    let info = Binding::new("agentsecrets/workspace-key/1").field(purpose.as_bytes()).field(workspace.as_bytes());
    SubKey::expand(key.bytes(), &info.field(more))
}

fn unsealed() -> Error {
    Error::new(ErrorCode::ChainInvalid, "a key of the workspace does not open: it was sealed to another, or altered")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: Uuid = Uuid::from_u128(1);

    fn label(text: &str) -> Label {
        Label::parse(text).expect("a label")
    }

    #[test]
    fn a_key_opens_for_the_one_it_is_sealed_to_and_nowhere_else() {
        let (ben, mallory) = (ReceivingKey::make().expect("random"), ReceivingKey::make().expect("random"));
        let key = EpochKey::make(3).expect("random");
        let seal = key.seal_to(WORKSPACE, Uuid::from_u128(7), &ben.public()).expect("sealed");
        let opened = ben.open_epoch(WORKSPACE, &seal).expect("opens");
        assert_eq!(opened.commitment(WORKSPACE), key.commitment(WORKSPACE));
        assert_ne!(opened.commitment(WORKSPACE), opened.commitment(Uuid::from_u128(2)));
        assert!(mallory.open_epoch(WORKSPACE, &seal).is_err(), "another's key");
        assert!(ben.open_epoch(Uuid::from_u128(2), &seal).is_err(), "another workspace");
        for moved in [
            Seal { recipient: Uuid::from_u128(8), ..seal.clone() },
            Seal { epoch: 4, ..seal.clone() },
            Seal { scope: Some([1; 32].into()), ..seal.clone() },
        ] {
            assert!(ben.open_epoch(WORKSPACE, &moved).is_err(), "{moved:?}");
        }
        for at in 0..seal.sealed.0.len() {
            let mut altered = seal.clone();
            altered.sealed.0[at] ^= 1;
            assert!(ben.open_epoch(WORKSPACE, &altered).is_err(), "byte {at}");
            assert!(
                ben.open_epoch(WORKSPACE, &Seal { sealed: seal.sealed.0[..at].to_vec().into(), ..seal.clone() })
                    .is_err()
            );
        }
    }

    #[test]
    fn what_the_rfc_sealed_opens() {
        #[derive(serde::Deserialize)]
        struct Case {
            secret: String,
            public: String,
            info: String,
            associated: String,
            sealed: String,
            plaintext: String,
        }
        let bytes = |text: &str| hex::decode(text).expect("hexadecimal");
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../../tests/vectors/sync/hpke.json")).expect("cases");
        assert_eq!(cases.len(), 1);
        for case in cases {
            let key = ReceivingKey::from_bytes(&bytes(&case.secret)).expect("32 bytes");
            assert_eq!(key.public().as_bytes()[..], bytes(&case.public));
            let sealed = bytes(&case.sealed);
            let (encapsulated, ciphertext) = sealed.split_at(ENCAPSULATED);
            let opened = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
                &OpModeR::Base,
                &key.private().expect("a key"),
                &<Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated).expect("a point"),
                &bytes(&case.info),
                ciphertext,
                &bytes(&case.associated),
            );
            assert_eq!(opened.expect("opens"), bytes(&case.plaintext));
        }
    }

    #[test]
    fn nothing_is_sealed_to_a_weak_point() {
        let key = EpochKey::make(1).expect("random");
        assert!(key.seal_to(WORKSPACE, Uuid::from_u128(7), &PublicKey::from([0; 32])).is_err());
    }

    #[test]
    fn a_machine_has_the_keys_of_its_scopes_and_ids_last_over_epochs() {
        let (first, second) = (EpochKey::make(1).expect("random"), EpochKey::make(2).expect("random"));
        let names = first.names(WORKSPACE).expect("derived");
        let (project, staging, production) = (Uuid::from_u128(5), label("staging"), label("production"));
        let scope = names.scope(project, &staging).expect("derived");
        assert_ne!(scope, names.scope(project, &production).expect("derived"));
        let (one, two) = (
            first.scope(WORKSPACE, scope, &names).expect("derived"),
            second.scope(WORKSPACE, scope, &names).expect("derived"),
        );
        let name = SecretName::parse("STRIPE_KEY").expect("a name");
        assert_eq!(one.record_id(&name), two.record_id(&name));
        let key = |key: &ScopeKey| *key.purpose("record", WORKSPACE).expect("derived").bytes();
        assert_ne!(key(&one), key(&two));
        let bot = ReceivingKey::make().expect("random");
        let seal = two.seal_to(WORKSPACE, Uuid::from_u128(9), &bot.public()).expect("sealed");
        let opened = bot.open_scope(WORKSPACE, &seal).expect("opens");
        assert_eq!((key(&opened), opened.record_id(&name)), (key(&two), two.record_id(&name)));
    }

    #[test]
    fn an_epoch_opens_the_one_before_and_not_the_one_after() {
        let (first, second) = (EpochKey::make(1).expect("random"), EpochKey::make(2).expect("random"));
        let sealed = second.seal_previous(WORKSPACE, &first).expect("sealed");
        let opened = second.open_previous(WORKSPACE, &sealed).expect("opens");
        assert_eq!((opened.number(), opened.commitment(WORKSPACE)), (1, first.commitment(WORKSPACE)));
        assert!(first.open_previous(WORKSPACE, &sealed).is_err());
        assert!(second.open_previous(Uuid::from_u128(2), &sealed).is_err());
    }
}
