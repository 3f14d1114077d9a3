//! What a side may not send, and the code it is told.

use flate2::{Compress, Compression, FlushCompress};

use super::{Reader, code, read};

fn fault(reader: &mut Reader, bytes: &[u8]) -> Option<u16> {
    let by_one = read(reader, bytes.chunks(1)).1;
    by_one.map(|fault| fault.code)
}

#[test]
fn what_breaks_the_protocol_ends_it() {
    let long = [&b"\x89\x7e\x00\x7e"[..], &[0; 126]].concat();
    for (bytes, wanted, why) in [
        (&b"\xa1\x01a"[..], code::PROTOCOL, "a reserved bit"),
        (b"\x91\x01a", code::PROTOCOL, "the other reserved bit"),
        (b"\xc1\x01a", code::PROTOCOL, "compression that was not agreed"),
        (b"\x83\x00", code::PROTOCOL, "an unknown opcode"),
        (b"\x8b\x00", code::PROTOCOL, "an unknown control opcode"),
        (&long, code::PROTOCOL, "a long control frame"),
        (b"\x09\x00", code::PROTOCOL, "a control frame in parts"),
        (b"\xc9\x00", code::PROTOCOL, "a compressed control frame"),
        (b"\x80\x01a", code::PROTOCOL, "a continuation of nothing"),
        (b"\x01\x01a\x81\x01b", code::PROTOCOL, "a message within another"),
        (b"\x81\x81\0\0\0\0a", code::PROTOCOL, "a mask where there is none"),
        (b"\x82\x7e\x00\x05", code::PROTOCOL, "a length in more bytes than it needs"),
        (b"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", code::PROTOCOL, "the same in eight"),
        (b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", code::PROTOCOL, "a length with its highest bit"),
        (b"\x81\x02\xc3\x28", code::DATA, "a text that is no UTF-8"),
        (b"\x81\x03\xed\xa0\x80", code::DATA, "half a surrogate pair"),
        (b"\x01\x01\xc3\x80\x00", code::DATA, "a text that ends in a character"),
    ] {
        assert_eq!(fault(&mut Reader::new(false, None), bytes), Some(wanted), "{why}");
    }
    for (bytes, wanted, why) in [
        (&b"\x81\x01a"[..], code::PROTOCOL, "no mask where there has to be one"),
        (b"\x41\x80\0\0\0\0\x40\x80\0\0\0\0", code::PROTOCOL, "a continuation that says it is compressed"),
        (b"\xc1\x83\0\0\0\0\xff\xff\xff", code::DATA, "what does not decompress"),
        (b"\xc2\x82\0\0\0\0\x07\x00", code::DATA, "the same, in two bytes"),
    ] {
        assert_eq!(fault(&mut Reader::new(true, Some(false)), bytes), Some(wanted), "{why}");
    }
}

#[test]
fn a_text_is_refused_where_it_breaks_and_not_at_its_end() {
    let (said, fault) = read(&mut Reader::new(false, None), [&b"\x01\x7e\x10\x00ab\xff"[..]]);
    assert!(said.is_empty() && fault.is_some_and(|fault| fault.code == code::DATA));
}

/// A frame of a compressed message.
fn compressed(payload: &[u8]) -> Vec<u8> {
    let mut coded = Vec::with_capacity(payload.len() / 500 + 4096);
    let mut compress = Compress::new(Compression::best(), false);
    compress.compress_vec(payload, &mut coded, FlushCompress::Sync).expect("compressed");
    coded.truncate(coded.len() - 4);
    let mut frame = vec![0xc2, 127];
    frame.extend((coded.len() as u64).to_be_bytes());
    frame.extend(coded);
    if frame.len() < (1 << 16) + 10 {
        let length = u16::try_from(frame.len() - 10).expect("short").to_be_bytes();
        frame.splice(1..10, [126, length[0], length[1]]);
    }
    frame
}

#[test]
fn a_message_that_expands_without_bound_is_refused_before_it_has() {
    let bomb = compressed(&vec![0; 64 << 20]);
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    let mut reader = Reader::new(false, Some(false));
    let (mut input, mut given) = (&bomb[..], 0);
    let refused = loop {
        let mut data = Vec::new();
        match reader.step(&mut input, &mut data) {
            Ok(Some(_)) => given += data.len(),
            Ok(None) => panic!("it was let through: {given}"),
            Err(fault) => break fault,
        }
        assert!(data.len() <= 64 << 10, "no step gives more than a little");
    };
    assert!(refused.code == code::SIZE && given < 4 << 20, "{given}");
    // A megabyte of anything is let through, and so is what compresses well.
    let text: Vec<u8> = (0..4 << 20).map(|at: u32| b"a log line, over and over: "[at as usize % 27]).collect();
    for payload in [vec![0; 1 << 20], text] {
        let (said, fault) = read(&mut Reader::new(false, Some(false)), [&compressed(&payload)[..]]);
        assert!(fault.is_none() && said.len() == 1, "{fault:?}");
    }
}
