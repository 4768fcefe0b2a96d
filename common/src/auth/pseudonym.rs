//! The pseudonym in the log of an account that a caller names without being signed in.
//!
//! Attempts against one account must be recognisable, but the log must not contain addresses. A
//! plain digest is not enough: anyone with a list of addresses could find them by trying. So it is
//! a keyed digest, with a key that only the functions that issue tokens have.

use std::fmt::Write as _;

use ring::hmac;

use super::access_token::Issuer;

/// The MAC key is also used for refresh tokens. This prefix keeps the two uses apart: a digest here
/// is never a valid MAC elsewhere.
const PURPOSE: &[u8] = b"tasklane: an account in the log\0";
/// Bytes of a digest: enough to tell accounts apart.
const LENGTH: usize = 8;

impl Issuer {
    /// A digest of an address in canonical form. It stays the same as long as the keys do.
    pub fn pseudonym(&self, address: &str) -> String {
        // SigningKeys always contain a MAC key.
        let digest = hmac::sign(&self.macs[0].key, &[PURPOSE, address.as_bytes()].concat());
        digest.as_ref()[..LENGTH]
            .iter()
            .fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::SigningKeys;

    #[test]
    fn a_pseudonym_is_stable_and_differs_between_accounts_and_stacks() {
        let keys = SigningKeys::generate("1").expect("keys");
        let issuer =
            |keys: &SigningKeys| Issuer::new(keys, "tasklane", "tasklane").expect("an issuer");
        let restarted = SigningKeys::parse(&keys.to_json()).expect("keys");
        let ada = issuer(&keys).pseudonym("ada@example.com");

        assert_eq!(ada.len(), 16, "{ada}");
        assert_eq!(issuer(&restarted).pseudonym("ada@example.com"), ada);
        assert_ne!(issuer(&keys).pseudonym("bob@example.com"), ada);
        assert_ne!(
            issuer(&SigningKeys::generate("1").expect("keys")).pseudonym("ada@example.com"),
            ada
        );
    }
}
