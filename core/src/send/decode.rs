//! Takes content codings off a response as it streams in, so that the scanner sees what the caller would see.
//!
//! Whatever a chunk makes decodable comes out before the next is asked for: an event stream under gzip keeps its pace.
//! Output comes in pieces, so memory stays flat however far a response expands.

use http::{HeaderMap, header};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorCode, Result};

mod brotli;
mod deflate;
mod gzip;
mod zstd;

/// More codings than this are stacked by attackers only.
const MAX_STACKED: usize = 3;
/// The longest piece given out at once.
const PIECE: usize = 32 << 10;
/// Deflate cannot expand more than 1032 times (zlib, "Technical Details"); nothing but a run of one byte comes near.
const MAX_RATIO: u64 = 1000;
/// Under this size nobody is hurt by any ratio.
const FREE: u64 = 1 << 20;

/// Takes every content coding of one response off.
pub(crate) struct Decoder {
    /// Outermost first: the coding that was applied last.
    layers: Vec<Layer>,
}

impl Decoder {
    /// The decoder for all `Content-Encoding` headers (RFC 9110, section 8.4); `None` where nothing was coded.
    ///
    /// # Errors
    /// `undecodable_response` for an unknown coding or too many.
    pub(crate) fn for_headers(headers: &HeaderMap) -> Result<Option<Self>> {
        let mut layers = Vec::new();
        for line in headers.get_all(header::CONTENT_ENCODING) {
            let line = line.to_str().map_err(|_| unknown())?;
            for name in line.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                layers.extend(coding(&name.to_ascii_lowercase())?.map(Layer::new));
            }
        }
        if layers.len() > MAX_STACKED {
            return Err(undecodable("the response is under more than three content codings"));
        }
        layers.reverse();
        Ok(if layers.is_empty() { None } else { Some(Self { layers }) })
    }

    /// Decodes a chunk, and gives all that it makes decodable to `out`, in pieces of at most 64 KiB.
    ///
    /// # Errors
    /// `undecodable_response` for broken data or a bomb, and whatever `out` fails with.
    pub(crate) fn push(&mut self, chunk: &[u8], out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        feed(&mut self.layers, chunk, out)
    }

    /// Ends the response. A body of no bytes at all is one: the answer to HEAD, and 304, name the coding too.
    ///
    /// # Errors
    /// `undecodable_response` where the data ends too early.
    pub(crate) fn finish(&self) -> Result<()> {
        // Nothing is left to give out: every layer gives what it has as soon as it has it.
        match self.layers.iter().all(|layer| layer.encoded == 0 || layer.coding.is_complete()) {
            true => Ok(()),
            false => Err(undecodable("the response ends before its content coding does")),
        }
    }
}

fn feed(layers: &mut [Layer], chunk: &[u8], out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    match layers.split_first_mut() {
        Some((outer, inner)) => outer.decode(chunk, &mut |piece| feed(inner, piece, out)),
        None => out(chunk),
    }
}

fn coding(name: &str) -> Result<Option<Box<dyn Coding>>> {
    Ok(Some(match name {
        "identity" => return Ok(None),
        "gzip" | "x-gzip" => Box::new(gzip::Gzip::new()),
        "deflate" => Box::new(deflate::Deflate::new()),
        "br" => Box::new(brotli::Brotli::new()),
        "zstd" => Box::new(zstd::Zstd::new()?),
        // Its name comes from outside and was not searched for values, so it is not repeated.
        _ => return Err(unknown()),
    }))
}

/// One content coding, step by step.
trait Coding: Send {
    /// Decodes some of `input` into `output`; gives how much was read and written. A step that leaves room in
    /// `output` has nothing more to give for the input it read.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize)>;

    /// Whether the data may end here.
    fn is_complete(&self) -> bool;
}

/// A coding with its bound.
struct Layer {
    coding: Box<dyn Coding>,
    encoded: u64,
    decoded: u64,
    piece: Zeroizing<Vec<u8>>,
}

impl Layer {
    fn new(coding: Box<dyn Coding>) -> Self {
        Self { coding, encoded: 0, decoded: 0, piece: Zeroizing::new(vec![0; PIECE]) }
    }

    fn decode(&mut self, mut input: &[u8], out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        loop {
            let (read, written) = self.coding.step(input, &mut self.piece)?;
            input = &input[read..];
            self.encoded += read as u64;
            self.decoded += written as u64;
            if self.decoded > FREE && self.decoded > self.encoded.saturating_mul(MAX_RATIO) {
                return Err(undecodable("the response expands without bound"));
            }
            if written > 0 {
                out(&self.piece[..written])?;
            }
            if input.is_empty() && written < self.piece.len() {
                return Ok(());
            }
            if read == 0 && written == 0 {
                return Err(broken());
            }
        }
    }
}

fn unknown() -> Error {
    undecodable("the response is under a content coding that is not known here")
}

fn broken() -> Error {
    undecodable("the response does not follow its content coding")
}

fn undecodable(why: &'static str) -> Error {
    Error::new(ErrorCode::UndecodableResponse, why)
}

#[cfg(test)]
mod tests;
