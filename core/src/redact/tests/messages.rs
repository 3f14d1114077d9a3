//! The messages of a WebSocket: searched whole, however they are cut, and written so that they can be read.

use std::sync::Arc;

use proptest::prelude::*;

use super::{VALUE, name, scanner};
use crate::redact::{Known, Messages, Scanner};
use crate::websocket::{Control, Event, Kind, Reader, Writer};

/// From an upstream to a program.
fn down(scanner: &Arc<Scanner>, deflate: Option<bool>) -> Messages {
    Messages::new(Reader::new(false, deflate), Writer::new(false, None), Arc::clone(scanner))
}

/// What a program reads: messages, control frames, and how many bytes had come after each piece.
type Through = (Vec<(Kind, Vec<u8>)>, Vec<Vec<u8>>, Vec<usize>);

/// Passes bytes through in pieces.
fn through(messages: &mut Messages, bytes: &[u8], size: usize) -> Through {
    let (mut out, mut released) = (Vec::new(), Vec::new());
    for mut piece in bytes.chunks(size) {
        loop {
            let mut more = Vec::new();
            let taken = messages.push(piece, &mut more).expect("good frames");
            piece = &piece[taken..];
            let full = Messages::is_full(&more);
            out.extend(more);
            if piece.is_empty() && !full {
                break;
            }
        }
        released.push(out.len());
    }
    let (mut reader, mut input, mut data, mut kind) = (Reader::new(false, None), &out[..], Vec::new(), Kind::Text);
    let (mut read, mut controls) = (Vec::new(), Vec::new());
    while let Some(event) = reader.step(&mut input, &mut data).expect("good frames come out") {
        match event {
            Event::Begin(begun) => kind = begun,
            Event::Data => {}
            Event::End => read.push((kind, std::mem::take(&mut data))),
            Event::Control(_, payload) => controls.push(payload),
        }
    }
    (read, controls, released)
}

fn frames(kind: Kind, payload: &[u8], every: usize, writer: &mut Writer) -> Vec<u8> {
    let mut bytes = Vec::new();
    writer.begin(kind);
    let pieces: Vec<&[u8]> = if payload.is_empty() { vec![payload] } else { payload.chunks(every).collect() };
    for (at, piece) in pieces.iter().enumerate() {
        writer.write(piece, at + 1 == pieces.len(), &mut bytes);
    }
    bytes
}

#[test]
fn a_value_is_found_over_frames_and_in_control_frames() {
    let scanner = scanner(&[("A", VALUE.as_bytes())]);
    for every in [1, 2, 7, 1000] {
        for kind in [Kind::Text, Kind::Binary] {
            let mut writer = Writer::new(false, None);
            let mut bytes = frames(kind, format!("x{VALUE}y").as_bytes(), every, &mut writer);
            writer.control(Control::Ping, VALUE.as_bytes(), &mut bytes);
            writer.control(Control::Close, &[b"\x03\xe8", VALUE.as_bytes()].concat(), &mut bytes);
            let mut messages = down(&scanner, None);
            let (read, controls, _) = through(&mut messages, &bytes, 3);
            assert_eq!(read, [(kind, b"x[REDACTED:A]y".to_vec())]);
            assert_eq!(controls, [b"[REDACTED:A]".to_vec(), b"\x03\xe8[REDACTED:A]".to_vec()]);
            assert!(messages.has_closed() && messages.found().any());
        }
    }
}

#[test]
fn a_control_frame_stays_one_when_a_name_is_longer_than_a_value() {
    let long = "N".repeat(120);
    let known = [Known { label: Some(name(&long)), value: b"01234567" }];
    let scanner = Arc::new(Scanner::build(&known, &[]));
    let mut bytes = Vec::new();
    let mut writer = Writer::new(false, None);
    writer.control(Control::Ping, b"01234567", &mut bytes);
    writer.control(Control::Close, b"\x03\xe801234567", &mut bytes);
    let (_, controls, _) = through(&mut down(&scanner, None), &bytes, 100);
    assert!(controls.iter().all(|payload| payload.len() <= 125 && !payload.ends_with(b"01234567")), "{controls:?}");
}

#[test]
fn a_text_stays_a_text_around_a_value_that_is_none() {
    let known = [Known { label: Some(name("A")), value: b"\xa9secret-value\xc3" }];
    let scanner = Arc::new(Scanner::build(&known, &[]));
    let payload = "é-ésecret-value\u{e9}-é".as_bytes();
    for every in 1..payload.len() {
        let bytes = frames(Kind::Text, payload, every, &mut Writer::new(false, None));
        let (read, ..) = through(&mut down(&scanner, None), &bytes, 2);
        assert_eq!(String::from_utf8(read[0].1.clone()).expect("UTF-8"), "é-\u{fffd}[REDACTED:A]\u{fffd}-é");
    }
}

