//! The host that a request is for.

use common::problem::Problem;
use http::request::Parts;
use http::uri::Authority;
use http::{Version, header};

/// Refuses a request without a host, with several hosts, or with an invalid one.
///
/// # Errors
/// 400 (RFC 9112, section 3.2; RFC 9113, section 8.3.1).
pub(crate) fn check(parts: &Parts) -> Result<(), Problem> {
    match parts
        .headers
        .get_all(header::HOST)
        .iter()
        .collect::<Vec<_>>()
        .as_slice()
    {
        // HTTP/2 has a pseudo-header for it; HTTP/1.0 does not require it.
        [] if parts.uri.authority().is_some() && parts.version == Version::HTTP_2 => Ok(()),
        [] if parts.version < Version::HTTP_11 => Ok(()),
        [] => refuse("must be sent"),
        [host] if host.to_str().is_ok_and(is_host) => Ok(()),
        [_] => refuse("must be a host, with a port or without"),
        _ => refuse("must be sent once"),
    }
}

fn refuse(rule: &str) -> Result<(), Problem> {
    Err(Problem::malformed_header(&header::HOST, rule))
}

/// Whether this is `uri-host [ ":" port ]` (RFC 9110, section 7.2).
fn is_host(text: &str) -> bool {
    let Ok(authority) = text.parse::<Authority>() else {
        return false;
    };
    let port = text
        .strip_prefix(authority.host())
        .and_then(|rest| rest.strip_prefix(':'));
    let rest = &text[authority.host().len().min(text.len())..];
    !authority.host().is_empty()
        && !text.contains('@')
        && (rest.is_empty()
            || port.is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_a_port_or_without() {
        for good in [
            "example.com",
            "localhost:8080",
            "192.0.2.1",
            "[2001:db8::1]:80",
            "a",
            "example.com:",
            "host_name",
        ] {
            assert!(is_host(good), "{good}");
        }

        for bad in [
            "",
            "a b/c",
            "a/b",
            "user@example.com",
            ":80",
            "a:b",
            "a:99999",
            "a:80:80",
            "[::1",
            "http://a",
            "a,b c",
            "a?b",
            "a#b",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
