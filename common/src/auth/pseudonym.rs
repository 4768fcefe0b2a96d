//! What the log calls an account that somebody asks for who is not signed in.
//!
//! Attempts against one account must line up, and no address may be in a log. A plain digest would
//! not do: whoever has a list of addresses finds them by trying. So it is keyed, with a key that
//! only the functions that issue tokens have.

use std::fmt::Write as _;

use ring::hmac;

use super::access_token::Issuer;

/// The MAC key has another purpose too, so this one is named: what is a digest here is a MAC
/// nowhere else.
const PURPOSE: &[u8] = b"tasklane: an account in the log\0";
/// Bytes of a digest: enough to tell accounts apart.
const LENGTH: usize = 8;

impl Issuer {
    /// A digest of an address in canonical form; the same for as long as the keys are.
    pub fn pseudonym(&self, address: &str) -> String {
        // SigningKeys are never without a MAC key.
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
    fn a_pseudonym_is_the_same_after_a_restart_and_tells_accounts_and_stacks_apart() {
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
