//! The source of a request, and whether it came over https, behind proxies.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use common::problem::Problem;
use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Proxies whose information about the source of a request is trusted: addresses and networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// The header in which the trusted proxies report the source. The other header is ignored: a proxy
/// may pass on what a client wrote there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, and `X-Forwarded-Proto`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The source of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) source: IpAddr,
    /// Whether the client's own connection is encrypted.
    pub(crate) secure: bool,
}

/// One proxy's information about its peer.
#[derive(Clone, Copy, Debug, Default)]
struct Hop {
    /// The peer's address; `None` if the proxy does not tell it.
    client: Option<IpAddr>,
    secure: bool,
}

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network = |text: &str| {
            text.parse::<IpNet>()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        };
        let networks = text
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(network);
        networks
            .collect::<Result<_, _>>()
            .map(Self)
            .map_err(|_| "must be addresses or networks, such as 10.0.0.0/8,192.0.2.1".to_owned())
    }
}

impl TrustedProxies {
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The source of a request: the first address that is not a trusted proxy, from the peer
    /// backwards through the forwarded addresses. Each element was written by the address after it,
    /// and is only read if that one is trusted, so clients cannot choose their address.
    ///
    /// # Errors
    /// 400 when a trusted proxy wrote something that is not an address: all its clients would share
    /// a source.
    pub(crate) fn sender(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
        wrote: ForwardedHeader,
    ) -> Result<Sender, Problem> {
        let mut sender = Sender {
            source: peer.to_canonical(),
            secure: false,
        };
        let (name, read) = match wrote {
            ForwardedHeader::XForwardedFor => {
                (X_FORWARDED_FOR, x_forwarded_for as fn(&[u8]) -> Option<Hop>)
            }
            ForwardedHeader::Forwarded => {
                (header::FORWARDED, forwarded as fn(&[u8]) -> Option<Hop>)
            }
        };
        if self.trusts(sender.source) && wrote == ForwardedHeader::XForwardedFor {
            sender.secure = last_element(headers, &X_FORWARDED_PROTO)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https"));
        }
        let mut elements = elements(headers, &name);
        while self.trusts(sender.source) {
            let Some(element) = elements.next() else {
                break;
            };
            let hop = read(element).ok_or_else(|| {
                Problem::malformed_header(
                    &name,
                    "is sent by a trusted proxy and must have valid addresses",
                )
            })?;
            if wrote == ForwardedHeader::Forwarded {
                sender.secure = hop.secure;
            }
            let Some(client) = hop.client else { break };
            sender.source = client.to_canonical();
        }
        Ok(sender)
    }
}

/// The elements of a list header, last one first. As bytes, so that invalid text of a client at the
/// front does not affect what the proxies added.
fn elements<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'h [u8]> + use<'h> {
    let values: Vec<&[u8]> = headers
        .get_all(name)
        .iter()
        .map(http::HeaderValue::as_bytes)
        .collect();
    values
        .into_iter()
        .rev()
        .flat_map(|value| FromTheRight(Some(value)))
        .filter(|element| !element.is_empty())
}

fn last_element<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    elements(headers, name).next()
}

/// The elements of one value, last one first. A comma in a quoted string does not separate.
struct FromTheRight<'v>(Option<&'v [u8]>);

impl<'v> Iterator for FromTheRight<'v> {
    type Item = &'v [u8];

    fn next(&mut self) -> Option<&'v [u8]> {
        let value = self.0?;
        let mut quoted = false;
        for (at, byte) in value.iter().enumerate().rev() {
            match byte {
                b'"' if !(quoted && escaped(&value[..at])) => quoted = !quoted,
                b',' if !quoted => {
                    self.0 = Some(&value[..at]);
                    return Some(value[at + 1..].trim_ascii());
                }
                _ => {}
            }
        }
        self.0 = None;
        Some(value.trim_ascii())
    }
}

/// Whether the next character is escaped: it follows an odd number of backslashes.
fn escaped(before: &[u8]) -> bool {
    before
        .iter()
        .rev()
        .take_while(|byte| **byte == b'\\')
        .count()
        % 2
        == 1
}

fn x_forwarded_for(element: &[u8]) -> Option<Hop> {
    Some(Hop {
        client: node(&unquoted(element)?)?,
        secure: false,
    })
}

