//! Passwords: Argon2id, off the async threads, a bounded number at a time.
//!
//! Rules: OWASP ASVS 5.0, V6.2 (8 to 256 characters, no composition rules, the commonest refused, never truncated or
//! changed) and OWASP's password storage cheat sheet (Argon2id with 19 MiB, two passes, one lane, or more).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::contract::Once;
use crate::fields::{Faults, Field, fault};
use crate::problem::Problem;
use crate::users::UserId;

/// How long a request waits for its turn to hash: well within a function's time.
const PATIENCE: Duration = Duration::from_secs(5);
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
}

/// Hashes and verifies passwords.
pub struct Passwords {
    argon2: Argon2<'static>,
    turns: Arc<Semaphore>,
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
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            turns: Arc::new(Semaphore::new(settings.concurrency)),
            nobody,
        })
    }

    /// Hashes a password with a salt of its own.
    ///
    /// # Errors
    /// 503 when too many others are being hashed.
    pub async fn hash(&self, password: &NewPassword) -> Result<PasswordHash, Problem> {
        self.hash_any(password.as_password()).await
    }

    /// Hashes a verified password again, with the parameters of today.
    ///
    /// # Errors
    /// 503 when too many others are being hashed.
    pub async fn rehash(&self, password: &Password) -> Result<PasswordHash, Problem> {
        self.hash_any(password).await
    }

    async fn hash_any(&self, password: &Password) -> Result<PasswordHash, Problem> {
        let (argon2, password) = (self.argon2.clone(), password.clone());
        self.work(move || argon2.hash_password(password.0.as_bytes()).map(|hash: phc::PasswordHash| PasswordHash(hash.to_string())))
            .await?
            .map_err(|error| Problem::internal(error.to_string()))
    }

    /// Verifies a password against a stored hash; against nobody's when there is none, which takes as long.
    ///
    /// # Errors
    /// 500 when the stored hash cannot be read, 503 when too many others are being verified.
    pub async fn verify(&self, password: &Password, stored: Option<&PasswordHash>) -> Result<Verified, Problem> {
        let known = stored.is_some();
        let (argon2, password) = (self.argon2.clone(), password.clone());
        let text = stored.unwrap_or(&self.nobody).0.clone();
        let checked = self.work(move || {
            let hash = phc::PasswordHash::new(&text).map_err(|error| error.to_string())?;
            let outdated = !Params::try_from(&hash)
                .is_ok_and(|params| params.m_cost() >= argon2.params().m_cost() && params.t_cost() >= argon2.params().t_cost());
            Ok(Verified { right: argon2.verify_password(password.0.as_bytes(), &hash).is_ok(), outdated })
        });
        let verified = checked.await?.map_err(|error: String| Problem::internal(error))?;
        Ok(Verified { right: verified.right && known, ..verified })
    }

    async fn fingerprint(&self, request: &str, salt: &str) -> Result<String, Problem> {
        let argon2 = self.argon2.clone();
        let (request, salt) = (request.to_owned(), salt.to_owned());
        self.work(move || {
            let salt = ring::digest::digest(&ring::digest::SHA256, salt.as_bytes());
            let mut fingerprint = [0; 32];
            argon2.hash_password_into(request.as_bytes(), salt.as_ref(), &mut fingerprint).map(|()| STANDARD_NO_PAD.encode(fingerprint))
        })
        .await?
        .map_err(|error| Problem::internal(error.to_string()))
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned())
            .await
            .map_err(|_| Problem::unavailable("too many passwords are being hashed"))?
            .map_err(Problem::internal)?;
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        })
        .await
        .map_err(Problem::internal)
    }
}

impl Once {
    /// The same key with a fingerprint that is as slow to guess from as a stored password, for a request that holds
    /// passwords.
    ///
    /// # Errors
    /// 503 when too many passwords are being hashed.
    pub async fn slowly(self, passwords: &Passwords, user: UserId) -> Result<Self, Problem> {
        let fingerprint = passwords.fingerprint(&self.fingerprint, &format!("{user}#{}", self.key)).await?;
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

    const LOW: PasswordSettings = PasswordSettings { memory_kib: 64, iterations: 1, concurrency: 1 };

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
        let hash = passwords.hash(&new_password(&"x".repeat(200)).expect("valid")).await.expect("hashed");
        let right = passwords.verify(&Password("x".repeat(200)), Some(&hash)).await.expect("verified");
        assert_eq!(right, Verified { right: true, outdated: false });
        assert!(!passwords.verify(&Password("x".repeat(199)), Some(&hash)).await.expect("verified").right);
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        let passwords = Passwords::new(LOW).expect("settings");
        assert!(!passwords.verify(&Password("whatever".into()), None).await.expect("verified").right);
    }

    #[tokio::test]
    async fn raised_parameters_make_a_hash_outdated() {
        let old = Passwords::new(LOW).expect("settings");
        let hash = old.hash(&new_password("a lane of tasks").expect("valid")).await.expect("hashed");
        let new = Passwords::new(PasswordSettings { iterations: 2, ..LOW }).expect("settings");
        let verified = new.verify(&Password("a lane of tasks".into()), Some(&hash)).await.expect("verified");
        assert_eq!(verified, Verified { right: true, outdated: true });
    }
}
