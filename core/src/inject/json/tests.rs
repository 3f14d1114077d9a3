//! Random texts and paths against a reader that builds a tree.

use proptest::prelude::*;

use super::*;

/// JSON with its duplicate keys, order and spellings.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    /// Anything without parts, as it is spelled.
    Scalar(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

const KEYS: [&str; 6] = ["a", "b", "key", "0", "-", "é"];

fn spelled_key(name: &str, spelling: u8) -> String {
    match spelling % 3 {
        0 => name.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect(),
        1 => name.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect(),
        _ => name.to_owned(),
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let scalars = prop::sample::select(vec![
        "1e400",
        "1.0",
        "-0",
        "10000000000000000001",
        "0.10E-7",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\\\"]}\"",
        "\"\\ud800\"",
        "\"\\\\\"",
        "\"é,:[{\"",
    ]);
    let leaf = scalars.prop_map(|text| Tree::Scalar(text.to_owned()));
    leaf.prop_recursive(5, 40, 5, |inner| {
        let key = prop::sample::select(KEYS.to_vec()).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Tree::Array),
            prop::collection::vec((key, inner), 0..5).prop_map(Tree::Object),
        ]
    })
}

/// Writes a tree with arbitrary space and arbitrary spellings of keys.
fn write(tree: &Tree, noise: &mut impl Iterator<Item = u8>, text: &mut String) {
    let space = |text: &mut String, noise: &mut dyn Iterator<Item = u8>| {
        for _ in 0..noise.next().unwrap_or(0) % 3 {
            text.push([' ', '\n', '\t', '\r'][usize::from(noise.next().unwrap_or(0) % 4)]);
        }
    };
    space(text, noise);
    match tree {
        Tree::Scalar(scalar) => text.push_str(scalar),
        Tree::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                write(item, noise, text);
            }
            space(text, noise);
            text.push(']');
        }
        Tree::Object(members) => {
            text.push('{');
            for (index, (name, value)) in members.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                space(text, noise);
                let spelling = noise.next().unwrap_or(2);
                text.push_str(&format!("\"{}\"", spelled_key(name, spelling)));
                space(text, noise);
                text.push(':');
                write(value, noise, text);
            }
            space(text, noise);
            text.push('}');
        }
    }
    space(text, noise);
}

/// Reads a text back by recursion, with `serde_json`'s raw values for everything below and no scanner of ours.
fn read(text: &str) -> Tree {
    use serde::de::{MapAccess, SeqAccess, Visitor};
    use serde_json::value::RawValue;
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, Box<RawValue>)>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    struct Items;
    impl<'de> Visitor<'de> for Items {
        type Value = Vec<Box<RawValue>>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an array")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = seq.next_element()? {
                items.push(item);
            }
            Ok(items)
        }
    }
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    let mut reader = serde_json::Deserializer::from_str(text);
    match text.as_bytes()[0] {
        b'{' => {
            let members = serde::Deserializer::deserialize_map(&mut reader, Members).expect("an object");
            Tree::Object(members.into_iter().map(|(name, value)| (name, read(value.get()))).collect())
        }
        b'[' => {
            let items = serde::Deserializer::deserialize_seq(&mut reader, Items).expect("an array");
            Tree::Array(items.into_iter().map(|value| read(value.get())).collect())
        }
        _ => Tree::Scalar(text.to_owned()),
    }
}

/// What setting a field means, on the tree. `None` where it must be refused.
fn set(tree: &Tree, path: &[String], value: &str) -> Option<Tree> {
    let Some((segment, rest)) = path.split_first() else { return Some(Tree::Scalar(value.to_owned())) };
    let empty = || Tree::Object(Vec::new());
    match tree {
        Tree::Scalar(_) => None,
        Tree::Array(items) => {
            let mut items = items.clone();
            if segment == "-" {
                items.push(set(&empty(), rest, value)?);
            } else {
                // RFC 6901, section 4: no sign, and no zero before another digit.
                let is_index = segment == "0" || segment.starts_with(|first: char| matches!(first, '1'..='9'));
                let index: usize = segment.parse().ok().filter(|_| is_index)?;
                let item = items.get_mut(index)?;
                *item = set(item, rest, value)?;
            }
            Some(Tree::Array(items))
        }
        Tree::Object(members) => {
            let mut members = members.clone();
            match members.iter().filter(|(name, _)| name == segment).count() {
                0 => members.push((segment.clone(), set(&empty(), rest, value)?)),
                1 => {
                    let member = members.iter_mut().find(|(name, _)| name == segment)?;
                    member.1 = set(&member.1, rest, value)?;
                }
                _ => return None,
            }
            Some(Tree::Object(members))
        }
    }
}