#[test]
fn what_is_looked_for_changes_between_messages() {
    let (first, second) = (scanner(&[("A", VALUE.as_bytes())]), scanner(&[("B", b"another-value-1")]));
    let mut messages = down(&first, None);
    let bytes = frames(Kind::Text, b"another-value-1", 100, &mut Writer::new(false, None));
    assert_eq!(through(&mut messages, &bytes, 100).0[0].1, b"another-value-1");
    assert!(messages.is_between_messages());
    messages.look_for(second);
    assert_eq!(through(&mut messages, &bytes, 100).0[0].1, b"[REDACTED:B]");
}

#[test]
fn a_small_message_comes_out_when_it_ends_and_a_long_one_as_it_comes() {
    let scanner = scanner(&[("A", VALUE.as_bytes())]);
    let mut writer = Writer::new(false, None);
    let bytes = frames(Kind::Text, &vec![b'x'; 100_000], 1000, &mut writer);
    let (read, _, released) = through(&mut down(&scanner, None), &bytes, 10_000);
    assert_eq!(read[0].1.len(), 100_000);
    assert!(released[4] > 40_000, "all but the window is passed on: {released:?}");
    let bytes = [frames(Kind::Text, b"{}", 10, &mut writer), frames(Kind::Text, b"{}", 10, &mut writer)].concat();
    let (_, _, released) = through(&mut down(&scanner, None), &bytes, 4);
    assert_eq!(released, [4, 8], "a message is not held back for the next");
}

/// Long beginnings of a value, again and again.
#[test]
fn many_messages_pay_for_no_more_work_than_one_long_text() {
    let value: String = (0..4000).map(|at| char::from(b'a' + u8::try_from(at * at % 23).expect("small"))).collect();
    let scanner = scanner(&[("A", value.as_bytes())]);
    let almost = format!("{}!", &value[..3900]).repeat(4);
    let mut messages = down(&scanner, None);
    let bytes = frames(Kind::Binary, almost.as_bytes(), 1 << 20, &mut Writer::new(false, None));
    let redacted = (0..3000).find(|_| through(&mut messages, &bytes, 1 << 20).0[0].1 != almost.as_bytes());
    assert!(redacted.is_some(), "the work saved up is spent at last, and such a message is redacted");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However it is framed, cut and compressed: what comes out is the text as a whole redacted.
    #[test]
    fn framing_makes_no_difference(
        before in "[a-z\n ]{0,60}", after in "[a-z\n ]{0,60}", pad in 0..20_000_usize, every in 1..9000_usize,
        size in 1..9000_usize, deflate: bool, binary: bool
    ) {
        let scanner = scanner(&[("A", VALUE.as_bytes())]);
        let payload = format!("{before}{VALUE}{after}{}{VALUE}", ".".repeat(pad));
        let kind = if binary { Kind::Binary } else { Kind::Text };
        let agreed = deflate.then(|| crate::websocket::Agreed::read("permessage-deflate").expect("good").expect("some"));
        let mut writer = Writer::new(false, agreed);
        let bytes = [frames(kind, payload.as_bytes(), every, &mut writer), frames(kind, b"clean", 9, &mut writer)].concat();
        let (read, ..) = through(&mut down(&scanner, deflate.then_some(false)), &bytes, size);
        let wanted = super::redact(&scanner, &payload).into_bytes();
        prop_assert_eq!(read, [(kind, wanted), (kind, b"clean".to_vec())]);
    }

    /// How much is passed on, and when, is the same for a text with a value and for one without, but for the marker, which
    /// comes at once where a text comes letter by letter, each in a frame of three bytes.
    #[test]
    fn when_bytes_come_says_nothing_of_values(at in 0..9000_usize, every in 1..3000_usize, size in 1..3000_usize) {
        let other: String = VALUE.chars().rev().collect();
        let scanner = Arc::new(Scanner::build(&[Known { label: Some(name("ABCDEFGHIJKLMN_O")), value: VALUE.as_bytes() }], &[]));
        let released = |value: &str| {
            let payload = format!("{}{value}{}", "x".repeat(at), "y".repeat(9000));
            let bytes = frames(Kind::Text, payload.as_bytes(), every, &mut Writer::new(false, None));
            through(&mut down(&scanner, None), &bytes, size).2
        };
        // The marker is as long as the value, so that lengths can be compared.
        prop_assert_eq!("[REDACTED:ABCDEFGHIJKLMN_O]".len(), VALUE.len());
        let (with, without) = (released(VALUE), released(&other));
        prop_assert!(with.iter().zip(&without).all(|(one, two)| one.abs_diff(*two) <= 3 * VALUE.len()));
    }
}
