//! What is agreed about compression (RFC 6455, section 9.1; RFC 7692, section 7.1).

use super::deflate::Deflater;

/// What is offered to an upstream. Its own window may be of any size, as ours is the largest; ours may be made smaller.
pub(super) const OFFER: &str = "permessage-deflate; client_max_window_bits";
const NAME: &str = "permessage-deflate";

/// How an upstream compresses, and wants to be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// The upstream begins anew with each message.
    pub(crate) server_forgets: bool,
    client_forgets: bool,
    client_window: u8,
}

impl Agreed {
    pub(super) fn deflater(self) -> Deflater {
        Deflater::new(self.client_forgets, self.client_window)
    }

    /// Reads an upstream's answer to the offer; `None` within where it agreed to nothing.
    ///
    /// # Errors
    /// An extension that was not offered, or a parameter that is unknown, there twice or out of bounds.
    pub(crate) fn read(answer: &str) -> Result<Option<Self>, &'static str> {
        let mut agreed = None;
        for extension in extensions(answer) {
            if extension.name != NAME || agreed.is_some() {
                return Err("it agrees to an extension that was not offered");
            }
            agreed = Some(Self::of(&extension)?);
        }
        Ok(agreed)
    }

    fn of(extension: &Extension<'_>) -> Result<Self, &'static str> {
        let mut agreed = Self { server_forgets: false, client_forgets: false, client_window: 15 };
        for (at, (name, value)) in extension.params.iter().enumerate() {
            let twice = extension.params[..at].iter().any(|(other, _)| other == name);
            match (*name, value) {
                _ if twice => return Err("it says a parameter of compression twice"),
                ("server_no_context_takeover", None) => agreed.server_forgets = true,
                ("client_no_context_takeover", None) => agreed.client_forgets = true,
                // Whatever its window is, ours is as large.
                ("server_max_window_bits", Some(bits)) if window(bits).is_some() => {}
                ("client_max_window_bits", Some(bits)) => {
                    agreed.client_window = window(bits).ok_or("it wants a window of compression that there is not")?;
                }
                _ => return Err("it says an unknown parameter of compression"),
            }
        }
        Ok(agreed)
    }
}

/// What a program is answered whose upstream compresses: that it may compress too. What goes to it is not compressed, as
/// it is on this machine, so every window it allows is large enough. `None` where it offered no compression.
pub(super) fn agree(offers: &str) -> Option<(String, bool)> {
    extensions(offers).filter(|offer| offer.name == NAME).find_map(|offer| {
        let (mut answer, mut forgets) = (NAME.to_owned(), false);
        for (at, (name, value)) in offer.params.iter().enumerate() {
            let twice = offer.params[..at].iter().any(|(other, _)| other == name);
            match (*name, value) {
                _ if twice => return None,
                ("server_no_context_takeover", None) => answer.push_str("; server_no_context_takeover"),
                ("client_no_context_takeover", None) => {
                    answer.push_str("; client_no_context_takeover");
                    forgets = true;
                }
                ("server_max_window_bits", Some(bits)) => {
                    answer.push_str(&format!("; server_max_window_bits={}", window(bits)?));
                }
                ("client_max_window_bits", None) => {}
                ("client_max_window_bits", Some(bits)) => drop(window(bits)?),
                // An offer with what is not known is passed over (section 7.1).
                _ => return None,
            }
        }
        Some((answer, forgets))
    })
}

/// The size of a window, as a power of two, written without a leading zero (section 7.1.2).
fn window(bits: &str) -> Option<u8> {
    (8..=15).find(|size| size.to_string() == bits)
}

/// An extension and its parameters.
struct Extension<'a> {
    name: &'a str,
    params: Vec<(&'a str, Option<&'a str>)>,
}

/// The extensions of a header. No value here needs quotes, so that a comma or semicolon within them means nothing good.
fn extensions(header: &str) -> impl Iterator<Item = Extension<'_>> {
    header.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| {
        let mut words = part.split(';').map(str::trim);
        let name = words.next().unwrap_or_default();
        let params = words.map(|word| match word.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
            None => (word, None),
        });
        Extension { name, params: params.collect() }
    })
}
