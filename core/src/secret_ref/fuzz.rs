//! Attacks on names: of secrets, of places, of agents, and in a stranger's project file.

use super::{Label, SecretName, SecretRef};
use crate::context::{ProjectFile, Selection};
use crate::fuzz::{Input, Target};

/// A name prints as it is read, and what is none is never repeated: it may be a value pasted in the wrong place.
pub(crate) const NAMES: Target = Target { name: "names", attack: names, seeds, words: WORDS };

const WORDS: &[&str] = &["agentsecrets://", "/", "{}", "KEY", "\"project\":", "\"environment\":", "\"agent_token\":"];

fn names(data: &[u8]) {
    let mut input = Input::new(data);
    let (text, pattern) = (input.text(), input.text());
    match SecretRef::new(text) {
        Ok(secret) => {
            assert_eq!(secret.to_string(), text);
            if let Ok(formatted) = secret.format(pattern) {
                assert_eq!(formatted.pattern().as_deref(), Some(pattern));
            }
            if let Ok(placeholder) = secret.placeholder_like(pattern) {
                let found = crate::call::placeholder::find(placeholder.as_bytes()).expect("it is found");
                assert_eq!((found.start, found.end, &found.name), (0, placeholder.len(), secret.name()));
            }
        }
        // Four letters stand in some message or hint sooner or later.
        Err(why) => assert!(text.len() < 41 || !format!("{why} {why:?}").contains(text), "what is no name is repeated"),
    }
    if let Some(nearest) = SecretName::nearest(text) {
        assert_eq!(SecretName::parse(nearest.as_str()).expect("a legal name"), nearest);
    }
    if let Ok(label) = Label::parse(text) {
        assert!(label.as_str() == text && !text.contains(['/', '\\', '\0']) && text != ".." && text != ".");
    }
    if let Ok(file) = serde_json::from_slice::<ProjectFile>(data) {
        assert!(Label::parse(file.project.as_str()).is_ok());
    }
    if let Ok(selection) = serde_json::from_slice::<Selection>(data) {
        let written = serde_json::to_vec(&selection).expect("names are JSON");
        assert_eq!(serde_json::from_slice::<Selection>(&written).expect("what was written"), selection);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "KEY\0Bot {}",
        "payments/production/KEY\0sk-",
        "agentsecrets://w/p/e/NAME_1\0{}{}",
        "stripe-key\0",
        r#"{"project":"shop","environment":"staging","later":1}"#,
        r#"{"project":"shop","proposal":{"directory":"/x","project":"a"},"agent_token":"t"}"#,
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
