//! Every coding against an independent encoder: whole, cut everywhere, broken everywhere, and hostile.

use std::io::Write as _;

use flate2::Compression;
use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const CODINGS: [&str; 5] = ["gzip", "deflate", "raw deflate", "br", "zstd"];

fn encode(coding: &str, text: &[u8]) -> Vec<u8> {
    let in_memory = "memory takes every byte";
    match coding {
        "gzip" | "x-gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text).expect(in_memory);
            encoder.finish().expect(in_memory)
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text).expect(in_memory);
            encoder.finish().expect(in_memory)
        }
        "raw deflate" => {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text).expect(in_memory);
            encoder.finish().expect(in_memory)
        }
        "br" => {
            let mut encoder = ::brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
            encoder.write_all(text).expect(in_memory);
            encoder.into_inner()
        }
        "zstd" => ::zstd::encode_all(text, 3).expect(in_memory),
        other => panic!("no coding {other}"),
    }
}

fn header_of(coding: &str) -> &str {
    coding.strip_prefix("raw ").unwrap_or(coding)
}

fn headers(lines: &[&str]) -> HeaderMap {
    lines.iter().map(|line| (header::CONTENT_ENCODING, HeaderValue::from_str(line).expect("a value"))).collect()
}

fn decoder(lines: &[&str]) -> Decoder {
    Decoder::for_headers(&headers(lines)).expect("known codings").expect("a coding")
}

/// What comes out of `chunks`.
fn decode<'a>(lines: &[&str], chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>> {
    let (mut decoder, mut decoded) = (decoder(lines), Vec::new());
    for chunk in chunks {
        decoder.push(chunk, &mut |piece| {
            assert!((1..=64 << 10).contains(&piece.len()));
            decoded.extend_from_slice(piece);
            Ok(())
        })?;
    }
    decoder.finish()?;
    Ok(decoded)
}

fn assert_undecodable<T>(result: Result<T>, what: &str) {
    match result {
        Ok(_) => panic!("{what}: decoded"),
        Err(error) => assert_eq!(error.code(), ErrorCode::UndecodableResponse, "{what}"),
    }
}

/// Text that compresses well but not without bound.
fn text(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let words = std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("data: {}\n", state >> 20)
    });
    words.flat_map(String::into_bytes).take(length).collect()
}

#[test]
fn every_coding_comes_out_whole() {
    for coding in CODINGS {
        for length in [0, 1, 100, PIECE - 1, PIECE, PIECE + 1, 4 * PIECE, 1 << 20] {
            let text = text(length);
            let encoded = encode(coding, &text);
            let decoded = decode(&[header_of(coding)], [&encoded[..]]).unwrap_or_else(|why| panic!("{coding}: {why}"));
            assert!(decoded == text, "{coding} {length}");
            assert!(decode(&[header_of(coding)], encoded.chunks(1)).expect(coding) == text, "{coding} {length}");
        }
    }
}

#[test]
fn a_text_that_fills_a_piece_exactly_ends_well() {
    let long = text(PIECE + 64);
    for (start, level) in (0..64).flat_map(|start| [0, 1, 6].map(|level| (start, level))) {
        let text = &long[start..start + PIECE];
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(text).expect("memory");
        let encoded = encoder.finish().expect("memory");
        assert!(decode(&["gzip"], [&encoded[..]]).expect("gzip") == text, "{start} at {level}");
        // The checksum alone in the second chunk: nothing of the text is left to come out with it.
        let (head, tail) = encoded.split_at(encoded.len() - 8);
        assert!(decode(&["gzip"], [head, tail]).expect("gzip") == text, "{start} at {level}");
    }
}

#[test]
fn every_cut_gives_the_same_and_every_early_end_is_found() {
    let text = text(600);
    for coding in CODINGS {
        let encoded = encode(coding, &text);
        for cut in 0..=encoded.len() {
            let (head, tail) = encoded.split_at(cut);
            assert!(decode(&[header_of(coding)], [head, tail]).expect(coding) == text, "{coding} cut at {cut}");
            if cut > 0 && cut < encoded.len() {
                assert_undecodable(decode(&[header_of(coding)], [head]), coding);
            }
        }
    }
}

#[test]
fn codings_are_stacked_in_the_order_of_the_headers() {
    let text = text(3 * PIECE);
    for (lines, order) in [
        (vec!["gzip, br"], vec!["gzip", "br"]),
        (vec!["gzip", "br"], vec!["gzip", "br"]),
        (vec!["deflate , X-GZIP", "identity,, zstd"], vec!["deflate", "gzip", "zstd"]),
        (vec!["zstd", "identity", "zstd"], vec!["zstd", "zstd"]),
    ] {
        let encoded = order.iter().fold(text.clone(), |text, coding| encode(coding, &text));
        assert!(decode(&lines, [&encoded[..]]).expect("stacked") == text, "{lines:?}");
        assert!(decode(&lines, encoded.chunks(7)).expect("stacked") == text, "{lines:?}");
        assert_undecodable(decode(&lines, [&encoded[..encoded.len() - 1]]), "cut");
        // The inner coding ends early although the outer is whole.
        let inner = encode(order[0], &text);
        let cut = order[1..].iter().fold(inner[..inner.len() - 3].to_vec(), |text, coding| encode(coding, &text));
        assert_undecodable(decode(&lines, [&cut[..]]), "an inner cut");
    }
}

