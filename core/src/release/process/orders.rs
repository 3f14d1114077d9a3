//! What the caller says, without ever waiting for the rest of a line: the child is watched meanwhile.

use std::io::ErrorKind;
use std::os::fd::AsRawFd;

use crate::release::message::Order;

/// The longest line a caller says.
pub(in crate::release) const MAX_ORDER: usize = 256;

/// The line that is not whole yet.
#[derive(Default)]
pub(in crate::release) struct Orders(Vec<u8>);

impl Orders {
    /// The orders that are whole by now; `None` where the caller has gone or is not understood.
    pub(in crate::release) fn take(&mut self, caller: &impl AsRawFd) -> Option<Vec<Order>> {
        let mut orders = Vec::new();
        while let Some(piece) = receive(caller).transpose() {
            self.0.extend_from_slice(&piece.ok()?);
            while let Some(end) = self.0.iter().position(|byte| *byte == b'\n') {
                if end >= MAX_ORDER {
                    return None; // However the line was cut on its way.
                }
                orders.push(serde_json::from_slice(&self.0[..end]).ok()?);
                self.0.drain(..=end);
            }
            if self.0.len() >= MAX_ORDER {
                return None;
            }
        }
        Some(orders)
    }
}

/// What lies there, or nothing yet.
///
/// # Errors
/// Of the socket; `UnexpectedEof` at its end.
fn receive(caller: &impl AsRawFd) -> std::io::Result<Option<Vec<u8>>> {
    let mut piece = [0_u8; MAX_ORDER];
    // SAFETY: a live buffer and its own length.
    let read = unsafe { libc::recv(caller.as_raw_fd(), piece.as_mut_ptr().cast(), piece.len(), libc::MSG_DONTWAIT) };
    match usize::try_from(read) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(read) => Ok(Some(piece[..read].to_vec())),
        Err(_) => match std::io::Error::last_os_error() {
            why if why.kind() == ErrorKind::WouldBlock => Ok(None),
            why if why.kind() == ErrorKind::Interrupted => receive(caller),
            why => Err(why),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn half_a_line_is_not_waited_for() {
        let (mut caller, broker) = UnixStream::pair().expect("a pair");
        let line = serde_json::to_vec(&Order::Signal(2)).expect("plain data");
        let mut orders = Orders::default();
        assert!(orders.take(&broker).expect("open").is_empty());
        caller.write_all(&line[..line.len() / 2]).expect("written");
        assert!(orders.take(&broker).expect("open").is_empty(), "not whole");
        caller.write_all(&[&line[line.len() / 2..], b"\n", &line, b"\n"].concat()).expect("written");
        let whole = orders.take(&broker).expect("open");
        assert!(matches!(whole[..], [Order::Signal(2), Order::Signal(2)]), "both are whole now");
    }

    #[test]
    fn who_goes_or_is_not_understood_has_gone() {
        for said in [&b""[..], b"nonsense\n", &[b'x'; MAX_ORDER]] {
            let (mut caller, broker) = UnixStream::pair().expect("a pair");
            caller.write_all(said).expect("written");
            if said.is_empty() {
                drop(caller);
            }
            assert!(Orders::default().take(&broker).is_none(), "{} bytes", said.len());
        }
    }
}
