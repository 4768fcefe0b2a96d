//! The source of a request: a provider's customer has one IPv4 address, or a whole IPv6 network.

use std::net::{IpAddr, Ipv6Addr};

/// The prefix lengths by which an IPv6 source is counted, each with a factor for its limit.
/// Providers give a customer a /64, a /56 or a /48 (RFC 6177), and a customer can use every address
/// in it.
const NETWORKS: [(u32, u32); 3] = [(64, 1), (56, 4), (48, 16)];

/// The names of a source's networks, the narrowest first, with their factors. An IPv4 address has
/// only itself.
pub(super) fn networks(source: IpAddr) -> Vec<(String, u32)> {
    match source.to_canonical() {
        IpAddr::V4(address) => vec![(address.to_string(), 1)],
        IpAddr::V6(address) => NETWORKS
            .into_iter()
            .map(|(bits, factor)| (format!("{}/{bits}", masked(address, bits)), factor))
            .collect(),
    }
}

/// What counts as one source: an IPv4 address, or the first address of an IPv6 address's /64.
pub fn source_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => masked(address, 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

fn masked(address: Ipv6Addr, bits: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() >> (128 - bits) << (128 - bits))
}

/// The widest network of a source, which may belong to one customer.
pub(super) fn widest_network(source: IpAddr) -> String {
    networks(source)
        .pop()
        .map(|(name, _)| name)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        networks(text.parse().expect("an address"))
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn an_ipv6_source_is_counted_by_its_64_56_and_48_networks() {
        let here = names("2001:db8:0:1::1");
        assert_eq!(
            here,
            ["2001:db8:0:1::/64", "2001:db8::/56", "2001:db8::/48"]
        );
        assert_eq!(here, names("2001:db8:0:1:ffff::2"));

        let beside = names("2001:db8:0:2::1");
        assert_eq!(
            (
                here[0] == beside[0],
                here[1] == beside[1],
                here[2] == beside[2]
            ),
            (false, true, true)
        );

        let elsewhere = names("2001:db8:0:101::1");
        assert_eq!(
            (here[1] == elsewhere[1], here[2] == elsewhere[2]),
            (false, true)
        );
        assert_eq!(names("::ffff:192.0.2.1"), names("192.0.2.1"));
    }

    #[test]
    fn a_source_is_an_ipv4_address_or_a_64() {
        let source = |text: &str| source_network(text.parse().expect("an address")).to_string();

        assert_eq!(source("2001:db8:0:1:ffff::2"), "2001:db8:0:1::");
        assert_eq!(source("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
