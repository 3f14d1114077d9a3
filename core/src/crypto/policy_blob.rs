//! The policy of a workspace as it stands in the chain: whole for members, and a piece for each scope of a machine.
//!
//! The epoch (u64, little endian), the length of what is sealed whole (u32) and it, and for each scope its hash (32 bytes), the
//! length of its piece (u32) and it, the scopes in ascending order.

use agentsecrets_wire::{Blob, Hash};
use uuid::Uuid;

use super::binding::Binding;
use super::envelope;
use super::epoch::{EpochKey, ScopeKey};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::SecretBuf;

/// Where a policy belongs.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// The workspace.
    pub(crate) workspace: Uuid,
    /// The version that the chain's entry says.
    pub(crate) version: u64,
    /// The epoch whose keys seal it.
    pub(crate) epoch: u64,
}

/// A policy in its parts, still sealed.
pub(crate) struct Container {
    epoch: u64,
    whole: Vec<u8>,
    pieces: Vec<(Hash, Vec<u8>)>,
}

impl Container {
    /// Seals the whole document, without pieces.
    pub(crate) fn seal(key: &EpochKey, place: Place, document: &[u8]) -> Result<Self> {
        let whole = envelope::seal(&key.policy(&place.workspace)?, &binding(place, None), document)?;
        Ok(Self { epoch: place.epoch, whole, pieces: Vec::new() })
    }

    /// Adds what machines of one scope are held to.
    ///
    /// # Errors
    /// `internal` where the scope has a piece.
    pub(crate) fn add(&mut self, keys: &ScopeKey, place: Place, scope: Hash, piece: &[u8]) -> Result<()> {
        let Err(at) = self.pieces.binary_search_by_key(&scope, |(scope, _)| *scope) else {
            return Err(Error::new(ErrorCode::Internal, "a scope has two pieces of one policy"));
        };
        let sealed = envelope::seal(&keys.policy()?, &binding(place, Some(&scope)), piece)?;
        self.pieces.insert(at, (scope, sealed));
        Ok(())
    }

    /// The epoch whose keys open it.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Opens the whole document. The place's epoch is the container's.
    ///
    /// # Errors
    /// `policy_invalid` where it does not open.
    pub(crate) fn open(&self, key: &EpochKey, workspace: Uuid, version: u64) -> Result<SecretBuf> {
        let place = Place { workspace, version, epoch: self.epoch };
        envelope::open(&key.policy(&workspace)?, &binding(place, None), &self.whole).map_err(|_| unopened())
    }

    /// Opens the piece of one scope; none where there is none.
    ///
    /// # Errors
    /// `policy_invalid` where it does not open.
    pub(crate) fn open_piece(
        &self,
        keys: &ScopeKey,
        workspace: Uuid,
        version: u64,
        scope: &Hash,
    ) -> Result<Option<SecretBuf>> {
        let Ok(at) = self.pieces.binary_search_by_key(scope, |(scope, _)| *scope) else { return Ok(None) };
        let place = Place { workspace, version, epoch: self.epoch };
        let opened = envelope::open(&keys.policy()?, &binding(place, Some(scope)), &self.pieces[at].1);
        opened.map(Some).map_err(|_| unopened())
    }

    /// As it stands in the chain.
    pub(crate) fn encode(&self) -> Result<Blob> {
        let mut bytes = self.epoch.to_le_bytes().to_vec();
        append(&mut bytes, &self.whole)?;
        for (scope, piece) in &self.pieces {
            bytes.extend_from_slice(scope.as_bytes());
            append(&mut bytes, piece)?;
        }
        Ok(Blob(bytes))
    }

    /// What [`encode`](Self::encode) wrote, and nothing else.
    ///
    /// # Errors
    /// `policy_invalid` for what is no container.
    pub(crate) fn decode(sealed: &Blob) -> Result<Self> {
        parse(sealed.as_bytes()).ok_or_else(unopened)
    }
}

