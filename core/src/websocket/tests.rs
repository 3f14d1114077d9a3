//! The protocol's own examples, what hostile sides send, and that however bytes are cut the messages are the same.

mod hostile;
mod properties;

use super::extension::{Agreed, agree};
use super::frame::{Head, Opcode, mask};
use super::{Close, Control, Event, Fault, Kind, Mender, Reader, Writer, code};

/// What a side says, its messages put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Message(Kind, Vec<u8>),
    Control(Control, Vec<u8>),
}

/// Reads bytes that come in pieces, to their end or to the first fault.
pub(super) fn read<'p>(reader: &mut Reader, pieces: impl IntoIterator<Item = &'p [u8]>) -> (Vec<Said>, Option<Fault>) {
    let (mut said, mut data, mut kind) = (Vec::new(), Vec::new(), Kind::Binary);
    for mut piece in pieces {
        loop {
            match reader.step(&mut piece, &mut data) {
                Ok(None) => break,
                Ok(Some(Event::Begin(begun))) => kind = begun,
                Ok(Some(Event::Data)) => {}
                Ok(Some(Event::End)) => said.push(Said::Message(kind, std::mem::take(&mut data))),
                Ok(Some(Event::Control(control, payload))) => said.push(Said::Control(control, payload)),
                Err(fault) => return (said, Some(fault)),
            }
        }
        assert!(piece.is_empty(), "all that came was taken");
    }
    (said, None)
}

fn text(said: &str) -> Said {
    Said::Message(Kind::Text, said.as_bytes().to_vec())
}

