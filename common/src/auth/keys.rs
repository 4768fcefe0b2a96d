//! Keys as JWK sets (RFC 7517, RFC 8037): public keys verify access tokens, private keys issue
//! tokens.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// How long an old key still verifies access tokens after a new one has started to sign. This
/// covers the tokens' lifetime, and the time of a deployment or restart, during which the old key
/// still signs.
pub const OVERLAP: Duration = Duration::from_hours(24);

/// The keys that verify access tokens, by `kid`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublicKeys {
    /// The keys.
    pub keys: Vec<PublicKey>,
    /// The longest validity of a token of these keys, in seconds. Without it: the lifetime of an
    /// issued token. The sample events' tokens, which are public, outlive every deployment. Not
    /// published.
    #[serde(default, skip_serializing)]
    #[schemars(skip)]
    pub max_token_lifetime: Option<u64>,
}

/// An Ed25519 public key (RFC 8037, section 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublicKey {
    /// Always `OKP`.
    pub kty: String,
    /// Always `Ed25519`.
    pub crv: String,
    /// Always `sig`.
    pub r#use: String,
    /// Always `EdDSA`.
    pub alg: String,
    /// The key's identifier in a token's header.
    pub kid: String,
    /// The key: 32 bytes in base64url.
    pub x: String,
    /// When the key stops verifying, in seconds since 1970; absent for a key that signs or will
    /// sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
}

/// The keys that issue tokens. The first of each kind signs, the others still verify.
#[derive(Clone)]
pub struct SigningKeys {
    pub(super) signatures: Vec<SignatureKey>,
    pub(super) macs: Vec<MacKey>,
}

/// An Ed25519 key pair.
#[derive(Clone)]
pub(super) struct SignatureKey {
    pub(super) kid: String,
    pub(super) seed: [u8; 32],
    pub(super) public: [u8; 32],
    retired_at: Option<i64>,
}

/// A key that authenticates refresh tokens (HMAC with SHA-256).
#[derive(Clone)]
pub(super) struct MacKey {
    pub(super) kid: String,
    pub(super) key: hmac::Key,
    secret: Vec<u8>,
    retired_at: Option<i64>,
}

/// Why a key set cannot be used. Never contains the values of keys.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(String);

#[derive(Serialize, Deserialize)]
struct PrivateSet {
    keys: Vec<PrivateKey>,
}

#[derive(Serialize, Deserialize)]
struct PrivateKey {
    kty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    r#use: String,
    alg: String,
    kid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    k: Option<String>,
    /// When another key replaced it, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired_at: Option<i64>,
}

impl PublicKeys {
    /// Parses a JWK set. Each key must be an Ed25519 signature key with a unique `kid`.
    ///
    /// # Errors
    /// It is not such a set, or it is empty.
    pub fn parse(json: &str) -> Result<Self, KeyError> {
        let set: Self = serde_json::from_str(json)
            .map_err(|error| KeyError(format!("is no JWK set of Ed25519 keys ({error})")))?;
        if set.keys.is_empty() {
            return Err(KeyError("holds no key".to_owned()));
        }
        for key in &set.keys {
            if (
                key.kty.as_str(),
                key.crv.as_str(),
                key.r#use.as_str(),
                key.alg.as_str(),
            ) != ("OKP", "Ed25519", "sig", "EdDSA")
            {
                return Err(KeyError(format!(
                    "key {:?} must have kty OKP, crv Ed25519, use sig and alg EdDSA",
                    key.kid
                )));
            }
            key.bytes()?;
        }
        check_kids(set.keys.iter().map(|key| key.kid.as_str()))?;
        Ok(set)
    }

    /// The keys that verify tokens at this time.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        let mut live = self.clone();
        live.keys
            .retain(|key| key.exp.is_none_or(|end| now.as_second() < end));
        live
    }
}

impl PublicKey {
    /// The key's 32 bytes.
    pub(super) fn bytes(&self) -> Result<[u8; 32], KeyError> {
        decode(&self.kid, "x", Some(&self.x))
    }
}