fn append(bytes: &mut Vec<u8>, part: &[u8]) -> Result<()> {
    let length =
        u32::try_from(part.len()).map_err(|_| Error::new(ErrorCode::PolicyInvalid, "the policy is too long"))?;
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(part);
    Ok(())
}

fn parse(bytes: &[u8]) -> Option<Container> {
    let (epoch, rest) = bytes.split_first_chunk::<8>()?;
    let (whole, mut rest) = counted(rest)?;
    let mut pieces: Vec<(Hash, Vec<u8>)> = Vec::new();
    while !rest.is_empty() {
        let (scope, after) = rest.split_first_chunk::<32>()?;
        let (piece, after) = counted(after)?;
        let scope = Hash::from(*scope);
        if pieces.last().is_some_and(|(last, _)| *last >= scope) {
            return None;
        }
        pieces.push((scope, piece.to_vec()));
        rest = after;
    }
    Some(Container { epoch: u64::from_le_bytes(*epoch), whole: whole.to_vec(), pieces })
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

fn binding(place: Place, scope: Option<&Hash>) -> Binding {
    Binding::new("agentsecrets/shared-policy/1")
        .field(place.workspace.as_bytes())
        .field(&place.version.to_le_bytes())
        .field(&place.epoch.to_le_bytes())
        .field(scope.map_or(&[], |scope| &scope.as_bytes()[..]))
}

fn unopened() -> Error {
    Error::new(ErrorCode::PolicyInvalid, "the policy of the workspace does not open: it was altered, cut or moved")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Uuid = Uuid::from_u128(7);
    const PLACE: Place = Place { workspace: HERE, version: 4, epoch: 1 };

    #[test]
    fn a_policy_opens_in_its_place_for_whom_it_is() {
        let key = EpochKey::make().expect("random");
        let names = key.names(&HERE).expect("derived");
        let [ours, other, third] = ["production", "staging", "test"].map(|it| names.scope(&Uuid::from_u128(3), it));
        let keys = |scope| key.scope(&HERE, &names, scope).expect("derived");
        let mut container = Container::seal(&key, PLACE, b"whole").expect("sealed");
        container.add(&keys(&ours), PLACE, ours, b"ours").expect("sealed");
        container.add(&keys(&other), PLACE, other, b"other").expect("sealed");
        assert!(container.add(&keys(&ours), PLACE, ours, b"again").is_err());
        let encoded = container.encode().expect("short");
        let read = Container::decode(&encoded).expect("a container");
        assert_eq!(read.epoch(), 1);
        assert_eq!(read.open(&key, HERE, 4).expect("opens").as_slice(), b"whole");
        let piece = |keys: &ScopeKey, version, scope| read.open_piece(keys, HERE, version, scope);
        assert_eq!(piece(&keys(&ours), 4, &ours).expect("opens").expect("a piece").as_slice(), b"ours");
        assert!(piece(&keys(&third), 4, &third).expect("nothing to open").is_none());
        assert!(piece(&keys(&ours), 4, &other).is_err() && piece(&keys(&ours), 5, &ours).is_err());
        assert!(read.open(&key, HERE, 5).is_err() && read.open(&key, Uuid::from_u128(8), 4).is_err());
        assert!(read.open(&EpochKey::make().expect("random"), HERE, 4).is_err());
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_found() {
        let key = EpochKey::make().expect("random");
        let encoded = Container::seal(&key, PLACE, b"whole").and_then(|it| it.encode()).expect("sealed");
        let opens =
            |bytes: &[u8]| Container::decode(&Blob(bytes.to_vec())).and_then(|it| it.open(&key, HERE, 4)).is_ok();
        assert!(opens(encoded.as_bytes()));
        for length in 0..encoded.as_bytes().len() {
            assert!(!opens(&encoded.as_bytes()[..length]), "cut to {length}");
        }
        for bit in 0..encoded.as_bytes().len() * 8 {
            let mut altered = encoded.as_bytes().to_vec();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(!opens(&altered), "bit {bit}");
        }
    }
}