#[test]
fn identity_is_nothing_and_the_unknown_is_refused() {
    for lines in [vec![], vec![""], vec!["identity"], vec!["Identity, ", "identity"]] {
        assert!(Decoder::for_headers(&headers(&lines)).expect("nothing").is_none());
    }
    for lines in [vec!["compress"], vec!["gzip, dcb"], vec!["gzip;q=1"], vec!["gzip,gzip,gzip", "gzip"], vec!["*"]] {
        assert_undecodable(Decoder::for_headers(&headers(&lines)), &format!("{lines:?}"));
    }
    let planted = uuid::Uuid::new_v4().simple().to_string();
    let Err(error) = Decoder::for_headers(&headers(&[&planted])) else { panic!("known") };
    assert!(!format!("{error:?}").contains(&planted));
    let mut odd = HeaderMap::new();
    odd.insert(header::CONTENT_ENCODING, HeaderValue::from_bytes(b"gz\xffip").expect("obs-text"));
    assert_undecodable(Decoder::for_headers(&odd), "not text");
}

#[test]
fn no_body_at_all_is_a_body() {
    for coding in CODINGS {
        assert!(decode(&[header_of(coding)], []).expect(coding).is_empty());
        assert!(decode(&[header_of(coding)], [&b""[..], b""]).expect(coding).is_empty());
    }
}

#[test]
fn several_members_and_frames_are_one_text() {
    for coding in ["gzip", "zstd"] {
        let mut encoded = encode(coding, b"one ");
        encoded.extend(encode(coding, b""));
        encoded.extend(encode(coding, b"two"));
        assert_eq!(decode(&[coding], [&encoded[..]]).expect(coding), b"one two");
        assert_eq!(decode(&[coding], encoded.chunks(1)).expect(coding), b"one two");
    }
    // A skippable frame (RFC 8878, section 3.1.2) between two frames.
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let encoded = [encode("zstd", b"one "), skippable, encode("zstd", b"two")].concat();
    assert_eq!(decode(&["zstd"], encoded.chunks(1)).expect("zstd"), b"one two");
}

#[test]
fn every_optional_field_of_a_gzip_header_is_passed() {
    let built = |crc: bool| {
        let builder = flate2::GzBuilder::new().extra(vec![7; 300]).filename("a.txt").comment("a comment");
        let mut encoder = builder.write(Vec::new(), Compression::default());
        encoder.write_all(b"hello").expect("memory");
        let mut member = encoder.finish().expect("memory");
        if crc {
            let length = 10 + 2 + 300 + "a.txt\0a comment\0".len();
            member[3] |= 2;
            let mut sum = flate2::Crc::new();
            sum.update(&member[..length]);
            let [low, high, ..] = sum.sum().to_le_bytes();
            member.splice(length..length, [low, high]);
        }
        member
    };
    for member in [built(false), built(true)] {
        assert_eq!(decode(&["gzip"], [&member[..]]).expect("a member"), b"hello");
        assert_eq!(decode(&["gzip"], member.chunks(1)).expect("a member"), b"hello");
    }
    let mut wrong = built(true);
    wrong[20] ^= 1;
    assert_undecodable(decode(&["gzip"], [&wrong[..]]), "a changed header");
    let mut reserved = built(false);
    reserved[3] |= 0x40;
    assert_undecodable(decode(&["gzip"], [&reserved[..]]), "a reserved flag");
}

#[test]
fn what_follows_the_end_is_refused() {
    for coding in CODINGS {
        let encoded = [encode(coding, b"hello"), b"and more".to_vec()].concat();
        assert_undecodable(decode(&[header_of(coding)], [&encoded[..]]), coding);
        assert_undecodable(decode(&[header_of(coding)], encoded.chunks(1)), coding);
    }
    let padded = [encode("gzip", b"hello"), vec![0; 4]].concat();
    assert_undecodable(decode(&["gzip"], [&padded[..]]), "padding");
}

#[test]
fn checksums_are_checked() {
    for (coding, from_end) in [("gzip", 5), ("gzip", 1), ("deflate", 1)] {
        let mut encoded = encode(coding, b"hello");
        let at = encoded.len() - from_end;
        encoded[at] ^= 1;
        assert_undecodable(decode(&[coding], [&encoded[..]]), coding);
    }
}

#[test]
fn plain_text_under_a_coding_is_refused() {
    for coding in CODINGS {
        assert_undecodable(decode(&[header_of(coding)], [&b"{\"plain\": \"text, long enough\"}"[..]]), coding);
    }
}

