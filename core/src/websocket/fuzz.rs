//! Attacks on frames: what a side of a WebSocket sends.

use super::extension::Agreed;
use super::{Event, Kind, Reader, Writer};
use crate::fuzz::{Dice, Input, Target, chunks};

/// However frames are cut the same is read, in bounded pieces; and what is read can be written and read again.
pub(crate) const FRAMES: Target = Target { name: "frames", attack: frames, seeds, words: WORDS };

const WORDS: &[&str] = &["\u{1}\u{3}", "\u{0}\u{2}", "\u{7e}\u{0}\u{7e}", "\u{7f}\u{0}\u{0}\u{0}\u{0}"];
/// A step gives no more of a message than this, and the end of a compressed one as much again.
const PIECE: usize = 64 << 10;

type Messages = Vec<(Kind, Vec<u8>)>;

fn frames(data: &[u8]) {
    let mut input = Input::new(data);
    let said = input.byte();
    let bytes = input.rest();
    let (masked, deflate) = (said & 1 != 0, (said & 2 != 0).then_some(said & 4 != 0));
    let whole = read(masked, deflate, &[bytes]);
    assert_eq!(read(masked, deflate, &chunks(&mut Dice(data.len() as u64), bytes)), whole, "how bytes are cut matters");
    let agreed = deflate.and_then(|_| Agreed::read("permessage-deflate; client_max_window_bits=9").unwrap_or_default());
    let (mut writer, mut out) = (Writer::new(true, agreed), Vec::new());
    for (kind, message) in &whole.0 {
        writer.begin(*kind);
        let (first, last) = message.split_at(message.len() / 2);
        writer.write(first, false, &mut out);
        writer.write(last, true, &mut out);
    }
    assert_eq!(read(true, agreed.map(|_| false), &[&out]), (whole.0, None), "what is written is read");
}

/// The messages, and the code of what ended them.
fn read(masked: bool, deflate: Option<bool>, pieces: &[&[u8]]) -> (Messages, Option<u16>) {
    let (mut reader, mut messages, mut data, mut kind) =
        (Reader::new(masked, deflate), Vec::new(), Vec::new(), Kind::Text);
    for mut piece in pieces.iter().copied() {
        loop {
            let before = data.len();
            match reader.step(&mut piece, &mut data) {
                Ok(None) => break,
                Ok(Some(Event::Begin(begun))) => kind = begun,
                Ok(Some(Event::Data)) => assert!(data.len() - before <= PIECE, "a piece of {}", data.len() - before),
                Ok(Some(Event::End)) => {
                    assert!(kind == Kind::Binary || std::str::from_utf8(&data).is_ok(), "a text is UTF-8");
                    messages.push((kind, std::mem::take(&mut data)));
                }
                Ok(Some(Event::Control(_, payload))) => assert!(payload.len() <= super::MAX_CONTROL),
                Err(fault) => return (messages, Some(fault.code)),
            }
        }
    }
    (messages, None)
}

fn seeds() -> Vec<Vec<u8>> {
    let written = |said: u8, agreement: &str| {
        let agreed = Agreed::read(agreement).unwrap_or_default();
        let (mut writer, mut out) = (Writer::new(said & 1 != 0, agreed), vec![said]);
        for kind in [Kind::Text, Kind::Binary] {
            writer.begin(kind);
            writer.write("é, and more of it ".repeat(30).as_bytes(), false, &mut out);
            writer.control(super::Control::Ping, b"between", &mut out);
            writer.write(b"the end", true, &mut out);
        }
        writer.control(super::Control::Close, b"\x03\xe8bye", &mut out);
        out
    };
    vec![
        written(0, ""),
        written(1, ""),
        written(2, "permessage-deflate"),
        written(3, "permessage-deflate; client_max_window_bits=8"),
        written(7, "permessage-deflate; client_no_context_takeover"),
        b"\x00\x81\x05Hello\x01\x03Hel\x80\x02lo".to_vec(),
        b"\x02\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00".to_vec(),
    ]
}
