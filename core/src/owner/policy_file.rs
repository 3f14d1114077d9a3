//! The signed policy on disk, and the pin that says which one was seen last.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::crypto::{Binding, OwnerKey, OwnerPublic, Purpose, UseKey, envelope};
use crate::error::{Error, ErrorCode, Result};
use crate::home::{Home, HomeConfig};
use crate::policy::Document;
use crate::store::atomic;

/// The largest policy that is read: about ten thousand grants.
const MAX_POLICY: u64 = 16 << 20;
const DOMAIN: &str = "agentsecrets/policy/1";

/// `policy.json`: the signature, and the very bytes it is over.
#[derive(Serialize, Deserialize)]
struct Signed<'a> {
    signature: String,
    #[serde(borrow)]
    document: &'a RawValue,
}

/// Reads the policy and verifies its signature.
///
/// # Errors
/// `policy_invalid` where it is missing, unsigned, altered, or another home's.
pub(crate) fn load(home: &Home, config: &HomeConfig) -> Result<Document> {
    let bytes =
        atomic::read_private(&home.file("policy.json"), MAX_POLICY)?.ok_or_else(|| invalid("there is no policy"))?;
    verify(&bytes, config)
}

/// Verifies the bytes of a policy file.
///
/// # Errors
/// Those of [`load`].
pub(super) fn verify(bytes: &[u8], config: &HomeConfig) -> Result<Document> {
    let signed: Signed<'_> = serde_json::from_slice(bytes).map_err(|_| invalid("the policy is not readable"))?;
    let signature =
        URL_SAFE_NO_PAD.decode(&signed.signature).map_err(|_| invalid("the policy's signature is not readable"))?;
    let document = signed.document.get().as_bytes();
    if !policy_key(config)?.verify(DOMAIN, document, &signature) {
        return Err(invalid("the policy is not signed by this home's owner"));
    }
    let document = Document::parse(document)?;
    if document.home != config.id {
        return Err(invalid("the policy is another home's"));
    }
    Ok(document)
}

/// Signs the policy and puts it in place of the old one.
pub(crate) fn save(home: &Home, owner: &OwnerKey, document: &Document) -> Result<()> {
    let text = String::from_utf8(document.to_bytes()).map_err(|_| invalid("the policy is not text"))?;
    let signature = URL_SAFE_NO_PAD.encode(owner.sign(DOMAIN, text.as_bytes()));
    let raw = RawValue::from_string(text).map_err(|_| invalid("the policy is not JSON"))?;
    let bytes =
        serde_json::to_vec(&Signed { signature, document: &raw }).map_err(|_| invalid("the policy is not JSON"))?;
    atomic::write(&home.file("policy.json"), &bytes)
}

/// The key that signs this home's policy.
pub(crate) fn policy_key(config: &HomeConfig) -> Result<OwnerPublic> {
    let bytes =
        URL_SAFE_NO_PAD.decode(&config.policy_key).map_err(|_| invalid("the owner's public key is not readable"))?;
    OwnerPublic::from_bytes(&bytes)
}

/// What the holder of the use key remembers: whoever rewrites the home's files cannot rewrite this.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Pin {
    policy_key: String,
    serial: u64,
}

/// Refuses a policy that is older than one seen before or signed by another key, and remembers a newer one.
///
/// # Errors
/// `policy_invalid`, also where the pin is missing.
pub(crate) fn check_pin(home: &Home, config: &HomeConfig, use_key: &UseKey, document: &Document) -> Result<()> {
    let sealed =
        atomic::read_private(&home.file("pin.sealed"), 4096)?.ok_or_else(|| invalid("the policy's pin is missing"))?;
    let key = use_key.derive(Purpose::Pin, config.id.as_bytes())?;
    let opened =
        envelope::open(&key, &binding(config), &sealed).map_err(|_| invalid("the policy's pin does not open"))?;
    let pin: Pin =
        serde_json::from_slice(opened.as_slice()).map_err(|_| invalid("the policy's pin is not readable"))?;
    if pin.policy_key != config.policy_key {
        return Err(invalid("the policy's key is not the one this home was made with"));
    }
    if document.serial < pin.serial {
        return Err(invalid("the policy is older than one that was seen before"));
    }
    if document.serial > pin.serial {
        write_pin(home, config, use_key, document)?;
    }
    Ok(())
}

/// Remembers a policy as the newest.
pub(crate) fn write_pin(home: &Home, config: &HomeConfig, use_key: &UseKey, document: &Document) -> Result<()> {
    let pin = Pin { policy_key: config.policy_key.clone(), serial: document.serial };
    let key = use_key.derive(Purpose::Pin, config.id.as_bytes())?;
    let text = serde_json::to_vec(&pin).map_err(|_| invalid("the pin cannot be written"))?;
    atomic::write(&home.file("pin.sealed"), &envelope::seal(&key, &binding(config), &text)?)
}

fn binding(config: &HomeConfig) -> Binding {
    Binding::new("agentsecrets/pin/1").field(config.id.as_bytes())
}

fn invalid(why: &'static str) -> Error {
    Error::new(ErrorCode::PolicyInvalid, why)
}
