//! Which addresses a call may reach, whatever name led there.
//!
//! The registries behind this file: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890). What is not
//! plainly public is refused, also where the registry calls it reachable but no API can live there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AddressClass {
    /// An address of the public Internet.
    Public,
    /// This machine.
    Loopback,
    /// A private network (RFC 1918).
    Private,
    /// A provider's shared space behind carrier-grade NAT (RFC 6598).
    Shared,
    /// A private IPv6 network (RFC 4193).
    UniqueLocal,
    /// This link, where clouds keep their metadata services.
    LinkLocal,
    /// A cloud's metadata or host service that has an address elsewhere.
    Metadata,
    /// Many receivers.
    Multicast,
    /// "This host", "this network".
    Unspecified,
    /// Benchmarks (RFC 2544, RFC 5180).
    Benchmarking,
    /// Examples in documents (RFC 5737, RFC 3849, RFC 9637).
    Documentation,
    /// An IPv6 form that leads to an IPv4 address through a translator or tunnel.
    Translated,
    /// Reserved, deprecated or assigned to protocols.
    Reserved,
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Loopback => "a loopback address",
            Self::Private | Self::UniqueLocal => "a private address",
            Self::Shared => "a shared (carrier-grade NAT) address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "a cloud metadata address",
            Self::Multicast => "a multicast address",
            Self::Unspecified => "an unspecified address",
            Self::Benchmarking => "a benchmarking address",
            Self::Documentation => "a documentation address",
            Self::Translated => "an address that embeds another one",
            Self::Reserved => "a reserved address",
        })
    }
}

/// Which addresses a permitted call may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AddressScope {
    /// Public addresses: a rule that names a host.
    PublicOnly,
    /// Public and private addresses: a rule that names a host and carries `--private`.
    PrivateAllowed,
    /// This machine: a rule that names `localhost`.
    Loopback,
    /// One address: a rule that is written with it.
    Exactly(IpAddr),
}

impl AddressScope {
    /// The scope of a rule that names a host.
    pub(crate) fn of_name(private: bool) -> Self {
        if private { Self::PrivateAllowed } else { Self::PublicOnly }
    }

    /// Whether `ip` may be dialled.
    pub(crate) fn permits(self, ip: IpAddr) -> bool {
        use AddressClass as Class;
        let class = class(ip);
        match self {
            Self::PublicOnly => class == Class::Public,
            Self::PrivateAllowed => {
                matches!(class, Class::Public | Class::Loopback | Class::Private | Class::Shared | Class::UniqueLocal)
            }
            Self::Loopback => class == Class::Loopback,
            // An address is named on purpose, but never one that answers with the machine's own credentials, and none
            // that leads to an address this check does not see.
            Self::Exactly(named) => {
                named.to_canonical() == ip.to_canonical()
                    && !matches!(
                        class,
                        Class::LinkLocal
                            | Class::Metadata
                            | Class::Multicast
                            | Class::Unspecified
                            | Class::Translated
                            | Class::Reserved
                    )
            }
        }
    }

    /// What both scopes permit, where both belong to rules that cover one URL.
    pub(crate) fn strictest(self, other: Self) -> Self {
        if self == Self::PrivateAllowed { other } else { self }
    }

    /// What either scope permits, where both belong to rules that cover one URL.
    pub(crate) fn widest(self, other: Self) -> Self {
        if self == Self::PublicOnly { other } else { self }
    }
}

/// The class of an address.
pub(crate) fn class(ip: IpAddr) -> AddressClass {
    match ip {
        IpAddr::V4(ip) => class_v4(ip),
        // ::ffff:0:0/96 is the same socket as the IPv4 address in it (RFC 4291, section 2.5.5.2).
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or_else(|| class_v6(ip), class_v4),
    }
}

fn class_v4(ip: Ipv4Addr) -> AddressClass {
    use AddressClass as Class;
    match ip.octets() {
        // Azure's host service (WireServer) answers on a public-looking address; Alibaba Cloud's metadata in shared space;
        // Oracle's in 192.0.0.0/24, which is refused below anyway.
        [168, 63, 129, 16] | [100, 100, 100, 200] | [192, 0, 0, 192] => Class::Metadata,
        // RFC 1122, section 3.2.1.3; RFC 791, section 3.2.
        [0, ..] => Class::Unspecified,
        // RFC 1918, section 3.
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Class::Private,
        // RFC 6598, section 7: 100.64.0.0/10.
        [100, 64..=127, ..] => Class::Shared,
        // RFC 1122, section 3.2.1.3.
        [127, ..] => Class::Loopback,
        // RFC 3927, section 2.1.
        [169, 254, ..] => Class::LinkLocal,
        // RFC 6890, section 2.1: IETF protocol assignments; RFC 7526, section 5: 6to4 relays, deprecated.
        [192, 0, 0, _] | [192, 88, 99, _] => Class::Reserved,
        // RFC 5737, section 3.
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Class::Documentation,
        // RFC 2544, appendix C.2.2.
        [198, 18..=19, ..] => Class::Benchmarking,
        // RFC 5771, section 3.
        [224..=239, ..] => Class::Multicast,
        // RFC 1112, section 4; RFC 919, section 7 (broadcast).
        [240..=255, ..] => Class::Reserved,
        _ => Class::Public,
    }
}

fn class_v6(ip: Ipv6Addr) -> AddressClass {
    use AddressClass as Class;
    match ip.segments() {
        // RFC 4291, sections 2.5.2 and 2.5.3.
        [0, 0, 0, 0, 0, 0, 0, 0] => Class::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Loopback,
        // RFC 4291, section 2.5.5.1: IPv4-compatible; RFC 7915 (from RFC 2765, section 2.1): IPv4-translated.
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => Class::Translated,
        // RFC 6052, section 2.1: in an IPv6-only network every IPv4 host has such an address, so a public one is public;
        // section 3.1: the prefix must not stand for any other.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => match class_v4(embedded(high, low)) {
            Class::Public => Class::Public,
            _ => Class::Translated,
        },
        // RFC 8215, section 3: a translator of the local network, which may lead anywhere.
        [0x64, 0xff9b, 1, ..] => Class::Translated,
        // RFC 4380, section 2.6 (Teredo); RFC 3056, section 2, and RFC 7526 (6to4).
        [0x2001, 0, ..] | [0x2002, ..] => Class::Translated,
        // RFC 5180, section 8; RFC 3849, section 4; RFC 9637, section 3.
        [0x2001, 2, 0, ..] => Class::Benchmarking,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Class::Documentation,
        // RFC 2928, section 2: 2001::/23, protocol assignments.
        [0x2001, 0..=0x01ff, ..] => Class::Reserved,
        // The instance services of AWS (fd00:ec2::/32), Google Cloud (fd20:ce::254) and Scaleway (fd00:42::42).
        [0xfd00, 0xec2, ..] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] | [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42] => {
            Class::Metadata
        }
        // RFC 4193, section 3.1: fc00::/7.
        [0xfc00..=0xfdff, ..] => Class::UniqueLocal,
        // RFC 4291, section 2.5.6: fe80::/10.
        [0xfe80..=0xfebf, ..] => Class::LinkLocal,
        // RFC 4291, section 2.7.
        [0xff00..=0xffff, ..] => Class::Multicast,
        // RFC 4291, section 2.4, and the IANA registry: 2000::/3 is all that has been given out.
        [0x2000..=0x3fff, ..] => Class::Public,
        // Among the rest: 100::/64 (RFC 6666, discard), 5f00::/16 (RFC 9602), fec0::/10 (RFC 3879, site-local).
        _ => Class::Reserved,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}
