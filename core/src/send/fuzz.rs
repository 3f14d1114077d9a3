//! Attacks on content codings: what an upstream says is compressed.

use std::io::Write as _;

use http::{HeaderMap, HeaderValue, header};

use super::decode::Decoder;
use crate::fuzz::{Dice, Input, Target, chunks};

/// However it is cut the same comes out, in bounded pieces; and what was encoded comes out as it went in.
pub(crate) const DECODE: Target = Target { name: "decode", attack: decode, seeds, words: WORDS };

const WORDS: &[&str] = &["gzip", "deflate", "br", "zstd", "identity", ", ", "\u{1f}", "\u{78}"];
/// No seed comes near it: a mebibyte is free, and beyond it a thousandfold of what came in.
const LONGEST: usize = 8 << 20;
/// A longer body is decoded and not encoded, which takes its time.
const LONG: usize = 512;

fn decode(data: &[u8]) {
    let mut input = Input::new(data);
    let codings = input.piece();
    let body = input.rest();
    let cut = chunks(&mut Dice(data.len() as u64), body);
    let whole = decoded(codings, &[body]);
    assert_eq!(decoded(codings, &cut), whole, "how a body is cut makes a difference");
    if body.len() > LONG {
        return;
    }
    for coding in ["gzip", "deflate", "zstd"] {
        let encoded = encode(coding, body);
        assert!(decoded(coding.as_bytes(), &[&encoded]).as_deref() == Some(body), "{coding}");
        if encoded.len() > 1 {
            assert_eq!(decoded(coding.as_bytes(), &[&encoded[..encoded.len() - 1]]), None, "{coding} cut short");
        }
    }
    let twice = encode("gzip", &encode("zstd", body));
    assert!(decoded(b"zstd, gzip", &[&twice]).as_deref() == Some(body), "stacked");
}

/// What comes out; none where it is refused, or was coded in no way.
fn decoded(codings: &[u8], chunks: &[&[u8]]) -> Option<Vec<u8>> {
    let codings = HeaderValue::from_bytes(codings).ok()?;
    let headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, codings)]);
    let mut decoder = Decoder::for_headers(&headers).ok()??;
    let (mut out, mut came) = (Vec::new(), 0);
    for chunk in chunks {
        came += chunk.len();
        let pushed = decoder.push(chunk, &mut |piece| {
            assert!((1..=64 << 10).contains(&piece.len()), "a piece of {}", piece.len());
            out.extend_from_slice(piece);
            Ok(())
        });
        assert!(out.len() <= LONGEST, "{} bytes of {came}", out.len());
        pushed.ok()?;
    }
    decoder.finish().ok()?;
    Some(out)
}

fn encode(coding: &str, text: &[u8]) -> Vec<u8> {
    let in_memory = "memory takes every byte";
    match coding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text).expect(in_memory);
            encoder.finish().expect(in_memory)
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text).expect(in_memory);
            encoder.finish().expect(in_memory)
        }
        _ => zstd::encode_all(text, 1).expect(in_memory),
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let text = b"data: some words, some words and some words more\n".repeat(4);
    let with = |codings: &str, body: &[u8]| [codings.as_bytes(), b"\0", body].concat();
    // A brotli stream of one stored block (RFC 7932, section 9.2): window 16, 3 bytes, then the empty last block.
    let brotli = [0x0c, 0x01, 0x80, b'a', b'b', b'c', 0x03];
    vec![
        with("gzip", &encode("gzip", &text)),
        with("gzip", &[encode("gzip", b"a"), encode("gzip", b"b")].concat()),
        with("deflate", &encode("deflate", &text)),
        with("zstd", &encode("zstd", &text)),
        with("zstd, gzip", &encode("gzip", &encode("zstd", &text))),
        with("br", &brotli),
        with("gzip", &encode("gzip", &vec![0; 40_000])),
    ]
}
