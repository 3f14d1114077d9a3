//! Keys sealed to their recipients: HPKE (RFC 9180) in base mode, over X25519, HKDF-SHA256 and ChaCha20-Poly1305.
//!
//! The encapsulated key (32 bytes), ciphertext, tag (16 bytes). Who is meant is in the `info`, so that a seal opens nowhere else.

use agentsecrets_wire::chain::{Epoch, Seal, State};
use agentsecrets_wire::{Blob, Hash, PublicKey};
use hpke::aead::{AeadTag, ChaCha20Poly1305};
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256 as X25519;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use uuid::Uuid;

use super::binding::Binding;
use super::epoch::{EpochKey, NameKey, ScopeKey};
use super::make_secret;
use super::use_key::SubKey;
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};

const KEY: usize = 32;
const TAG: usize = 16;

/// The secret half of what others seal to (X25519, RFC 7748), in guarded memory.
pub(crate) struct ReceivingKey(SecretValue);

impl ReceivingKey {
    /// A new random key.
    pub(crate) fn make() -> Result<Self> {
        make_secret().map(Self)
    }

    /// A key from its bytes, which the caller wipes.
    ///
    /// # Errors
    /// `store_corrupted` where they are not 32.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() == KEY {
            return Ok(Self(SecretValue::copy_from(bytes)));
        }
        Err(Error::new(ErrorCode::StoreCorrupted, "a receiving key is not 32 bytes long"))
    }

    /// A key that was derived.
    pub(super) fn from_derived(key: &SubKey) -> Self {
        Self(SecretValue::copy_from(key.bytes()))
    }

    /// The bytes, to be sealed.
    pub(crate) fn bytes(&self) -> &[u8; KEY] {
        // EXPOSE: the type guards the key further; it is sealed, or opens what was sealed to it.
        self.0.expose().try_into().expect("a receiving key is 32 bytes long")
    }

    /// The public half.
    pub(crate) fn public(&self) -> Result<PublicKey> {
        let public: [u8; KEY] = X25519::sk_to_pk(&self.secret()?).to_bytes().into();
        Ok(PublicKey::from(public))
    }

    /// Opens the key of an epoch, sealed to this recipient; the chain says which key it has to be.
    ///
    /// # Errors
    /// `chain_invalid` where it does not open, or the chain promised another.
    pub(crate) fn open_epoch(&self, workspace: &Uuid, seal: &Seal, promised: &Hash) -> Result<EpochKey> {
        let info = info(workspace, &seal.recipient, seal.epoch, seal.scope.as_ref());
        let opened = self.open(info.as_bytes(), &[], &seal.sealed)?;
        let key = EpochKey::from_bytes(opened.as_slice())?;
        key.check(workspace, seal.epoch, promised)?;
        Ok(key)
    }

    /// Opens the keys of a scope, sealed to this machine.
    ///
    /// # Errors
    /// `chain_invalid` where they do not open.
    pub(crate) fn open_scope(&self, workspace: &Uuid, seal: &Seal) -> Result<ScopeKey> {
        let info = info(workspace, &seal.recipient, seal.epoch, seal.scope.as_ref());
        let opened = self.open(info.as_bytes(), &[], &seal.sealed)?;
        ScopeKey::from_bytes(opened.as_slice())
    }

    fn open(&self, info: &[u8], associated: &[u8], sealed: &Blob) -> Result<SecretBuf> {
        let (encapsulated, rest) = sealed.as_bytes().split_first_chunk::<KEY>().ok_or_else(unopened)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG>().ok_or_else(unopened)?;
        let encapsulated = <X25519 as Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| unopened())?;
        let tag = AeadTag::<ChaCha20Poly1305>::from_bytes(tag).map_err(|_| unopened())?;
        let mut buffer = SecretBuf::with_capacity(ciphertext.len());
        buffer.extend(ciphertext);
        hpke::single_shot_open_inout_detached::<ChaCha20Poly1305, HkdfSha256, X25519>(
            &OpModeR::Base,
            &self.secret()?,
            &encapsulated,
            info,
            buffer.as_mut_slice().into(),
            associated,
            &tag,
        )
        .map_err(|_| unopened())?;
        Ok(buffer)
    }

    fn secret(&self) -> Result<<X25519 as Kem>::PrivateKey> {
        <X25519 as Kem>::PrivateKey::from_bytes(self.bytes())
            .map_err(|_| Error::new(ErrorCode::StoreCorrupted, "a receiving key is none"))
    }
}

