//! However messages are cut into frames, and frames into pieces, what is read is what was written.

use proptest::prelude::*;

use super::{Agreed, Control, Fault, Kind, Reader, Said, Writer, code, read};

/// A message in pieces, or a control frame.
#[derive(Clone, Debug)]
enum Say {
    Message(Kind, Vec<Vec<u8>>),
    Control(Control, Vec<u8>),
}

fn say() -> impl Strategy<Value = Say> {
    let piece = prop_oneof![
        "[a-z é€😀]{0,40}".prop_map(String::into_bytes),
        (any::<u8>().prop_map(|byte| byte & 0x7f), 0..9000_usize).prop_map(|(byte, count)| vec![byte; count]),
        proptest::collection::vec(0..0x80_u8, 0..600),
    ];
    let kind = prop_oneof![Just(Kind::Text), Just(Kind::Binary)];
    let control = prop_oneof![Just(Control::Ping), Just(Control::Pong)];
    prop_oneof![
        3 => (kind, proptest::collection::vec(piece, 1..5)).prop_map(|(kind, pieces)| Say::Message(kind, pieces)),
        1 => (control, proptest::collection::vec(any::<u8>(), 0..125)).prop_map(|(control, it)| Say::Control(control, it)),
    ]
}

fn agreement() -> impl Strategy<Value = Option<String>> {
    let forgets = any::<bool>().prop_map(|forgets| if forgets { "; client_no_context_takeover" } else { "" });
    let window =
        prop_oneof![Just(String::new()), (8..16_u8).prop_map(|bits| format!("; client_max_window_bits={bits}"))];
    proptest::option::of((forgets, window).prop_map(|(forgets, window)| format!("permessage-deflate{forgets}{window}")))
}

fn write(said: &[Say], writer: &mut Writer) -> (Vec<u8>, Vec<Said>) {
    let (mut bytes, mut wanted) = (Vec::new(), Vec::new());
    for one in said {
        match one {
            Say::Control(control, payload) => {
                writer.control(*control, payload, &mut bytes);
                wanted.push(Said::Control(*control, payload.clone()));
            }
            Say::Message(kind, pieces) => {
                writer.begin(*kind);
                for (at, piece) in pieces.iter().enumerate() {
                    writer.write(piece, at + 1 == pieces.len(), &mut bytes);
                    // Between the frames of a message.
                    if at + 1 < pieces.len() {
                        writer.control(Control::Ping, b"between", &mut bytes);
                        wanted.push(Said::Control(Control::Ping, b"between".to_vec()));
                    }
                }
                wanted.push(Said::Message(*kind, pieces.concat()));
            }
        }
    }
    (bytes, wanted)
}

/// What was read, and the code it ended with. Of two faults in one message, either is said first.
fn end((said, fault): (Vec<Said>, Option<Fault>)) -> (Vec<Said>, Option<u16>) {
    (said, fault.map(|fault| fault.code))
}

#[test]
fn a_message_with_two_faults_ends_with_one_code_however_it_comes() {
    let bytes = [b"\x41\x0c", &[106, 152, 48, 44, 156, 64, 1, 2, 72, 0, 241, 0][..]].concat();
    let read = |size| read(&mut Reader::new(false, Some(false)), bytes.chunks(size));
    assert_eq!(end(read(bytes.len())), (Vec::new(), Some(code::DATA)));
    (1..bytes.len()).for_each(|size| assert_eq!(end(read(size)), end(read(bytes.len())), "{size} at a time"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_written_is_read(
        said in proptest::collection::vec(say(), 1..8), agreement in agreement(), masked: bool, size in 1..5000_usize
    ) {
        let agreed = agreement.as_deref().and_then(|text| Agreed::read(text).expect("well formed"));
        let forgets = agreement.as_deref().map(|text| text.contains("no_context"));
        let (bytes, wanted) = write(&said, &mut Writer::new(masked, agreed));
        let (read, fault) = read(&mut Reader::new(masked, forgets), bytes.chunks(size));
        prop_assert_eq!(fault, None);
        prop_assert_eq!(read, wanted);
    }

    /// Whatever comes, it is read the same in one piece as byte by byte, to the same end.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), masked: bool, deflate: bool) {
        let reader = || Reader::new(masked, deflate.then_some(false));
        let whole = read(&mut reader(), [&bytes[..]]);
        prop_assert_eq!(end(whole), end(read(&mut reader(), bytes.chunks(1))));
    }

    /// The same for bytes that begin as they should.
    #[test]
    fn frames_of_anything_are_read_or_refused(
        parts in proptest::collection::vec((0..16_u8, any::<bool>(), any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40)), 1..6),
        size in 1..40_usize
    ) {
        let mut bytes = Vec::new();
        for (opcode, fin, compressed, payload) in &parts {
            bytes.push(opcode | if *fin { 0x80 } else { 0 } | if *compressed { 0x40 } else { 0 });
            bytes.push(u8::try_from(payload.len()).expect("short"));
            bytes.extend_from_slice(payload);
        }
        let whole = read(&mut Reader::new(false, Some(false)), [&bytes[..]]);
        prop_assert_eq!(end(whole), end(read(&mut Reader::new(false, Some(false)), bytes.chunks(size))));
    }
}