#[test]
fn a_bomb_is_stopped_early() {
    let zeros = vec![0; 16 << 20];
    let gzip = encode("gzip", &zeros);
    let bombs = [("gzip", gzip.clone()), ("br", encode("br", &zeros)), ("zstd", encode("zstd", &zeros))];
    for (coding, bomb) in &bombs {
        let mut given = 0;
        let result = decoder(&[coding]).push(bomb, &mut |piece| {
            given += piece.len();
            Ok(())
        });
        assert_undecodable(result, coding);
        assert!(given < zeros.len(), "{coding} gave {given}");
    }
    // Each layer has its own bound, so a bomb inside a coding is found too.
    assert_undecodable(decode(&["gzip, gzip"], [&encode("gzip", &gzip)[..]]), "a bomb in a coding");
    // What expands as text does is no bomb, however long.
    let long = text(2 << 20);
    for coding in CODINGS {
        assert!(decode(&[header_of(coding)], [&encode(coding, &long)[..]]).expect(coding) == long, "{coding}");
    }
}

#[test]
fn a_window_beyond_eight_mebibytes_is_refused() {
    let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).expect("an encoder");
    encoder.window_log(24).expect("a window");
    encoder.write_all(&text(1000)).expect("memory");
    encoder.flush().expect("memory");
    let encoded = encoder.finish().expect("memory");
    assert_undecodable(decode(&["zstd"], [&encoded[..]]), "a window of 16 MiB");
}

/// Encodes with a flush after each event, and gives what is on the wire at each flush.
fn flushed(coding: &str, events: &[&[u8]]) -> Vec<Vec<u8>> {
    fn each<W: std::io::Write>(mut encoder: W, events: &[&[u8]], take: impl Fn(&mut W) -> Vec<u8>) -> Vec<Vec<u8>> {
        let mut write = |event: &&[u8]| {
            encoder.write_all(event).expect("memory");
            encoder.flush().expect("memory");
            take(&mut encoder)
        };
        events.iter().map(&mut write).collect()
    }
    let level = Compression::default();
    match coding {
        "gzip" => each(flate2::write::GzEncoder::new(Vec::new(), level), events, |e| std::mem::take(e.get_mut())),
        "deflate" => each(flate2::write::ZlibEncoder::new(Vec::new(), level), events, |e| std::mem::take(e.get_mut())),
        "raw deflate" => {
            each(flate2::write::DeflateEncoder::new(Vec::new(), level), events, |e| std::mem::take(e.get_mut()))
        }
        "br" => each(::brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22), events, |e| std::mem::take(e.get_mut())),
        _ => each(::zstd::stream::write::Encoder::new(Vec::new(), 3).expect("an encoder"), events, |e| {
            std::mem::take(e.get_mut())
        }),
    }
}

#[test]
fn an_event_comes_out_at_its_flush() {
    let events: [&[u8]; 4] = [b"data: one\n\n", b"data: two\n\n", b"data: one\n\n", b": ping\n\n"];
    for coding in CODINGS {
        let mut decoder = decoder(&[header_of(coding)]);
        for (chunk, event) in flushed(coding, &events).iter().zip(events) {
            let mut given = Vec::new();
            let mut out = |piece: &[u8]| {
                given.extend_from_slice(piece);
                Ok(())
            };
            decoder.push(chunk, &mut out).expect(coding);
            assert_eq!(given, event, "{coding}");
        }
        assert_undecodable(decoder.finish(), coding);
    }
}

#[test]
fn the_receiver_can_stop_it() {
    let encoded = encode("gzip", &text(1 << 20));
    let mut pieces = 0;
    let result = decoder(&["gzip"]).push(&encoded, &mut |_| {
        pieces += 1;
        Err(Error::new(ErrorCode::ResponseTooLarge, "enough"))
    });
    assert_eq!(result.expect_err("stopped").code(), ErrorCode::ResponseTooLarge);
    assert_eq!(pieces, 1);
}

proptest! {
    #[test]
    fn any_chunking_gives_the_whole(
        coding in prop::sample::select(CODINGS.to_vec()),
        text in prop::collection::vec(any::<u8>(), 0..2000),
        sizes in prop::collection::vec(1_usize..200, 1..20),
    ) {
        let encoded = encode(coding, &text);
        let (mut rest, mut chunks, mut sizes) = (&encoded[..], Vec::new(), sizes.into_iter().cycle());
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(sizes.next().expect("a cycle").min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        prop_assert_eq!(decode(&[header_of(coding)], chunks).expect(coding), text);
    }

    #[test]
    fn no_bytes_make_it_panic_or_hang(
        coding in prop::sample::select(CODINGS.to_vec()),
        head in 0_usize..40,
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let encoded = encode(coding, b"a good beginning, and then something else");
        let broken = [&encoded[..head.min(encoded.len())], &bytes[..]].concat();
        let _ = decode(&[header_of(coding)], [&broken[..]]);
        let _ = decode(&[header_of(coding)], broken.chunks(3));
    }
}
