//! The file of `TASKLANE_CA_FILE`, checked before it is used: TLS libraries panic on an invalid
//! one.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::SettingError;

/// Reads the certificates of this PEM file.
///
/// # Errors
/// The file cannot be read, contains no certificate, or contains an invalid one.
pub(crate) fn read_ca_file(path: &Path) -> Result<RootCertStore, SettingError> {
    let unusable = |reason: String| super::CA_FILE.error(format!("cannot be used ({reason})"));
    let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() {
        Err(unusable("there is no certificate in it".to_owned()))
    } else {
        Ok(roots)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn framed(text: &str) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    fn read(content: &str) -> Result<RootCertStore, SettingError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), content).expect("written");
        read_ca_file(file.path())
    }

    #[test]
    fn a_file_without_a_usable_certificate_is_reported_without_a_panic() {
        for content in [
            String::new(),
            "no certificate".to_owned(),
            framed("@@@"),
            framed("c2VjcmV0"),
            "-----BEGIN CERTIFICATE-----".to_owned(),
        ] {
            let refusal = read(&content).expect_err(&content).to_string();

            assert!(
                refusal.starts_with("TASKLANE_CA_FILE cannot be used ("),
                "{content}"
            );
        }

        assert!(read_ca_file(Path::new("/nowhere/ca.pem")).is_err());
    }

    #[test]
    fn every_certificate_of_a_usable_file_is_read() {
        let authorities = &webpki_root_certs::TLS_SERVER_ROOT_CERTS[..2];
        let content = authorities
            .iter()
            .map(|authority| framed(&STANDARD.encode(authority)))
            .collect::<String>();

        assert_eq!(read(&content).expect("usable").len(), 2);
    }
}