impl SigningKeys {
    /// Generates one new key of each kind.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn generate(kid: &str) -> Result<Self, KeyError> {
        let mut keys = Self {
            signatures: Vec::new(),
            macs: Vec::new(),
        };
        keys.add(kid)?;
        Ok(keys)
    }

    /// Adds new keys at the front. They sign from now on; the old keys still verify what they
    /// signed.
    ///
    /// # Errors
    /// The system has no random bytes, or the `kid` is already used.
    pub fn rotate(&mut self, kid: &str, now: Timestamp) -> Result<(), KeyError> {
        self.add(kid)?;
        self.retire(now);
        Ok(())
    }

    /// Marks all keys except the signing ones as retired, unless they already are.
    pub fn retire(&mut self, now: Timestamp) {
        let signatures = self
            .signatures
            .iter_mut()
            .skip(1)
            .map(|key| &mut key.retired_at);
        let macs = self.macs.iter_mut().skip(1).map(|key| &mut key.retired_at);
        for retired_at in signatures.chain(macs) {
            retired_at.get_or_insert(now.as_second());
        }
    }

    /// Removes the keys whose tokens have all expired. `sessions` is the longest lifetime of a
    /// session.
    pub fn drop_ended(&mut self, now: Timestamp, sessions: Duration) {
        self.signatures
            .retain(|key| !ended(key.retired_at, Duration::ZERO, now));
        self.macs.retain(|key| !key.ended(sessions, now));
    }

    /// Removes every key except the signing ones. Tokens of the removed keys are refused from then
    /// on.
    pub fn revoke(&mut self) {
        self.signatures.truncate(1);
        self.macs.truncate(1);
    }

    fn add(&mut self, kid: &str) -> Result<(), KeyError> {
        let (mut seed, mut secret) = ([0; 32], [0; 32]);
        let random = SystemRandom::new();
        random
            .fill(&mut seed)
            .and_then(|()| random.fill(&mut secret))
            .map_err(|_| KeyError("no random bytes".to_owned()))?;
        self.signatures
            .insert(0, SignatureKey::new(format!("sig-{kid}"), seed)?);
        self.macs
            .insert(0, MacKey::new(format!("mac-{kid}"), secret.to_vec()));
        self.check()
    }

    /// Parses a JWK set of private keys: at least one `OKP` (Ed25519, signs access tokens) and one
    /// `oct` (HS256, authenticates refresh tokens).
    ///
    /// # Errors
    /// It is not such a set.
    pub fn parse(json: &str) -> Result<Self, KeyError> {
        // serde's message is left out: it may quote part of a key.
        let set: PrivateSet = serde_json::from_str(json).map_err(|error| {
            KeyError(format!(
                "is no JWK set of private keys (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
        let mut keys = Self {
            signatures: Vec::new(),
            macs: Vec::new(),
        };
        for key in set.keys {
            match (key.kty.as_str(), key.crv.as_deref(), key.alg.as_str()) {
                ("OKP", Some("Ed25519"), "EdDSA") => {
                    let pair = SignatureKey::new(
                        key.kid.clone(),
                        decode(&key.kid, "d", key.d.as_deref())?,
                    )?;
                    let pair = SignatureKey {
                        retired_at: key.retired_at,
                        ..pair
                    };
                    if pair.public != decode(&key.kid, "x", key.x.as_deref())? {
                        return Err(KeyError(format!(
                            "key {:?}: x is not the public key of d",
                            key.kid
                        )));
                    }
                    keys.signatures.push(pair);
                }
                ("oct", None, "HS256") => {
                    let secret: [u8; 32] = decode(&key.kid, "k", key.k.as_deref())?;
                    keys.macs.push(MacKey {
                        retired_at: key.retired_at,
                        ..MacKey::new(key.kid, secret.to_vec())
                    });
                }
                _ => {
                    return Err(KeyError(format!(
                        "key {:?} must be OKP with crv Ed25519 and alg EdDSA, or oct with alg HS256",
                        key.kid
                    )));
                }
            }
        }
        keys.check()?;
        Ok(keys)
    }

    /// The set as JSON, including the private parts.
    pub fn to_json(&self) -> String {
        let signatures = self.signatures.iter().map(|key| PrivateKey {
            kty: "OKP".into(),
            crv: Some("Ed25519".into()),
            r#use: "sig".into(),
            alg: "EdDSA".into(),
            kid: key.kid.clone(),
            x: Some(URL_SAFE_NO_PAD.encode(key.public)),
            d: Some(URL_SAFE_NO_PAD.encode(key.seed)),
            k: None,
            retired_at: key.retired_at,
        });
        let macs = self.macs.iter().map(|key| PrivateKey {
            kty: "oct".into(),
            crv: None,
            r#use: "sig".into(),
            alg: "HS256".into(),
            kid: key.kid.clone(),
            x: None,
            d: None,
            k: Some(URL_SAFE_NO_PAD.encode(&key.secret)),
            retired_at: key.retired_at,
        });
        let set = PrivateSet {
            keys: signatures.chain(macs).collect(),
        };
        serde_json::to_string_pretty(&set).unwrap_or_default()
    }

    /// The public keys of the signing keys.
    pub fn public(&self) -> PublicKeys {
        let keys = self.signatures.iter().map(|key| PublicKey {
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            r#use: "sig".into(),
            alg: "EdDSA".into(),
            kid: key.kid.clone(),
            x: URL_SAFE_NO_PAD.encode(key.public),
            exp: key
                .retired_at
                .map(|retired| retired.saturating_add(seconds(OVERLAP))),
        });
        PublicKeys {
            keys: keys.collect(),
            max_token_lifetime: None,
        }
    }

    fn check(&self) -> Result<(), KeyError> {
        if self.signatures.is_empty() {
            return Err(KeyError("holds no OKP key".to_owned()));
        }
        if self.macs.is_empty() {
            return Err(KeyError("holds no oct key".to_owned()));
        }
        check_kids(
            self.signatures
                .iter()
                .map(|key| key.kid.as_str())
                .chain(self.macs.iter().map(|key| key.kid.as_str())),
        )
    }
}

impl SignatureKey {
    fn new(kid: String, seed: [u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed)
            .map_err(|_| KeyError(format!("key {kid:?}: d is no Ed25519 seed")))?;
        let public = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| KeyError(format!("key {kid:?} has no public key")))?;
        Ok(Self {
            kid,
            seed,
            public,
            retired_at: None,
        })
    }
}

impl MacKey {
    fn new(kid: String, secret: Vec<u8>) -> Self {
        Self {
            kid,
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            secret,
            retired_at: None,
        }
    }

    /// Whether every refresh token of this key has expired. `sessions` is the longest lifetime of a
    /// session.
    pub(super) fn ended(&self, sessions: Duration, now: Timestamp) -> bool {
        ended(self.retired_at, sessions, now)
    }
}

/// Whether all tokens of a key have expired. `tokens` is the lifetime of its tokens.
fn ended(retired_at: Option<i64>, tokens: Duration, now: Timestamp) -> bool {
    let lifetime = seconds(tokens).saturating_add(seconds(OVERLAP));
    retired_at.is_some_and(|retired| retired.saturating_add(lifetime) <= now.as_second())
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

fn decode(kid: &str, member: &str, text: Option<&str>) -> Result<[u8; 32], KeyError> {
    text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| {
            KeyError(format!(
                "key {kid:?}: {member} must be 32 bytes in base64url"
            ))
        })
}

/// A `kid` is required and unique. Tokens contain it, so only plain characters are allowed.
fn check_kids<'a>(kids: impl Iterator<Item = &'a str>) -> Result<(), KeyError> {
    let mut seen = Vec::new();
    for kid in kids {
        if kid.is_empty()
            || kid.len() > 64
            || !kid
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        {
            return Err(KeyError(format!(
                "kid {kid:?} must have 1 to 64 letters, digits, hyphens or underscores"
            )));
        }
        if seen.contains(&kid) {
            return Err(KeyError(format!("kid {kid:?} occurs more than once")));
        }
        seen.push(kid);
    }
    Ok(())
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeys(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_set_is_unchanged_by_writing_and_reading() {
        let mut keys = SigningKeys::generate("1").expect("generated");
        keys.rotate("2", now()).expect("rotated");

        let read = SigningKeys::parse(&keys.to_json()).expect("read");

        assert_eq!(read.to_json(), keys.to_json());
        assert_eq!(read.public().keys[0].kid, "sig-2");
        assert!(
            !serde_json::to_string(&read.public())
                .expect("JSON")
                .contains("\"d\"")
        );
    }

    fn now() -> Timestamp {
        "2026-03-01T09:30:00Z".parse().expect("a time")
    }

    #[test]
    fn an_old_key_is_dropped_when_its_tokens_have_ended_and_not_before() {
        const SESSIONS: Duration = Duration::from_hours(24 * 90);
        let mut keys = SigningKeys::generate("1").expect("generated");
        keys.rotate("2", now()).expect("rotated");
        let after = |time: Duration| {
            let mut keys = keys.clone();
            keys.drop_ended(now().plus(time), SESSIONS);
            (keys.signatures.len(), keys.macs.len())
        };

        let second = Duration::from_secs(1);
        assert_eq!(after(OVERLAP - second), (2, 2));
        assert_eq!(after(OVERLAP), (1, 2));
        assert_eq!(after(SESSIONS + OVERLAP - second), (1, 2));
        assert_eq!(after(SESSIONS + OVERLAP), (1, 1));

        // A second rotation does not extend the life of the first key.
        keys.rotate("3", now().plus(OVERLAP - second))
            .expect("rotated");
        keys.drop_ended(now().plus(OVERLAP), SESSIONS);
        assert_eq!(
            keys.signatures
                .iter()
                .map(|key| key.kid.as_str())
                .collect::<Vec<_>>(),
            ["sig-3", "sig-2"]
        );

        keys.revoke();
        assert_eq!(
            (
                keys.signatures.len(),
                keys.macs.len(),
                keys.signatures[0].kid.as_str()
            ),
            (1, 1, "sig-3")
        );
    }

    #[test]
    fn an_unusable_set_is_reported_without_its_secrets() {
        let json = SigningKeys::generate("1").expect("generated").to_json();

        for (bad, why) in [
            (json.replace("HS256", "HS512"), "alg HS256"),
            (json.replace("sig-1", ""), "kid"),
            ("{\"keys\": []}".to_owned(), "no OKP key"),
            ("[]".to_owned(), "no JWK set"),
        ] {
            let error = SigningKeys::parse(&bad).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
