//! A cache of verified access tokens. A client sends the same token with every request for a
//! quarter of an hour, and verifying its signature would be most of a request's cost apart from its
//! store call.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::digest::{SHA256, digest};

use super::caller::Caller;
use crate::time::Timestamp;

/// The largest number of cached tokens: about two thirds of a megabyte.
const MOST: usize = 4_096;

/// The SHA-256 digest of a token, so that the token itself is not kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(super) fn of(token: &str) -> Self {
        let mut name = [0; 32];
        name.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(name)
    }
}

/// The claims of a token with a valid signature, and its expiry.
#[derive(Clone, Copy)]
pub(super) struct KnownToken {
    pub(super) caller: Caller,
    /// In seconds since 1970.
    pub(super) ends: i64,
}

impl KnownToken {
    /// The caller, unless the token has expired.
    pub(super) fn at(self, now: Timestamp) -> Result<Caller, &'static str> {
        if self.ends <= now.as_second() {
            Err("the token has expired")
        } else {
            Ok(self.caller)
        }
    }
}

/// The tokens that one set of keys has verified. Refused tokens are not cached.
#[derive(Default)]
pub(super) struct KnownTokens(Mutex<HashMap<TokenDigest, KnownToken>>);

impl KnownTokens {
    pub(super) fn get(&self, name: &TokenDigest) -> Option<KnownToken> {
        self.all().get(name).copied()
    }

    pub(super) fn keep(&self, name: TokenDigest, token: KnownToken) {
        let mut all = self.all();
        // The tokens still in use are soon verified again. Searching for the expired ones would be
        // repeated on every insert while the cache is full.
        if all.len() == MOST {
            all.clear();
        }
        all.insert(name, token);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<TokenDigest, KnownToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Role, SessionId, UserId};

    #[test]
    fn the_number_of_cached_tokens_is_bounded() {
        let now = "2026-03-01T09:30:00Z".parse().expect("a time");
        let token = KnownToken {
            caller: Caller {
                user: UserId::new(now),
                session: SessionId::new(now),
                role: Role::User,
            },
            ends: 0,
        };
        let known = KnownTokens::default();

        for number in 0..3 * MOST {
            let name = TokenDigest::of(&number.to_string());
            known.keep(name, token);

            assert!(known.get(&name).is_some(), "the last one is known");
            assert!(known.all().len() <= MOST);
        }
    }
}
