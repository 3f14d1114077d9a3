//! Which process is at the other end of a connection: one that this run has started may come in without saying the
//! password, as Java's own clients cannot say it.
//!
//! A process is of this run where its environment is: the proxy's password stands there. Nobody else's has it, a web
//! page's browser or another user's process least of all.

use std::net::{IpAddr, SocketAddr};
#[cfg(target_os = "linux")]
use std::path::Path;

/// Whether the process that holds `peer`, the other end of a connection to `ours`, was started with `word` in its
/// environment.
#[cfg(target_os = "linux")]
pub(super) fn knows(peer: SocketAddr, ours: SocketAddr, word: &str) -> bool {
    let Some(inode) = inode(peer, ours) else { return false };
    let socket = format!("socket:[{inode}]");
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    let holds = |process: &Path| {
        let Ok(open) = std::fs::read_dir(process.join("fd")) else { return false };
        open.flatten().any(|file| std::fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == socket.as_str()))
    };
    let started_with = |process: &Path| {
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        environment.windows(word.len()).any(|found| found == word.as_bytes())
    };
    // A socket may be shared; each of its holders is asked.
    processes
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
        .map(|entry| entry.path())
        .any(|process| holds(&process) && started_with(&process))
}

/// Nothing tells here: the password is wanted of all.
#[cfg(not(target_os = "linux"))]
pub(super) fn knows(_: SocketAddr, _: SocketAddr, _: &str) -> bool {
    false
}

/// The number of the socket that is bound to `peer` and connected to `ours` (proc(5), `/proc/net/tcp`).
#[cfg(target_os = "linux")]
fn inode(peer: SocketAddr, ours: SocketAddr) -> Option<String> {
    // A program may use an IPv6 socket for an IPv4 address, as Java does.
    let tables = [("/proc/net/tcp", in_v4(peer)?, in_v4(ours)?), ("/proc/net/tcp6", mapped(peer)?, mapped(ours)?)];
    tables.into_iter().find_map(|(table, peer, ours)| row(&std::fs::read_to_string(table).ok()?, &peer, &ours))
}

#[cfg(target_os = "linux")]
fn row(table: &str, peer: &str, ours: &str) -> Option<String> {
    table.lines().find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let same = columns.next()? == peer && columns.next()? == ours;
        // After the two addresses: state, queues, timer, retransmits, user, timeout, inode.
        let inode = columns.nth(6)?;
        (same && inode != "0").then(|| inode.to_owned())
    })
}

/// The kernel prints the words of an address as the machine reads them.
#[cfg(target_os = "linux")]
fn in_v4(address: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port()))
}

#[cfg(target_os = "linux")]
fn mapped(address: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    let words = ip.to_ipv6_mapped().octets();
    let word = |at: usize| u32::from_ne_bytes([words[at], words[at + 1], words[at + 2], words[at + 3]]);
    Some(format!("{:08X}{:08X}{:08X}{:08X}:{:04X}", word(0), word(4), word(8), word(12), address.port()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_row_is_found_by_both_ends() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000  1000        0 777 1 0\n   \
                     1: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 778 1 0\n   \
                     2: 0100007F:C002 0100007F:1F90 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0\n";
        assert_eq!(row(table, "0100007F:C001", "0100007F:1F90").as_deref(), Some("778"));
        assert_eq!(row(table, "0100007F:1F90", "0100007F:C001").as_deref(), Some("777"));
        assert_eq!(row(table, "0100007F:C002", "0100007F:1F90"), None, "nobody holds it any more");
        assert_eq!(row(table, "0100007F:C003", "0100007F:1F90"), None);
    }

    #[test]
    fn only_a_process_with_the_word_in_its_environment_is_known() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let ours = listener.local_addr().expect("an address");
        let word = "w0rd-of-this-very-test-3141592653";
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{}; read -r _ <&3", ours.port());
        for (environment, known) in [(Some(word), true), (Some("another"), false), (None, false)] {
            let mut command = Command::new("bash");
            command.args(["-c", &script]).stdin(Stdio::null());
            environment.map(|text| command.env("HTTPS_PROXY", format!("http://run:{text}@127.0.0.1:1")));
            let mut child = command.spawn().expect("bash");
            let (stream, peer) = listener.accept().expect("a connection");
            assert_eq!(knows(peer, ours, word), known, "{environment:?}");
            drop(stream);
            child.wait().expect("its end");
        }
        // This process has not got it.
        let mut own = TcpStream::connect(ours).expect("a connection");
        let (stream, peer) = listener.accept().expect("a connection");
        assert!(!knows(peer, ours, word));
        drop(stream);
        assert_eq!(own.read(&mut [0; 1]).expect("the end"), 0);
    }
}
