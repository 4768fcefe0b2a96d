//! The certificate authorities that are trusted: reading a machine's few hundred is most of a usual cold start.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::config::{SettingError, read_ca_file};

/// The roots that AWS endpoints chain to, and no others: looking seven up among all that browsers trust would cost a
/// function milliseconds at every start, and a tenth of a megabyte.
const ROOTS: &str = include_str!("roots.pem");

/// TLS 1.2 or 1.3 with whoever AWS's roots vouch for, or those of this file.
///
/// # Errors
/// The file cannot be read or used.
pub(super) fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, SettingError> {
    let mut roots = match ca_file {
        Some(path) => read_ca_file(path)?,
        None => RootCertStore::empty(),
    };
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(ROOTS.as_bytes()).flatten());
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|config| config.with_root_certificates(roots).with_no_client_auth())
        .map_err(|error| SettingError::new("TASKLANE_CA_FILE", format!("cannot be used ({error})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_root_is_one_that_mozilla_trusts_and_can_be_used() {
        let roots: Vec<_> = CertificateDer::pem_slice_iter(ROOTS.as_bytes()).collect::<Result<_, _>>().expect("certificates");
        assert_eq!(roots.len(), 7);
        for root in &roots {
            assert!(webpki_root_certs::TLS_SERVER_ROOT_CERTS.contains(root), "{root:?}");
        }
        assert_eq!(RootCertStore::empty().add_parsable_certificates(roots), (7, 0));
    }
}