#[test]
fn the_examples_of_the_protocol_are_read() {
    // RFC 6455, section 5.7.
    for (masked, bytes, wanted) in [
        (false, &b"\x81\x05Hello"[..], text("Hello")),
        (true, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", text("Hello")),
        (false, b"\x01\x03Hel\x80\x02lo", text("Hello")),
        (false, b"\x89\x05Hello", Said::Control(Control::Ping, b"Hello".to_vec())),
        (true, b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Said::Control(Control::Pong, b"Hello".to_vec())),
    ] {
        for size in 1..=bytes.len() {
            let (said, fault) = read(&mut Reader::new(masked, None), bytes.chunks(size));
            assert_eq!((said, fault), (vec![wanted.clone()], None), "{bytes:?} by {size}");
        }
    }
    // RFC 7692, section 7.2.3: one message, two frames, two that share a window, a stored block, a last block, two blocks.
    for (bytes, count) in [
        (&b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"[..], 1),
        (b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00", 1),
        (b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00", 2),
        (b"\xc1\x0b\x00\x05\x00\xfa\xffHello\x00", 1),
        (b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 1),
        (b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 1),
    ] {
        for size in 1..=bytes.len() {
            let (said, fault) = read(&mut Reader::new(false, Some(false)), bytes.chunks(size));
            assert_eq!((said, fault), (vec![text("Hello"); count], None), "{bytes:02x?} by {size}");
        }
    }
}

#[test]
fn lengths_are_written_in_their_shortest_form_and_read_back() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, u64::MAX >> 1] {
        for mask in [None, Some([1, 2, 3, 4])] {
            let head = Head { fin: true, compressed: false, opcode: Opcode::Message(Kind::Binary), mask, length };
            let mut bytes = Vec::new();
            head.write(&mut bytes);
            assert_eq!(Head::parse(&bytes), Ok(Some((head, bytes.len()))), "{length}");
            for cut in 0..bytes.len() {
                assert_eq!(Head::parse(&bytes[..cut]), Ok(None), "{length}");
            }
        }
    }
}

#[test]
fn a_mask_goes_on_where_it_stopped() {
    let plain: Vec<u8> = (0..100).collect();
    let mut whole = plain.clone();
    mask([7, 11, 13, 17], 0, &mut whole);
    assert_ne!(whole, plain);
    for cut in 0..100 {
        let mut parts = plain.clone();
        let (first, second) = parts.split_at_mut(cut);
        mask([7, 11, 13, 17], 0, first);
        mask([7, 11, 13, 17], cut as u64, second);
        assert_eq!(parts, whole, "{cut}");
    }
}

#[test]
fn a_close_says_a_code_and_a_reason_or_nothing() {
    assert_eq!(Close::parse(b""), Ok(Close::default()));
    assert_eq!(Close::parse(b"\x03\xe8bye"), Ok(Close::new(1000, "bye")));
    for known in [1000, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 4999] {
        let close = Close::new(known, "x");
        assert_eq!(Close::parse(&close.payload()), Ok(close));
    }
    for never in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
        assert_eq!(Close::parse(&never.to_be_bytes()).map_err(|fault| fault.code), Err(code::PROTOCOL), "{never}");
    }
    assert_eq!(Close::parse(b"\x03").map_err(|fault| fault.code), Err(code::PROTOCOL));
    assert_eq!(Close::parse(b"\x03\xe8\xff").map_err(|fault| fault.code), Err(code::DATA));
    let long = Close::new(1000, &"é".repeat(100)).payload();
    assert!(long.len() <= 125 && std::str::from_utf8(&long[2..]).is_ok(), "cut between characters");
}

#[test]
fn a_character_may_be_cut_and_half_of_one_is_none() {
    let whole = "aé€😀z";
    for cut in 0..whole.len() {
        let mut reader = Reader::new(false, None);
        let (first, second) = whole.as_bytes().split_at(cut);
        let length = |bytes: &[u8]| u8::try_from(bytes.len()).expect("short");
        let bytes = [&[0x01, length(first)][..], first, &[0x80, length(second)], second];
        assert_eq!(read(&mut reader, [&bytes.concat()[..]]), (vec![text(whole)], None), "{cut}");
    }
    let mut mender = Mender::default();
    let (mut first, mut second) = (b"a\xc3".to_vec(), b"[x]\xe2\x82".to_vec());
    mender.mend(&mut first, false);
    mender.mend(&mut second, true);
    assert_eq!((first, second), (b"a".to_vec(), "\u{fffd}[x]\u{fffd}".as_bytes().to_vec()));
}

#[test]
fn an_upstreams_agreement_is_read_as_it_is_written() {
    let of = |answer: &str| Agreed::read(answer);
    assert_eq!(of(""), Ok(None));
    for good in [
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate;server_max_window_bits=8 ; client_max_window_bits=\"15\"",
    ] {
        assert!(matches!(of(good), Ok(Some(_))), "{good}");
    }
    assert!(of(good_forgets()).is_ok_and(|agreed| agreed.is_some_and(|agreed| agreed.server_forgets)));
    for bad in [
        "permessage-bzip",
        "permessage-deflate, permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=08",
        "permessage-deflate; client_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; unknown",
    ] {
        assert!(of(bad).is_err(), "{bad}");
    }
}

fn good_forgets() -> &'static str {
    "permessage-deflate; server_no_context_takeover"
}

#[test]
fn the_first_offer_that_is_understood_is_agreed_to() {
    let agreed = |offers: &str| agree(offers).map(|(answer, _)| answer);
    assert_eq!(agreed("permessage-deflate; client_max_window_bits").as_deref(), Some("permessage-deflate"));
    assert_eq!(
        agreed("x-webkit-deflate-frame, permessage-deflate; foo, permessage-deflate; server_max_window_bits=10")
            .as_deref(),
        Some("permessage-deflate; server_max_window_bits=10")
    );
    let forgetting = agree("permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    assert!(forgetting.is_some_and(|(answer, forgets)| forgets && answer.matches("takeover").count() == 2));
    for none in ["", "permessage-bzip", "permessage-deflate; server_max_window_bits=99", "permessage-deflate; a; a"] {
        assert_eq!(agreed(none), None, "{none}");
    }
}
