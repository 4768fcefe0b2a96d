//! Origins of scripts (RFC 6454), as browsers send them.

use std::str::FromStr;

use http::HeaderValue;
use url::{Host, Url};

/// An origin in the spelling that browsers send in `Origin`. Any other spelling would never match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl Origin {
    /// The value of the header.
    pub fn header(&self) -> &HeaderValue {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let refused = || {
            "must be origins: a scheme and a host, such as https://app.example.com,capacitor://localhost".to_owned()
        };
        let serialised = serialise(text).ok_or_else(refused)?;
        if serialised != text {
            return Err(format!(
                "must be origins as a browser sends them: write {serialised} instead"
            ));
        }
        HeaderValue::try_from(serialised)
            .map(Self)
            .map_err(|_| refused())
    }
}

/// The origin of a URL without path, query, fragment and user (RFC 6454, section 6.1); `None` if
/// the text is not such a URL.
fn serialise(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let bare = url.path().trim_matches('/').is_empty()
        && url.query().is_none()
        && url.fragment().is_none();
    if !bare
        || !url.username().is_empty()
        || url.password().is_some()
        || text.ends_with(['?', '#', '@'])
    {
        return None;
    }
    if url.origin().is_tuple() {
        return is_name(url.host()?).then(|| url.origin().ascii_serialization());
    }
    // Schemes of apps and extensions, whose hosts the URL standard does not change: browsers
    // serialise them too.
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let host = url.host_str()?.to_ascii_lowercase();
    let plain = host
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    (plain && !host.is_empty()).then(|| format!("{}://{host}{port}", url.scheme()))
}

/// A browser would accept a star in a host, but no page can have such a host.
fn is_name(host: Host<&str>) -> bool {
    !matches!(host, Host::Domain(name) if name.contains('*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_that_browsers_send_are_accepted() {
        for good in [
            "https://app.example.com",
            "http://localhost:5173",
            "https://app.example.com:8443",
            "http://192.0.2.1",
            "http://[::1]:3000",
            "https://xn--exmple-cua.com",
            "capacitor://localhost",
            "ionic://localhost",
            "tauri://localhost",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "moz-extension://0190a5d2-6f3c-7cc1-b2a9-3f2f9a1d7e55",
        ] {
            assert_eq!(
                good.parse::<Origin>().map(|origin| origin.0),
                Ok(HeaderValue::from_static(good))
            );
        }
    }

    #[test]
    fn other_origins_are_refused_with_a_correction() {
        for (bad, good) in [
            ("https://App.Example.com", "https://app.example.com"),
            ("https://app.example.com:443", "https://app.example.com"),
            ("http://localhost:80", "http://localhost"),
            ("https://app.example.com/", "https://app.example.com"),
            ("https://ex\u{e4}mple.com", "https://xn--exmple-cua.com"),
            ("HTTPS://app.example.com", "https://app.example.com"),
            ("http://0x7f.1", "http://127.0.0.1"),
            ("Capacitor://localhost", "capacitor://localhost"),
        ] {
            let error = bad.parse::<Origin>().expect_err(bad);
            assert!(error.contains(&format!("write {good} ")), "{bad}: {error}");
        }

        for bad in [
            "*",
            "null",
            "",
            "https://",
            "https://a b",
            "https://*.example.com",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "app.example.com",
            "localhost:5173",
            "file:///tmp",
            "data:text/html,x",
            "capacitor://",
            "tauri://local host",
        ] {
            let error = bad.parse::<Origin>().expect_err(bad);
            assert!(error.contains("https://app.example.com"), "{bad}: {error}");
        }
    }
}