/// Seals the key of an epoch to a member or an invitation.
pub(crate) fn seal_epoch(workspace: &Uuid, number: u64, key: &EpochKey, to: (&Uuid, &PublicKey)) -> Result<Seal> {
    let sealed = seal(&info(workspace, to.0, number, None), key.bytes(), to.1)?;
    Ok(Seal { recipient: *to.0, epoch: number, scope: None, sealed })
}

/// Seals the keys of a scope to a machine or its invitation.
pub(crate) fn seal_scope(
    workspace: &Uuid,
    (number, scope): (u64, &Hash),
    keys: &ScopeKey,
    to: (&Uuid, &PublicKey),
) -> Result<Seal> {
    let sealed = seal(&info(workspace, to.0, number, Some(scope)), keys.to_bytes().as_slice(), to.1)?;
    Ok(Seal { recipient: *to.0, epoch: number, scope: Some(*scope), sealed })
}

/// The next epoch of a workspace, sealed to exactly those whom its rules ask for: all who are there or invited, without
/// `leaver` and whom the leaver invited. `keys` are the new epoch's and the one's before.
pub(crate) fn next_epoch(
    state: &State,
    names: &NameKey,
    (key, current): (&EpochKey, &EpochKey),
    leaver: Option<&Uuid>,
) -> Result<Epoch> {
    let (workspace, number) = (state.workspace(), state.epoch() + 1);
    let stays = |id: &Uuid| leaver != Some(id);
    let members = state.members().filter(|(id, _)| stays(id));
    let members = members.map(|(id, member)| (id, &member.receiving, member.scopes.as_slice()));
    let invited = state.invites().filter(|(_, invited)| stays(&invited.by));
    let invited = invited.map(|(id, it)| (id, &it.invite.receiving, it.invite.scopes.as_slice()));
    let mut seals = Vec::new();
    for (id, receiving, scopes) in members.chain(invited) {
        if scopes.is_empty() {
            seals.push(seal_epoch(&workspace, number, key, (id, receiving))?);
        }
        for scope in scopes {
            let keys = key.scope(&workspace, names, scope)?;
            seals.push(seal_scope(&workspace, (number, scope), &keys, (id, receiving))?);
        }
    }
    let previous = Some(key.seal_previous(&workspace, number, current)?);
    Ok(Epoch { number, commitment: key.commitment(&workspace, number), previous, seals })
}

fn seal(info: &Binding, plaintext: &[u8], to: &PublicKey) -> Result<Blob> {
    let key = <X25519 as Kem>::PublicKey::from_bytes(to.as_bytes()).map_err(|_| unsealed())?;
    let mut sealed = vec![0; KEY];
    sealed.reserve_exact(plaintext.len() + TAG);
    sealed.extend_from_slice(plaintext);
    let (encapsulated, tag) = hpke::single_shot_seal_inout_detached::<ChaCha20Poly1305, HkdfSha256, X25519>(
        &OpModeS::Base,
        &key,
        info.as_bytes(),
        (&mut sealed[KEY..]).into(),
        &[],
    )
    .map_err(|_| {
        zeroize::Zeroize::zeroize(&mut sealed);
        unsealed()
    })?;
    sealed[..KEY].copy_from_slice(&encapsulated.to_bytes());
    sealed.extend_from_slice(&tag.to_bytes());
    Ok(Blob(sealed))
}

fn info(workspace: &Uuid, recipient: &Uuid, epoch: u64, scope: Option<&Hash>) -> Binding {
    let info = Binding::new("agentsecrets/seal/1").field(workspace.as_bytes()).field(recipient.as_bytes());
    info.field(&epoch.to_le_bytes()).field(scope.map_or(&[], |scope| &scope.as_bytes()[..]))
}

fn unopened() -> Error {
    Error::new(ErrorCode::ChainInvalid, "a key that was sealed to this member does not open")
}

