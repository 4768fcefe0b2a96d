//! The certificate authorities that are trusted: reading a machine's few hundred is most of a usual cold start.

use std::path::Path;

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::SettingError;

/// The roots that AWS endpoints chain to, in every partition: Amazon's own (which include Starfield's), and
/// DigiCert's, which the China regions use. Source: https://www.amazontrust.com/repository/.
const ROOTS: [&str; 7] = [
    "Amazon Root CA 1",
    "Amazon Root CA 2",
    "Amazon Root CA 3",
    "Amazon Root CA 4",
    "Starfield Services Root Certificate Authority - G2",
    "DigiCert Global Root G2",
    "DigiCert Global Root G3",
];

/// Trusts AWS, and whom this file names besides.
///
/// # Errors
/// The file cannot be read or used.
pub(crate) fn tls(ca_file: Option<&Path>) -> Result<TlsContext, SettingError> {
    let mut pem = ROOTS.iter().filter_map(|name| root(name)).collect::<String>().into_bytes();
    if let Some(path) = ca_file {
        let more = std::fs::read(path).map_err(|error| SettingError::new("TASKLANE_CA_FILE", format!("cannot be read ({error})")))?;
        pem.extend(more);
    }
    TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_pem_certificate(pem))
        .build()
        .map_err(|error| SettingError::new("TASKLANE_CA_FILE", format!("cannot be used ({error})")))
}

/// The root certificate with this common name, in PEM.
fn root(common_name: &str) -> Option<String> {
    let named = |der: &[u8]| {
        // A name in DER: its length, then its bytes. The length tells "Root CA 1" from a longer name.
        let length = u8::try_from(common_name.len()).unwrap_or(0);
        let wanted = [&[length], common_name.as_bytes()].concat();
        der.windows(wanted.len()).any(|window| window == wanted)
    };
    let der = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().find(|der| named(der))?;
    Some(format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_root_is_shipped() {
        for name in ROOTS {
            assert!(root(name).is_some(), "{name}");
        }
    }
}
