//! Passwords: the rules for new ones, hashing and verification.
//!
//! Rules: OWASP ASVS 5.0, V6.2 (8 to 256 characters, no composition rules, the most common refused,
//! never truncated); OWASP's password storage cheat sheet (Argon2id with at least 19 MiB, two
//! passes, one lane); and RFC 8265, so that different keyboards produce the same password. See
//! docs/security.md.

use std::fmt;
use std::net::IpAddr;

use argon2::Params;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use ring::rand::{SecureRandom, SystemRandom};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::admission::{Admission, Place};
use super::hashing::Hashing;
use crate::auth::UserId;
use crate::fields::{Faults, Field, fault};
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;

const MIN: usize = 8;
const MAX: usize = 256;
/// The most common passwords that are long enough, in lower case, one per line. They are from the
/// list of the crate `passwords` (MIT), a hundred thousand from leaks. As text it takes a fifth of
/// what the crate adds to a function, and no start-up time.
const COMMON: &str = include_str!("common-passwords.txt");

/// A password that a user typed to authenticate. Never shown, logged or stored.
#[derive(Clone, JsonSchema)]
#[schemars(inline, extend("minLength" = 1, "maxLength" = MAX, "format" = "password"))]
pub struct Password(String);

/// A password that may be set: 8 to 256 characters, counted in Unicode's normalization form C, and
/// not one of the most common.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(inline, extend("minLength" = MIN, "maxLength" = MAX, "format" = "password"))]
pub struct NewPassword(Password);

/// The stored hash: a PHC string with algorithm, parameters and salt.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

/// The cost of hashing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordSettings {
    /// Memory in KiB; at least 19,456.
    pub memory_kib: u32,
    /// Passes over it; at least 2.
    pub iterations: u32,
    /// How many hashes are computed in parallel.
    pub concurrency: usize,
    /// How many requests that hash are admitted at a time. One source may take a quarter of them.
    pub queue: usize,
}

pub struct Passwords {
    hashing: Hashing,
    admission: Admission,
    /// The hash that is used for an unknown address, so that it takes as long as a known one.
    nobody: PasswordHash,
}

/// Hashes and verifies passwords for one admitted request.
pub struct Hasher<'p> {
    passwords: &'p Passwords,
    _place: Place<'p>,
}

/// The result of verifying a password.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whether the password is correct.
    pub right: bool,
    /// Whether it should be hashed again: the parameters were raised since, or it was hashed before
    /// passwords were prepared.
    pub outdated: bool,
}

/// Prepares a password as OpaqueString does (RFC 8265, section 4.2): other spaces become ASCII
/// spaces, and the text becomes NFC, so that it does not matter which keyboard typed an accent. The
/// string class is not enforced: every character is allowed in a password.
fn prepare(sent: &str) -> String {
    let other_space = |c: char| {
        !c.is_ascii()
            && CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::SpaceSeparator
    };
    let spaced = sent.chars().map(|c| if other_space(c) { ' ' } else { c });
    ComposingNormalizerBorrowed::new_nfc()
        .normalize_iter(spaced)
        .collect()
}

fn check_length(text: &str, min: usize) -> Result<(), Faults> {
    let length = text.chars().count();
    if (min..=MAX).contains(&length) {
        Ok(())
    } else {
        Err(fault(format!(
            "must have {min} to {MAX} characters, has {length}"
        )))
    }
}

impl Field for Password {
    fn read(value: Value) -> Result<Self, Faults> {
        let sent = String::read(value)?;
        // A password that was set before passwords were prepared may now be too long.
        check_length(&sent, 1).or_else(|_| check_length(&prepare(&sent), 1))?;
        Ok(Self(sent))
    }
}

impl Field for NewPassword {
    fn read(value: Value) -> Result<Self, Faults> {
        let sent = String::read(value)?;
        let prepared = prepare(&sent);
        check_length(&prepared, MIN)?;
        let in_lower_case = prepared.to_lowercase();
        // Takes half a millisecond, before a hash that takes twenty.
        if COMMON.lines().any(|common| common == in_lower_case) {
            return Err(fault(
                "is one of the most common passwords; choose another one",
            ));
        }
        Ok(Self(Password(sent)))
    }
}

impl NewPassword {
    pub fn as_password(&self) -> &Password {
        &self.0
    }
}

impl Passwords {
    /// Hashes passwords with these settings.
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
        let hashing = Hashing::new(params, settings.concurrency);
        Ok(Self {
            hashing,
            admission: Admission::new(settings.queue),
            nobody,
        })
    }

    /// Admits a request from this source. Call it before any expensive work.
    ///
    /// # Errors
    /// 503 when too many are hashing or waiting for it, in total or from this source.
    pub fn admit(&self, source: IpAddr) -> Result<Hasher<'_>, Problem> {
        let place = self
            .admission
            .admit(source)
            .ok_or_else(|| Problem::unavailable("too many requests hash passwords"))?;
        Ok(Hasher {
            passwords: self,
            _place: place,
        })
    }
}

