//! Descriptors over a Unix socket (unix(7), SCM_RIGHTS): what a caller has open, a child of the broker can have too.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// The most descriptors in one message.
const MOST: usize = 4;
/// Room for their control message, aligned as the kernel wants it.
type Control = [u64; 8];

/// Sends descriptors with one byte.
pub(super) fn send(socket: &UnixStream, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let numbers: Vec<RawFd> = descriptors.iter().take(MOST).map(AsRawFd::as_raw_fd).collect();
    let length = u32::try_from(numbers.len() * size_of::<RawFd>()).unwrap_or(0);
    let (mut control, mut byte): (Control, [u8; 1]) = ([0; 8], [b'd']);
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: every pointer leads to a live local; the control buffer has room for MOST descriptors.
    let sent = unsafe {
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(length) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(length) as _;
        std::ptr::copy_nonoverlapping(numbers.as_ptr().cast::<u8>(), libc::CMSG_DATA(header), length as usize);
        libc::sendmsg(socket.as_raw_fd(), &raw const message, 0)
    };
    if sent == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Receives exactly `wanted` descriptors; any other number is refused, and closed.
pub(super) fn receive(socket: &UnixStream, wanted: usize) -> io::Result<Vec<OwnedFd>> {
    let (mut control, mut byte): (Control, [u8; 1]) = ([0; 8], [0]);
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let mut received = Vec::new();
    // SAFETY: every pointer leads to a live local; what the kernel hands over belongs to nobody else.
    let (count, cut) = unsafe {
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of::<Control>() as _;
        let count = libc::recvmsg(socket.as_raw_fd(), &raw mut message, FLAGS);
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if count == 1 && !header.is_null() && (*header).cmsg_type == libc::SCM_RIGHTS {
            let length = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
            for at in 0..length / size_of::<RawFd>() {
                let number = libc::CMSG_DATA(header).cast::<RawFd>().add(at).read_unaligned();
                libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC);
                received.push(OwnedFd::from_raw_fd(number));
            }
        }
        (count, message.msg_flags & libc::MSG_CTRUNC != 0)
    };
    if count == 1 && !cut && received.len() == wanted { Ok(received) } else { Err(io::ErrorKind::InvalidData.into()) }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const FLAGS: i32 = libc::MSG_CMSG_CLOEXEC;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FLAGS: i32 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    #[test]
    fn descriptors_cross_and_another_number_is_refused() {
        let (ours, theirs) = UnixStream::pair().expect("pair");
        let (mut reader, mut writer) = io::pipe().expect("pipe");
        send(&ours, &[writer.as_fd()]).expect("sent");
        let got = receive(&theirs, 1).expect("received");
        std::fs::File::from(got.into_iter().next().expect("one")).write_all(b"x").expect("written");
        writer.write_all(b"y").expect("written");
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("read");
        assert_eq!(text, "xy");
        send(&ours, &[ours.as_fd(), ours.as_fd()]).expect("sent");
        assert!(receive(&theirs, 1).is_err());
        (&ours).write_all(b"z").expect("sent");
        assert!(receive(&theirs, 1).is_err());
    }
}
