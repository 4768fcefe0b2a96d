//! The trusted certificate authorities. Reading the few hundred of the system would be most of a
//! usual cold start.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::config::{CA_FILE, SettingError, read_ca_file};

/// The root certificates of AWS endpoints in every partition, and no others: Amazon's own, which
/// include Starfield's, and DigiCert's, which the China regions use. Finding these seven among all
/// that browsers trust would cost a function milliseconds at every start, and a tenth of a
/// megabyte; reading them as PEM, three hundred thousand instructions.
///
/// Sources: https://www.amazontrust.com/repository/ and Mozilla's root program.
const ROOTS: [CertificateDer; 7] = [
    CertificateDer::from_slice(include_bytes!("roots/amazon-root-ca-1.der")),
    CertificateDer::from_slice(include_bytes!("roots/amazon-root-ca-2.der")),
    CertificateDer::from_slice(include_bytes!("roots/amazon-root-ca-3.der")),
    CertificateDer::from_slice(include_bytes!("roots/amazon-root-ca-4.der")),
    CertificateDer::from_slice(include_bytes!("roots/starfield-services-root-ca-g2.der")),
    CertificateDer::from_slice(include_bytes!("roots/digicert-global-root-g2.der")),
    CertificateDer::from_slice(include_bytes!("roots/digicert-global-root-g3.der")),
];

/// TLS 1.2 or 1.3 that trusts AWS's roots, and also those of this file.
///
/// # Errors
/// The file cannot be read or used.
pub(super) fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, SettingError> {
    let mut roots = match ca_file {
        Some(path) => read_ca_file(path)?,
        None => RootCertStore::empty(),
    };
    roots.add_parsable_certificates(ROOTS);
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|config| config.with_root_certificates(roots).with_no_client_auth())
        .map_err(|error| CA_FILE.error(format!("cannot be used ({error})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_root_is_one_that_mozilla_trusts_and_can_be_used() {
        for root in &ROOTS {
            assert!(
                webpki_root_certs::TLS_SERVER_ROOT_CERTS.contains(root),
                "{root:?}"
            );
        }

        assert_eq!(
            RootCertStore::empty().add_parsable_certificates(ROOTS),
            (7, 0)
        );
    }
}