impl Hasher<'_> {
    /// Hashes a password with a new salt.
    ///
    /// # Errors
    /// 503 when the wait takes too long.
    pub async fn hash(&self, password: &NewPassword) -> Result<PasswordHash, Problem> {
        self.hash_any(password.as_password()).await
    }

    /// Hashes a verified password again with the current parameters.
    ///
    /// # Errors
    /// 503 when the wait takes too long.
    pub async fn rehash(&self, password: &Password) -> Result<PasswordHash, Problem> {
        self.hash_any(password).await
    }

    async fn hash_any(&self, password: &Password) -> Result<PasswordHash, Problem> {
        let mut salt = [0; 16];
        SystemRandom::new()
            .fill(&mut salt)
            .map_err(|_| Problem::internal("the system gives no random bytes"))?;
        let prepared = prepare(&password.0);
        let hashed = self
            .passwords
            .hashing
            .work(move |mut turn| turn.hash(prepared.as_bytes(), &salt))
            .await?;
        hashed
            .map(PasswordHash)
            .map_err(|error| Problem::internal(error.to_string()))
    }

    /// Verifies a password against a stored hash. Without one, it verifies against a fixed hash,
    /// which takes as long. The number of hashes computed depends only on the input: a second one
    /// if preparing the password changed it.
    ///
    /// # Errors
    /// 500 when the stored hash cannot be read, 503 when the wait takes too long.
    pub async fn verify(
        &self,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verified, Problem> {
        let known = stored.is_some();
        let (password, hash) = (
            password.clone(),
            stored.unwrap_or(&self.passwords.nobody).0.clone(),
        );
        let verified = self.passwords.hashing.work(move |mut turn| {
            let prepared = prepare(&password.0);
            let (right, outdated) = turn.verify(prepared.as_bytes(), &hash)?;
            if right || prepared == password.0 {
                return Ok((right, outdated));
            }
            // Hashed before passwords were prepared.
            turn.verify(password.0.as_bytes(), &hash)
                .map(|(right, _)| (right, true))
        });
        let (right, outdated) = verified
            .await?
            .map_err(|error: argon2::password_hash::Error| Problem::internal(error.to_string()))?;
        Ok(Verified {
            right: right && known,
            outdated,
        })
    }

    async fn fingerprint(&self, request: &str, salt: &str) -> Result<String, Problem> {
        let salt = ring::digest::digest(&ring::digest::SHA256, salt.as_bytes());
        let request = request.to_owned();
        let derived = self.passwords.hashing.work(move |mut turn| {
            let mut fingerprint = [0; 32];
            turn.derive(request.as_bytes(), salt.as_ref(), &mut fingerprint)
                .map(|()| STANDARD_NO_PAD.encode(fingerprint))
        });
        derived
            .await?
            .map_err(|error| Problem::internal(error.to_string()))
    }
}

