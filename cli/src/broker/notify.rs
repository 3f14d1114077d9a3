//! Telling the service manager that started this process how it stands (sd_notify(3)).

use std::os::unix::net::UnixDatagram;

use crate::surroundings;

/// It listens.
pub(super) fn ready() {
    // Nobody is told where nobody asked to be.
    let _ = send("READY=1");
}

/// It ends.
pub(super) fn stopping() {
    let _ = send("STOPPING=1");
}

fn send(state: &str) -> std::io::Result<()> {
    let Some(place) = surroundings::text_of("NOTIFY_SOCKET").filter(|place| !place.is_empty()) else { return Ok(()) };
    let socket = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = place.strip_prefix('@') {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return socket.send_to_addr(state.as_bytes(), &address).map(drop);
    }
    socket.send_to(state.as_bytes(), place).map(drop)
}