/// Paths that often lead somewhere.
fn paths() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        4 => prop::sample::select(KEYS.to_vec()).prop_map(str::to_owned),
        2 => (0_usize..4).prop_map(|index| index.to_string()),
        1 => "[a-z~01/\"\\\\]{0,4}".prop_map(|text: String| text.replace('~', "~0").replace('/', "~1")),
    ];
    prop::collection::vec(segment, 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn edited(text: &[u8], edit: &Edit, literal: &[u8]) -> Vec<u8> {
    let mut edited = text[..edit.place.start].to_vec();
    edited.extend_from_slice(edit.before.as_bytes());
    edited.extend_from_slice(literal);
    edited.extend_from_slice(edit.after.as_bytes());
    edited.extend_from_slice(&text[edit.place.end..]);
    edited
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_sets_the_field_and_nothing_else(
        tree in trees(), noise in prop::collection::vec(any::<u8>(), 0..200), path in paths(), value in ".{0,12}",
    ) {
        let mut text = String::new();
        write(&tree, &mut noise.into_iter(), &mut text);
        let path = FieldPath::parse(&path).expect("a pointer");
        let literal = string_literal(&value);
        prop_assert_eq!(serde_json::from_slice::<String>(&literal).expect("a string"), value);
        let literal_text = std::str::from_utf8(&literal).expect("text");
        match (locate(text.as_bytes(), &path), set(&tree, path.segments(), literal_text)) {
            (Ok(edit), Some(expected)) => {
                prop_assert!(edit.place.is_empty() || (edit.before.is_empty() && edit.after.is_empty()));
                let edited = edited(text.as_bytes(), &edit, &literal);
                prop_assert_eq!(read(std::str::from_utf8(&edited).expect("text")), expected);
            }
            (Err(error), None) => prop_assert_eq!(error.code(), ErrorCode::InvalidCall),
            (found, expected) => prop_assert!(
                false, "{text:?} at {path}: {:?} but {expected:?}", found.map(|edit| edit.place)
            ),
        }
    }

    #[test]
    fn it_takes_what_a_strict_reader_takes(bytes in prop::collection::vec(
        prop::sample::select(b"{}[]\",:\\/ \n0123.eE+-untrfalsb\xc3\xa9\x00\x1f".to_vec()), 0..24,
    )) {
        let ours = scan::check(&bytes).is_ok();
        // `IgnoredAny` builds nothing, so numbers out of range and half surrogates pass, as they do here.
        let theirs = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
        let strict = std::str::from_utf8(&bytes).is_ok() && theirs;
        prop_assert_eq!(ours, strict, "{}", bytes.escape_ascii());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), path in paths()) {
        let path = FieldPath::parse(&path).expect("a pointer");
        if let Ok(edit) = locate(&bytes, &path) {
            prop_assert!(edit.place.end <= bytes.len());
        }
    }

    #[test]
    fn no_cut_or_changed_text_makes_it_panic(tree in trees(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = String::new();
        write(&tree, &mut std::iter::empty(), &mut text);
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let path = FieldPath::parse("/a/0/key").expect("a pointer");
        let _ = locate(&bytes, &path);
        let _ = locate(&bytes[..at], &path);
    }
}

#[test]
fn depth_is_bounded_and_costs_no_stack() {
    let path = FieldPath::parse("/0").expect("a pointer");
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(locate(nested(MAX_DEPTH).replace("[]", "[1]").as_bytes(), &path).is_ok());
    assert!(locate(nested(MAX_DEPTH + 1).as_bytes(), &path).is_err());
    assert!(locate("[".repeat(1 << 20).as_bytes(), &path).is_err());
    let path = |depth| FieldPath::parse(&vec!["a"; depth].join(".")).expect("a path");
    assert!(locate(b"{}", &path(MAX_DEPTH)).is_ok());
    assert!(locate(b"{}", &path(MAX_DEPTH + 1)).is_err());
}

#[test]
fn half_a_surrogate_pair_is_no_key() {
    let path = FieldPath::parse("/\u{1f600}").expect("a pointer");
    let text = br#"{"\ud83d":1,"\ud83d\ude00":2}"#;
    let edit = locate(text, &path).expect("a place");
    assert_eq!(&text[edit.place], b"2");
}
