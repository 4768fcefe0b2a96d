//! The certificate authorities that are trusted: reading a machine's few hundred is most of a usual cold start.

use std::path::Path;

use aws_smithy_http_client::tls::{TlsContext, TrustStore};

use crate::config::{SettingError, read_ca_file};

/// The roots that AWS endpoints chain to, and no others: looking seven up among all that browsers trust would cost a
/// function milliseconds at every start, and a tenth of a megabyte.
const ROOTS: &str = include_str!("roots.pem");

/// Trusts AWS, and whom this file names besides.
///
/// # Errors
/// The file cannot be read or used.
pub(crate) fn tls(ca_file: Option<&Path>) -> Result<TlsContext, SettingError> {
    let mut trusted = TrustStore::empty().with_pem_certificate(ROOTS);
    if let Some(path) = ca_file {
        trusted = trusted.with_pem_certificate(read_ca_file(path)?);
    }
    TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .map_err(|error| SettingError::new("TASKLANE_CA_FILE", format!("cannot be used ({error})")))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn every_root_is_one_that_mozilla_trusts() {
        let roots: Vec<_> = CertificateDer::pem_slice_iter(ROOTS.as_bytes()).collect::<Result<_, _>>().expect("certificates");
        assert_eq!(roots.len(), 7);
        for root in roots {
            assert!(webpki_root_certs::TLS_SERVER_ROOT_CERTS.contains(&root), "{root:?}");
        }
    }
}
