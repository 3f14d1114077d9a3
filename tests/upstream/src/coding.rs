//! Content codings, honest and not.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    /// As RFC 9110 section 8.4.1.2 has it: with the zlib frame.
    Deflate,
    /// As some servers have it: bare.
    RawDeflate,
    Brotli,
    Zstd,
}

impl Coding {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "gzip" | "x-gzip" => Self::Gzip,
            "deflate" => Self::Deflate,
            "deflate-raw" => Self::RawDeflate,
            "br" => Self::Brotli,
            "zstd" => Self::Zstd,
            _ => return None,
        })
    }

    /// What stands in `content-encoding`.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate | Self::RawDeflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// The whole of `data`, coded.
pub(crate) fn encode(coding: Coding, data: &[u8]) -> Vec<u8> {
    write_through(coding, |out| out.write_all(data)).expect("writing to memory does not fail")
}

/// So many zero bytes, coded: small on the wire, large when opened.
pub(crate) fn bomb(coding: Coding, length: u64) -> Vec<u8> {
    static BLOCK: [u8; 64 << 10] = [0; 64 << 10];
    let fill = |out: &mut dyn Write| {
        let mut left = length;
        while left > 0 {
            let take = usize::try_from(left).unwrap_or(BLOCK.len()).min(BLOCK.len());
            out.write_all(&BLOCK[..take])?;
            left -= take as u64;
        }
        Ok(())
    };
    write_through(coding, fill).expect("writing to memory does not fail")
}

fn write_through(coding: Coding, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let level = Compression::default();
    match coding {
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            fill(&mut encoder)?;
            encoder.finish()
        }
        Coding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            fill(&mut encoder)?;
            encoder.finish()
        }
        Coding::RawDeflate => {
            let mut encoder = DeflateEncoder::new(Vec::new(), level);
            fill(&mut encoder)?;
            encoder.finish()
        }
        Coding::Brotli => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 20);
            fill(&mut encoder)?;
            Ok(encoder.into_inner())
        }
        Coding::Zstd => {
            let mut encoder = zstd::Encoder::new(Vec::new(), 3)?;
            fill(&mut encoder)?;
            encoder.finish()
        }
    }
}
