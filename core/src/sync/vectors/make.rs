//! Makes the vectors that there are not yet. What was frozen once is never made again.

use std::collections::BTreeMap;
use std::path::Path;

use agentsecrets_wire::chain::State;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha512};
use uuid::Uuid;

use super::{Cast, Hex, Invitation, Is, Person, Then};

const SEED: &str = "agentsecrets sync vectors 1";

/// So many bytes of a name: the beginning of the SHA-512 of the seed, a slash and the name.
fn bytes(name: &str, count: usize) -> Hex {
    Hex(Sha512::digest(format!("{SEED}/{name}"))[..count].to_vec())
}

fn id(name: &str) -> Uuid {
    Uuid::from_slice(&bytes(name, 16).0).expect("16 bytes")
}

/// Everybody, out of the seed.
pub(super) fn cast() -> Cast {
    let person = |name: &str| {
        let key = |of: &str| bytes(&format!("{name}/{of}"), 32);
        let machine = name == "robot";
        let signing = if machine { key("device") } else { key("signing") };
        let [account, device] = ["account", "device id"].map(|what| id(&format!("{name}/{what}")));
        let person = Person { account, signing, receiving: key("receiving"), device, device_key: key("device") };
        (name.to_owned(), person)
    };
    let invitation = |name: &str| {
        let (id, secret) = (id(&format!("invitation {name}/id")), bytes(&format!("invitation {name}/secret"), 32));
        (name.to_owned(), Invitation { id, secret })
    };
    Cast {
        about:
            "The keys of every other file here. They are made of the seed, are known to everybody, and protect nothing."
                .to_owned(),
        seed: SEED.to_owned(),
        workspace: id("workspace"),
        project: id("project"),
        server: "https://secrets.example.com".to_owned(),
        people: ["anna", "ben", "robot"].map(person).into(),
        laptop: id("laptop/device id"),
        laptop_key: bytes("laptop/device", 32),
        epochs: ["epoch 1", "epoch 2", "epoch 3"].map(|name| bytes(name, 32)).into(),
        invitations: ["ben", "robot", "cora"].map(invitation).into(),
        recovery: bytes("recovery", 20),
        export: bytes("export", 64),
        owner: bytes("owner", 32),
    }
}

/// Who is who.
pub(super) fn then(state: &State) -> Then {
    let is = |(id, member): (&Uuid, &agentsecrets_wire::chain::Joined)| {
        (*id, Is { role: member.role, scopes: member.scopes.clone() })
    };
    Then {
        epoch: state.epoch(),
        commitment: state.commitment(state.epoch()).expect("an epoch"),
        policy: state.policy(),
        members: state.members().map(is).collect::<BTreeMap<_, _>>(),
        devices: state.devices().map(|(id, _)| *id).collect(),
        invites: state.invites().map(|(id, _)| *id).collect(),
    }
}

/// What a file has, or what it is given where it is empty.
fn frozen<T: Serialize + DeserializeOwned>(name: &str, make: impl FnOnce() -> T) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/sync").join(name);
    let text = std::fs::read_to_string(&path).expect("the file");
    if let Ok(found) = serde_json::from_str(&text) {
        return found;
    }
    assert!(text.is_empty(), "{name} is frozen, and does not read");
    let made = make();
    std::fs::write(&path, serde_json::to_string_pretty(&made).expect("plain data") + "\n").expect("written");
    made
}

#[test]
#[ignore = "writes the vectors whose files are empty"]
fn make_what_is_missing() {
    let cast = frozen("cast.json", cast);
    let chain = frozen("chain.json", || super::chain::make(&cast));
    frozen("records.json", || super::records::make(&cast, &chain));
    frozen("opened.json", || super::opened::make(&cast, &chain));
    frozen("codes.json", || super::codes::make(&cast, &chain));
    frozen("account.json", || super::account::make(&cast));
    frozen("proofs.json", || super::proofs::make(&cast));
}

#[test]
fn the_keys_are_those_of_the_seed() {
    let frozen: Cast = super::file!("cast.json");
    assert_eq!(frozen, cast());
}