impl IdempotencyKey {
    /// Replaces the fingerprint by one that is as slow to guess from as a stored password, for a
    /// request that contains passwords.
    ///
    /// # Errors
    /// 503 when the wait takes too long.
    pub async fn slowly(self, hasher: &Hasher<'_>, user: UserId) -> Result<Self, Problem> {
        let fingerprint = hasher
            .fingerprint(&self.fingerprint, &format!("{user}#{}", self.key))
            .await?;
        Ok(Self {
            fingerprint,
            ..self
        })
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

impl fmt::Debug for Hasher<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher(..)")
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

    const LOW: PasswordSettings = PasswordSettings {
        memory_kib: 64,
        iterations: 1,
        concurrency: 1,
        queue: 4,
    };
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn new_password(text: &str) -> Result<NewPassword, Faults> {
        NewPassword::read(Value::from(text))
    }

    fn password(text: &str) -> Password {
        Password::read(Value::from(text)).expect("a password")
    }

    /// A hash of the unprepared bytes, as in older versions.
    async fn hash_of_the_bytes(hasher: &Hasher<'_>, text: &str) -> PasswordHash {
        let text = text.to_owned();
        let hash = hasher
            .passwords
            .hashing
            .work(move |mut turn| turn.hash(text.as_bytes(), b"sixteen bytes..."))
            .await;
        PasswordHash(hash.expect("a turn").expect("hashed"))
    }

    #[tokio::test]
    async fn equivalent_unicode_passwords_verify() {
        let passwords = Passwords::new(LOW).expect("settings");
        let passwords = passwords.admit(HERE).expect("admitted");

        for (set, typed) in [
            ("cafe\u{301} au lait", "caf\u{e9} au lait"),
            ("caf\u{e9} au lait", "cafe\u{301} au lait"),
            ("\u{212b}ngstr\u{f6}m 1868", "A\u{30a}ngstro\u{308}m 1868"),
            ("a\u{a0}lane\u{3000}of\u{2003}tasks", "a lane of tasks"),
        ] {
            let hash = passwords
                .hash(&new_password(set).expect("valid"))
                .await
                .expect("hashed");

            let verified = passwords
                .verify(&password(typed), Some(&hash))
                .await
                .expect("verified");

            assert_eq!(
                verified,
                Verified {
                    right: true,
                    outdated: false
                },
                "{set} {typed}"
            );
        }

        // No other differences are ignored: width, case and compatibility forms still count.
        let hash = passwords
            .hash(&new_password("a lane of ta\u{fb01}").expect("valid"))
            .await
            .expect("hashed");
        for typed in [
            "a lane of tafi",
            "A lane of ta\u{fb01}",
            "\u{ff41} lane of ta\u{fb01}",
            " a lane of ta\u{fb01}",
        ] {
            assert!(
                !passwords
                    .verify(&password(typed), Some(&hash))
                    .await
                    .expect("verified")
                    .right,
                "{typed}"
            );
        }
    }

    #[tokio::test]
    async fn a_hash_from_before_passwords_were_prepared_still_verifies_and_is_outdated() {
        let passwords = Passwords::new(LOW).expect("settings");
        let passwords = passwords.admit(HERE).expect("admitted");
        let sent = "cafe\u{301} au lait";
        let old = hash_of_the_bytes(&passwords, sent).await;

        let verified = passwords
            .verify(&password(sent), Some(&old))
            .await
            .expect("verified");
        assert_eq!(
            verified,
            Verified {
                right: true,
                outdated: true
            }
        );

        let new = passwords.rehash(&password(sent)).await.expect("hashed");
        let verified = passwords
            .verify(&password("caf\u{e9} au lait"), Some(&new))
            .await
            .expect("verified");
        assert_eq!(
            verified,
            Verified {
                right: true,
                outdated: false
            }
        );
        assert!(
            !passwords
                .verify(&password("cafe au lait"), Some(&old))
                .await
                .expect("verified")
                .right
        );
    }

    #[test]
    fn the_length_and_the_common_list_apply_to_the_prepared_password() {
        assert!(new_password(&"e\u{301}".repeat(7)).is_err());
        assert!(new_password(&"e\u{301}".repeat(256)).is_ok());
        assert!(
            new_password("1\u{438}\u{306}2\u{446}3\u{443}4\u{43a}5\u{435}").expect_err("common")[0]
                .1
                .contains("most common")
        );
        // No character is refused.
        assert!(
            new_password("hello\u{a0}kitty").is_ok()
                && new_password("\u{fdfa} \0 \u{e0000} any").is_ok()
        );
        // 256 characters that NFC turns into twice as many were allowed in older versions.
        assert!(Password::read(Value::from("\u{958}".repeat(256))).is_ok());
        assert!(
            Password::read(Value::from("\u{958}".repeat(257))).is_err()
                && Password::read(Value::from("")).is_err()
        );
    }

    #[test]
    fn common_passwords_are_refused_in_any_case() {
        for common in ["password1", "PASSWORD1", "iloveyou", "qwertyuiop"] {
            assert!(
                new_password(common).expect_err(common)[0]
                    .1
                    .contains("most common")
            );
        }

        assert!(new_password("a lane of tasks").is_ok());
    }

    #[test]
    fn length_counts_characters_and_nothing_is_truncated() {
        assert!(new_password("1234567").is_err());
        assert!(new_password(&"\u{1f600}".repeat(256)).is_ok());
        assert!(new_password(&"\u{1f600}".repeat(257)).is_err());
    }

    #[tokio::test]
    async fn a_password_is_verified_to_its_last_character() {
        let passwords = Passwords::new(LOW).expect("settings");
        let passwords = passwords.admit(HERE).expect("admitted");
        let hash = passwords
            .hash(&new_password(&"x".repeat(200)).expect("valid"))
            .await
            .expect("hashed");
        let right = passwords
            .verify(&password(&"x".repeat(200)), Some(&hash))
            .await
            .expect("verified");

        assert_eq!(
            right,
            Verified {
                right: true,
                outdated: false
            }
        );
        assert!(
            !passwords
                .verify(&password(&"x".repeat(199)), Some(&hash))
                .await
                .expect("verified")
                .right
        );
    }

    #[tokio::test]
    async fn the_hash_for_unknown_accounts_matches_no_password() {
        let passwords = Passwords::new(LOW).expect("settings");
        let passwords = passwords.admit(HERE).expect("admitted");

        assert!(
            !passwords
                .verify(&password("whatever"), None)
                .await
                .expect("verified")
                .right
        );
    }

    #[tokio::test]
    async fn raised_parameters_make_a_hash_outdated() {
        let old = Passwords::new(LOW).expect("settings");
        let old = old.admit(HERE).expect("admitted");
        let hash = old
            .hash(&new_password("a lane of tasks").expect("valid"))
            .await
            .expect("hashed");
        let new = Passwords::new(PasswordSettings {
            iterations: 2,
            ..LOW
        })
        .expect("settings");
        let new = new.admit(HERE).expect("admitted");

        let verified = new
            .verify(&password("a lane of tasks"), Some(&hash))
            .await
            .expect("verified");

        assert_eq!(
            verified,
            Verified {
                right: true,
                outdated: true
            }
        );
    }
}