/// Parses `for=192.0.2.1;proto=https` (RFC 7239, section 4).
fn forwarded(element: &[u8]) -> Option<Hop> {
    let mut hop = Hop::default();
    let mut seen = Vec::new();
    for pair in parameters(element)? {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (
            pair[..equals].to_ascii_lowercase(),
            unquoted(&pair[equals + 1..])?,
        );
        match name.as_slice() {
            b"for" => hop.client = node(&value)?,
            b"proto" => hop.secure = value.eq_ignore_ascii_case(b"https"),
            _ => {}
        }
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
    }
    Some(hop)
}

/// The parts between semicolons; `None` if a quoted string is not closed.
fn parameters(element: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut parts, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, byte) in element.iter().enumerate() {
        match byte {
            b'"' if !(quoted && escaped(&element[..at])) => quoted = !quoted,
            b';' if !quoted => {
                parts.push(element[start..at].trim_ascii());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(element[start..].trim_ascii());
    (!quoted).then(|| parts.into_iter().filter(|part| !part.is_empty()).collect())
}

/// A value, or the content of a quoted string (RFC 9110, section 5.6.4).
fn unquoted(value: &[u8]) -> Option<Vec<u8>> {
    let Some(quoted) = value.strip_prefix(b"\"") else {
        return (!value.contains(&b'"')).then(|| value.to_vec());
    };
    let mut bytes = quoted.strip_suffix(b"\"")?.iter();
    let mut said = Vec::new();
    while let Some(byte) = bytes.next() {
        said.push(*if *byte == b'\\' { bytes.next()? } else { byte });
    }
    Some(said)
}

/// Parses `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`. The
/// inner `None` is a client that the proxy does not name: `unknown` or `_hidden` (RFC 7239, section
/// 6).
#[allow(
    clippy::option_option,
    reason = "what cannot be read, and what is read to be nobody"
)]
fn node(text: &[u8]) -> Option<Option<IpAddr>> {
    let text = std::str::from_utf8(text).ok()?;
    if text.eq_ignore_ascii_case("unknown") || text.starts_with('_') {
        return Some(None);
    }
    let bracketed = || {
        text.strip_prefix('[')?
            .strip_suffix(']')?
            .parse::<Ipv6Addr>()
            .ok()
            .map(IpAddr::V6)
    };
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse::<IpAddr>()
        .ok()
        .or_else(bracketed)
        .or_else(with_port)
        .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The source of a request, or 400; `+` if it came over https.
    fn sender(
        wrote: ForwardedHeader,
        trusted: &str,
        peer: &str,
        sent: &[(&'static str, &[u8])],
    ) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(
                *name,
                http::HeaderValue::from_bytes(value).expect("a header value"),
            );
        }
        let proxies: TrustedProxies = trusted.parse().expect("networks");
        match proxies.sender(peer.parse().expect("an address"), &headers, wrote) {
            Ok(sender) => format!("{}{}", sender.source, if sender.secure { "+" } else { "" }),
            Err(problem) => problem.status().as_u16().to_string(),
        }
    }

    fn client(trusted: &str, peer: &str, forwarded: &[&[u8]]) -> String {
        let sent: Vec<_> = forwarded
            .iter()
            .map(|value| ("x-forwarded-for", *value))
            .collect();
        sender(ForwardedHeader::XForwardedFor, trusted, peer, &sent)
    }

    #[test]
    fn no_proxy_is_trusted_by_default() {
        assert_eq!(client("", "192.0.2.7", &[b"198.51.100.1"]), "192.0.2.7");
    }

    #[test]
    fn a_trusted_proxy_is_believed_about_its_peer_only() {
        for (peer, forwarded, expected) in [
            ("10.0.0.1", &[&b"198.51.100.1"[..]][..], "198.51.100.1"),
            (
                "10.0.0.1",
                &[b"203.0.113.9, 198.51.100.1, 10.0.0.2"],
                "198.51.100.1",
            ),
            (
                "10.0.0.1",
                &[b"203.0.113.9", b"198.51.100.1"],
                "198.51.100.1",
            ),
            ("192.0.2.7", &[b"198.51.100.1"], "192.0.2.7"),
            ("::ffff:10.0.0.1", &[b"198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[b"198.51.100.1, "], "198.51.100.1"),
        ] {
            assert_eq!(
                client("10.0.0.0/8", peer, forwarded),
                expected,
                "{forwarded:?}"
            );
        }
    }

    #[test]
    fn every_way_to_write_an_address_is_read() {
        for (written, expected) in [
            (&b"192.0.2.1:4711"[..], "192.0.2.1"),
            (b"2001:db8::1", "2001:db8::1"),
            (b"[2001:db8::1]", "2001:db8::1"),
            (b"[2001:db8::1]:4711", "2001:db8::1"),
            (b"\"[2001:db8::1]:4711\"", "2001:db8::1"),
            (b"::ffff:192.0.2.1", "192.0.2.1"),
            (b"unknown", "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", "10.0.0.1", &[written]), expected);
        }
    }

    #[test]
    fn forged_entries_are_ignored_and_malformed_entries_of_a_proxy_are_refused() {
        for (forwarded, expected) in [
            (&[&b"caf\xe9, 198.51.100.1"[..]][..], "198.51.100.1"),
            (&[b"\xff\xff", b"198.51.100.1"], "198.51.100.1"),
            (&[b"\"never closed, 198.51.100.1"], "198.51.100.1"),
            (&[b"nonsense"], "400"),
            (&[b"198.51.100.1, caf\xe9"], "400"),
            (&[b"192.0.2.1:port"], "400"),
            (&[b"[2001:db8::1"], "400"),
        ] {
            assert_eq!(
                client("10.0.0.1", "10.0.0.1", forwarded),
                expected,
                "{forwarded:?}"
            );
        }

        assert_eq!(
            client("", "192.0.2.7", &[b"nonsense"]),
            "192.0.2.7",
            "nobody is believed, so nothing is read"
        );
    }

    #[test]
    fn forwarded_is_read_from_proxies_that_write_it() {
        let client = |value: &[u8]| {
            sender(
                ForwardedHeader::Forwarded,
                "10.0.0.0/8",
                "10.0.0.1",
                &[("forwarded", value)],
            )
        };

        for (value, expected) in [
            (&b"for=192.0.2.1"[..], "192.0.2.1"),
            (
                b"for=203.0.113.9, For=\"192.0.2.1:80\";Proto=HTTPS;by=10.0.0.1",
                "192.0.2.1+",
            ),
            (b"for=\"[2001:db8::1]:80\";host=\"a,b;c\"", "2001:db8::1"),
            (b"for=192.0.2.1;proto=https, for=10.0.0.2", "192.0.2.1+"),
            (b"for=_hidden;proto=https", "10.0.0.1+"),
            (b"for=\"forged, for=192.0.2.1", "192.0.2.1"),
            (b"for=\"a\\\", for=192.0.2.1", "192.0.2.1"),
            (b"for=192.0.2.1;for=192.0.2.2", "400"),
            (b"for", "400"),
            (b"for=\"192.0.2.1", "400"),
        ] {
            assert_eq!(
                client(value),
                expected,
                "{}",
                String::from_utf8_lossy(value)
            );
        }
    }

    #[test]
    fn the_header_that_the_proxies_do_not_write_is_not_read() {
        let both = [
            ("x-forwarded-for", &b"192.0.2.1"[..]),
            ("forwarded", b"for=192.0.2.2;proto=https"),
            ("x-forwarded-proto", b"http"),
        ];

        assert_eq!(
            sender(
                ForwardedHeader::XForwardedFor,
                "10.0.0.1",
                "10.0.0.1",
                &both
            ),
            "192.0.2.1"
        );
        assert_eq!(
            sender(ForwardedHeader::Forwarded, "10.0.0.1", "10.0.0.1", &both),
            "192.0.2.2+"
        );
    }

    #[test]
    fn only_a_trusted_proxy_says_that_a_client_came_over_https() {
        let sent = [
            ("x-forwarded-for", &b"192.0.2.1"[..]),
            ("x-forwarded-proto", b"https"),
        ];

        assert_eq!(
            sender(
                ForwardedHeader::XForwardedFor,
                "10.0.0.1",
                "10.0.0.1",
                &sent
            ),
            "192.0.2.1+"
        );
        assert_eq!(
            sender(ForwardedHeader::XForwardedFor, "", "10.0.0.1", &sent),
            "10.0.0.1"
        );
    }
}