fn unsealed() -> Error {
    Error::new(ErrorCode::ChainInvalid, "nothing can be sealed to the key of a member: it is none")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Uuid = Uuid::from_u128(7);
    const MEMBER: Uuid = Uuid::from_u128(9);

    #[test]
    fn an_epoch_opens_for_whom_it_was_sealed_and_nowhere_else() {
        let (ours, other) = (ReceivingKey::make().expect("random"), ReceivingKey::make().expect("random"));
        let key = EpochKey::make().expect("random");
        let promised = key.commitment(&HERE, 2);
        let public = ours.public().expect("a key");
        let seal = seal_epoch(&HERE, 2, &key, (&MEMBER, &public)).expect("sealed");
        assert_eq!(ours.open_epoch(&HERE, &seal, &promised).expect("opens").bytes(), key.bytes());
        let moved = |change: fn(&mut Seal)| {
            let mut seal = seal.clone();
            change(&mut seal);
            ours.open_epoch(&HERE, &seal, &promised)
        };
        let refused = [
            other.open_epoch(&HERE, &seal, &promised),
            ours.open_epoch(&Uuid::from_u128(8), &seal, &promised),
            ours.open_epoch(&HERE, &seal, &key.commitment(&HERE, 3)),
            moved(|seal| seal.epoch = 3),
            moved(|seal| seal.recipient = Uuid::from_u128(1)),
            moved(|seal| seal.scope = Some(Hash::from([0; 32]))),
        ];
        for refused in refused {
            assert_eq!(refused.err().expect("refused").code(), ErrorCode::ChainInvalid);
        }
    }

    #[test]
    fn every_cut_and_every_flipped_bit_of_a_seal_is_found() {
        let ours = ReceivingKey::make().expect("random");
        let key = EpochKey::make().expect("random");
        let public = ours.public().expect("a key");
        let seal = seal_epoch(&HERE, 1, &key, (&MEMBER, &public)).expect("sealed");
        let info = info(&HERE, &MEMBER, 1, None);
        assert!(ours.open(info.as_bytes(), &[], &seal.sealed).is_ok());
        let bytes = seal.sealed.as_bytes();
        for length in 0..bytes.len() {
            assert!(ours.open(info.as_bytes(), &[], &Blob(bytes[..length].to_vec())).is_err(), "cut to {length}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.to_vec();
            altered[bit / 8] ^= 1 << (bit % 8);
            let opened = ours.open(info.as_bytes(), &[], &Blob(altered));
            // X25519 ignores the highest bit of a point, and HPKE binds the bytes as they were sent.
            assert!(opened.is_err(), "bit {bit}");
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
            assert_eq!(key.public().expect("a key").as_bytes()[..], bytes(&case.public));
            let opened = key.open(&bytes(&case.info), &bytes(&case.associated), &Blob(bytes(&case.sealed)));
            assert_eq!(opened.expect("opens").as_slice(), bytes(&case.plaintext));
        }
    }

    #[test]
    fn nothing_is_sealed_to_a_weak_point() {
        let key = EpochKey::make().expect("random");
        let weak = PublicKey::from([0; 32]);
        assert!(seal_epoch(&HERE, 1, &key, (&MEMBER, &weak)).is_err());
    }

    #[test]
    fn a_scope_opens_for_its_machine_in_its_epoch() {
        let ours = ReceivingKey::make().expect("random");
        let key = EpochKey::make().expect("random");
        let names = key.names(&HERE).expect("derived");
        let scope = names.scope(&Uuid::from_u128(3), "production");
        let keys = key.scope(&HERE, &names, &scope).expect("derived");
        let public = ours.public().expect("a key");
        let seal = seal_scope(&HERE, (1, &scope), &keys, (&MEMBER, &public)).expect("sealed");
        let opened = ours.open_scope(&HERE, &seal).expect("opens");
        assert_eq!(opened.to_bytes().as_slice(), keys.to_bytes().as_slice());
        let other = Seal { scope: Some(names.scope(&Uuid::from_u128(3), "staging")), ..seal.clone() };
        assert!(ours.open_scope(&HERE, &other).is_err());
        assert!(ours.open_epoch(&HERE, &seal, &key.commitment(&HERE, 1)).is_err());
    }
}
