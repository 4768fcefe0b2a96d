//! Passwords: which may be set, and hashing and verifying them.
//!
//! Rules: OWASP ASVS 5.0, V6.2 (8 to 256 characters, no composition rules, the commonest refused, never truncated or
//! changed) and OWASP's password storage cheat sheet (Argon2id with 19 MiB, two passes, one lane, or more).

use std::fmt;
use std::net::IpAddr;

use argon2::Params;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hashing::Hashing;
use crate::contract::Once;
use crate::fields::{Faults, Field, fault};
use crate::problem::Problem;
use crate::users::UserId;

/// The shortest password that can be set, in characters.
const MIN: usize = 8;
/// The longest password, in characters.
const MAX: usize = 256;
/// The commonest passwords that are long enough, in lower case, a line each: those of the list of the crate `passwords` (MIT), which
/// has a hundred thousand from leaks. As text it takes a fifth of what the crate adds to a function, and no time at its start.
const COMMON: &str = include_str!("common-passwords.txt");

/// A password as somebody typed it to prove who they are. Never shown, logged or stored.
#[derive(Clone, JsonSchema)]
#[schemars(inline, extend("minLength" = 1, "maxLength" = MAX, "format" = "password"))]
pub struct Password(String);

/// A password that may be set: 8 to 256 characters, and none of the commonest.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(inline, extend("minLength" = MIN, "maxLength" = MAX, "format" = "password"))]
pub struct NewPassword(Password);

/// What is stored of a password: a PHC string that names algorithm, parameters and salt.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

/// How much work a hash is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordSettings {
    /// Memory in KiB; at least 19,456.
    pub memory_kib: u32,
    /// Passes over it; at least 2.
    pub iterations: u32,
    /// How many hashes are computed at a time.
    pub concurrency: usize,
    /// How many wait for their turn; one source takes a quarter of these places at most.
    pub queue: usize,
}

/// Hashes and verifies passwords.
pub struct Passwords {
    hashing: Hashing,
    /// What an unknown address is verified against, so that it takes as long as a known one.
    nobody: PasswordHash,
}

/// What verifying a password found.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whether it is the right one.
    pub right: bool,
    /// Whether it should be hashed again, because the parameters were raised since.
    pub outdated: bool,
}

impl Password {
    fn checked(text: String, min: usize) -> Result<Self, Faults> {
        let length = text.chars().count();
        if !(min..=MAX).contains(&length) {
            return Err(fault(format!("must have {min} to {MAX} characters, has {length}")));
        }
        Ok(Self(text))
    }
}

impl Field for Password {
    fn read(value: Value) -> Result<Self, Faults> {
        Self::checked(String::read(value)?, 1)
    }
}

impl Field for NewPassword {
    fn read(value: Value) -> Result<Self, Faults> {
        let password = Password::checked(String::read(value)?, MIN)?;
        let in_lower_case = password.0.to_lowercase();
        // Half a millisecond, before a hash that takes twenty.
        if COMMON.lines().any(|common| common == in_lower_case) {
            return Err(fault("is one of the commonest passwords; choose another one"));
        }
        Ok(Self(password))
    }
}

impl NewPassword {
    /// The password itself.
    pub fn as_password(&self) -> &Password {
        &self.0
    }
}

impl Passwords {
    /// A hasher with this much work.
    ///
    /// # Errors
    /// The parameters are out of Argon2's range.
    pub fn new(settings: PasswordSettings) -> Result<Self, argon2::Error> {
        let params = Params::new(settings.memory_kib, settings.iterations, 1, None)?;
        let nobody = PasswordHash(format!(
            "$argon2id$v=19$m={},t={},p=1${}${}",
            settings.memory_kib,
            settings.iterations,
            STANDARD_NO_PAD.encode([0; 16]),
            STANDARD_NO_PAD.encode([0; 32]),
        ));
        Ok(Self { hashing: Hashing::new(params, settings.concurrency, settings.queue), nobody })
    }

    /// Hashes a password that came from this source, with a salt of its own.
    ///
    /// # Errors
    /// 503 when too many others are waiting.
    pub async fn hash(&self, password: &NewPassword, source: IpAddr) -> Result<PasswordHash, Problem> {
        self.hash_any(password.as_password(), source).await
    }

    /// Hashes a verified password again, with the parameters of today.
    ///
    /// # Errors
    /// 503 when too many others are waiting.
    pub async fn rehash(&self, password: &Password, source: IpAddr) -> Result<PasswordHash, Problem> {
        self.hash_any(password, source).await
    }

