//! Refresh tokens: opaque to clients, and useless to anyone who reads the database.
//!
//! A token contains its session and a generation, and a MAC over both; nothing of it is stored. It
//! is also reproducible: the successor of a generation is always the same token.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use uuid::Uuid;

use super::access_token::Issuer;
use crate::auth::{SessionId, UserId};

/// The prefix of every token, so that scanners can recognise a leaked one.
const PREFIX: &str = "tlr_";
/// The format version of the rest.
const VERSION: u8 = 1;
/// Version, user, session, generation.
const NAMED: usize = 1 + 16 + 16 + 4;
const MAC: usize = 32;

/// The contents of a refresh token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    pub user: UserId,
    pub session: SessionId,
    /// How often the session's token had been rotated when this one was issued.
    pub generation: u32,
}

impl RefreshToken {
    /// The token as text, authenticated with the issuer's current key.
    pub fn seal(self, issuer: &Issuer) -> String {
        // SigningKeys always contain a MAC key.
        let key = &issuer.macs[0];
        let head = format!("{PREFIX}{}.", key.kid);
        let named = self.to_bytes();
        let mac = sign(&key.key, &head, &named);
        head + &URL_SAFE_NO_PAD.encode([&named[..], mac.as_ref()].concat())
    }

    /// Parses and authenticates a token with the issuer's keys. `None` if it is invalid.
    pub fn open(text: &str, issuer: &Issuer) -> Option<Self> {
        let (kid, body) = text.strip_prefix(PREFIX)?.split_once('.')?;
        let key = issuer.mac(kid)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).ok()?;
        if bytes.len() != NAMED + MAC {
            return None;
        }
        let (named, mac) = bytes.split_at(NAMED);
        let head = &text[..text.len() - body.len()];
        // Compares in constant time.
        hmac::verify(&key.key, &[head.as_bytes(), named].concat(), mac).ok()?;
        Self::from_bytes(named)
    }

    /// The token that this one is exchanged for.
    #[must_use]
    pub fn successor(self) -> Self {
        Self {
            generation: self.generation.saturating_add(1),
            ..self
        }
    }

    fn to_bytes(self) -> [u8; NAMED] {
        let mut bytes = [VERSION; NAMED];
        bytes[1..17].copy_from_slice(self.user.as_bytes());
        bytes[17..33].copy_from_slice(self.session.as_bytes());
        bytes[33..].copy_from_slice(&self.generation.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if *bytes.first()? != VERSION {
            return None;
        }
        Some(Self {
            user: UserId::from_uuid(Uuid::from_slice(bytes.get(1..17)?).ok()?),
            session: SessionId::from_uuid(Uuid::from_slice(bytes.get(17..33)?).ok()?),
            generation: u32::from_be_bytes(bytes.get(33..NAMED)?.try_into().ok()?),
        })
    }
}

fn sign(key: &hmac::Key, head: &str, named: &[u8]) -> hmac::Tag {
    hmac::sign(key, &[head.as_bytes(), named].concat())
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RefreshToken(session {}, generation {})",
            self.session, self.generation
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::auth::SigningKeys;

    fn issuer(name: &str) -> Issuer {
        Issuer::new(
            &SigningKeys::generate(name).expect("generated"),
            "tasklane",
            "tasklane",
        )
        .expect("keys")
    }

    fn token(generation: u32) -> RefreshToken {
        RefreshToken {
            user: UserId::from_uuid(Uuid::from_u128(1)),
            session: SessionId::from_uuid(Uuid::from_u128(2)),
            generation,
        }
    }

    proptest! {
        #[test]
        fn a_token_is_parsed_and_a_changed_one_is_refused(generation: u32, at in 0usize..80, with in proptest::char::range('!', '~')) {
            let issuer = issuer("1");
            let sealed = token(generation).seal(&issuer);

            prop_assert_eq!(RefreshToken::open(&sealed, &issuer), Some(token(generation)));

            let mut changed: Vec<char> = sealed.chars().collect();
            let at = at % changed.len();
            if changed[at] != with {
                changed[at] = with;
                prop_assert_eq!(RefreshToken::open(&changed.into_iter().collect::<String>(), &issuer), None);
            }
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text in ".{0,200}") {
            prop_assert_eq!(RefreshToken::open(&text, &issuer("1")), None);

            let prefixed = format!("tlr_mac-1.{text}");
            prop_assert_eq!(RefreshToken::open(&prefixed, &issuer("1")), None);
        }
    }

    #[test]
    fn a_token_of_other_keys_is_refused() {
        assert_eq!(
            RefreshToken::open(&token(1).seal(&issuer("1")), &issuer("1")),
            None
        );
    }
}