    async fn hash_any(&self, password: &Password, source: IpAddr) -> Result<PasswordHash, Problem> {
        let mut salt = [0; 16];
        SystemRandom::new().fill(&mut salt).map_err(|_| Problem::internal("the machine gives no random bytes"))?;
        let password = password.clone();
        let hashed = self.hashing.work(source, move |mut turn| turn.hash(password.0.as_bytes(), &salt)).await?;
        hashed.map(PasswordHash).map_err(|error| Problem::internal(error.to_string()))
    }

    /// Verifies a password against a stored hash; against nobody's when there is none, which takes as long.
    ///
    /// # Errors
    /// 500 when the stored hash cannot be read, 503 when too many others are waiting.
    pub async fn verify(&self, password: &Password, stored: Option<&PasswordHash>, source: IpAddr) -> Result<Verified, Problem> {
        let known = stored.is_some();
        let (password, hash) = (password.clone(), stored.unwrap_or(&self.nobody).0.clone());
        let verified = self.hashing.work(source, move |mut turn| turn.verify(password.0.as_bytes(), &hash)).await?;
        let (right, outdated) = verified.map_err(|error| Problem::internal(error.to_string()))?;
        Ok(Verified { right: right && known, outdated })
    }

    async fn fingerprint(&self, request: &str, salt: &str, source: IpAddr) -> Result<String, Problem> {
        let salt = ring::digest::digest(&ring::digest::SHA256, salt.as_bytes());
        let request = request.to_owned();
        let derived = self.hashing.work(source, move |mut turn| {
            let mut fingerprint = [0; 32];
            turn.derive(request.as_bytes(), salt.as_ref(), &mut fingerprint).map(|()| STANDARD_NO_PAD.encode(fingerprint))
        });
        derived.await?.map_err(|error| Problem::internal(error.to_string()))
    }
}

impl Once {
    /// The same key with a fingerprint that is as slow to guess from as a stored password, for a request that holds
    /// passwords.
    ///
    /// # Errors
    /// 503 when too many others are waiting.
    pub async fn slowly(self, passwords: &Passwords, user: UserId, source: IpAddr) -> Result<Self, Problem> {
        let fingerprint = passwords.fingerprint(&self.fingerprint, &format!("{user}#{}", self.key), source).await?;
        Ok(Self { fingerprint, ..self })
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passwords(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: PasswordSettings = PasswordSettings { memory_kib: 64, iterations: 1, concurrency: 1, queue: 4 };
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn new_password(text: &str) -> Result<NewPassword, Faults> {
        NewPassword::read(Value::from(text))
    }

    #[test]
    fn the_commonest_passwords_are_refused_whatever_their_case() {
        for common in ["password1", "PASSWORD1", "iloveyou", "qwertyuiop"] {
            assert!(new_password(common).expect_err(common)[0].1.contains("commonest"));
        }
        assert!(new_password("a lane of tasks").is_ok());
    }

    #[test]
    fn length_counts_characters_and_nothing_is_cut() {
        assert!(new_password("1234567").is_err());
        assert!(new_password(&"\u{1f600}".repeat(256)).is_ok());
        assert!(new_password(&"\u{1f600}".repeat(257)).is_err());
    }

    #[tokio::test]
    async fn a_password_is_verified_to_its_last_character() {
        let passwords = Passwords::new(LOW).expect("settings");
        let hash = passwords.hash(&new_password(&"x".repeat(200)).expect("valid"), HERE).await.expect("hashed");
        let right = passwords.verify(&Password("x".repeat(200)), Some(&hash), HERE).await.expect("verified");
        assert_eq!(right, Verified { right: true, outdated: false });
        assert!(!passwords.verify(&Password("x".repeat(199)), Some(&hash), HERE).await.expect("verified").right);
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        let passwords = Passwords::new(LOW).expect("settings");
        assert!(!passwords.verify(&Password("whatever".into()), None, HERE).await.expect("verified").right);
    }

    #[tokio::test]
    async fn raised_parameters_make_a_hash_outdated() {
        let old = Passwords::new(LOW).expect("settings");
        let hash = old.hash(&new_password("a lane of tasks").expect("valid"), HERE).await.expect("hashed");
        let new = Passwords::new(PasswordSettings { iterations: 2, ..LOW }).expect("settings");
        let verified = new.verify(&Password("a lane of tasks".into()), Some(&hash), HERE).await.expect("verified");
        assert_eq!(verified, Verified { right: true, outdated: true });
    }
}
