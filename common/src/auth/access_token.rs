//! Access tokens: JWTs (RFC 7519, RFC 9068) signed with Ed25519 (RFC 8037), verified without a call
//! to another service.
//!
//! Verification follows RFC 8725: one algorithm, chosen by the verifier; an explicit type; issuer
//! and audience are checked. The cryptography is ring's, as for TLS, so that a binary contains only
//! one crypto library.

use std::collections::HashSet;
use std::sync::Once;
use std::time::Duration;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::caller::Caller;
use super::keys::{KeyError, MacKey, PublicKeys, SigningKeys};
use super::known_tokens::{KnownToken, KnownTokens, TokenDigest};
use crate::auth::{Role, SessionId, UserId};
use crate::time::{Clock, SystemClock, Timestamp};

/// How long an access token is valid.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_mins(15);
/// The type of an access token (RFC 9068, section 2.1). No other token of this API has it.
const TYPE: &str = "at+jwt";

/// The claims of an access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccessClaims {
    pub iss: String,
    pub aud: String,
    pub sub: UserId,
    pub sid: SessionId,
    pub role: Role,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// The start of its validity. Tokens issued here do not have this claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// When it expires, in seconds since 1970.
    pub exp: i64,
    pub jti: Uuid,
}

/// The allowed difference between the clocks of two machines, in seconds.
const SKEW: i64 = 60;

/// Verifies access tokens. Checks the signature of each token only once.
pub struct Verifier {
    keys: Vec<VerifyingKey>,
    /// The longest validity of a token, in seconds.
    max_lifetime: i64,
    validation: Validation,
    known: KnownTokens,
}

struct VerifyingKey {
    kid: String,
    key: DecodingKey,
    /// When the key stops verifying, in seconds since 1970.
    ends: i64,
}

/// Issues access tokens, and holds the keys of refresh tokens.
pub struct Issuer {
    issuer: String,
    audience: String,
    header: Header,
    key: EncodingKey,
    pub(super) macs: Vec<MacKey>,
    sessions: Option<Duration>,
}

impl Verifier {
    /// Creates a verifier for tokens of this issuer and audience.
    ///
    /// # Errors
    /// A key cannot be read.
    pub fn new(keys: &PublicKeys, issuer: &str, audience: &str) -> Result<Self, KeyError> {
        install_provider();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.required_spec_claims =
            HashSet::from(["exp", "iss", "aud", "sub"].map(str::to_owned));
        // Expiry is checked against the app's clock, not the library's.
        validation.validate_exp = false;
        let max_lifetime = keys
            .max_token_lifetime
            .unwrap_or(ACCESS_TOKEN_LIFETIME.as_secs());
        let keys = keys.keys.iter().map(|key| {
            Ok(VerifyingKey {
                kid: key.kid.clone(),
                key: DecodingKey::from_ed_der(&key.bytes()?),
                ends: key.exp.unwrap_or(i64::MAX),
            })
        });
        Ok(Self {
            keys: keys.collect::<Result<_, KeyError>>()?,
            max_lifetime: i64::try_from(max_lifetime).unwrap_or(i64::MAX),
            validation,
            known: KnownTokens::default(),
        })
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// The reason why the token is invalid, for the log.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Caller, &'static str> {
        let name = TokenDigest::of(token);
        if let Some(known) = self.known.get(&name) {
            return known.at(now);
        }
        let verified = self.check(token, now)?;
        let caller = verified.at(now)?;
        self.known.keep(name, verified);
        Ok(caller)
    }

    /// Checks everything except expiry.
    fn check(&self, token: &str, now: Timestamp) -> Result<KnownToken, &'static str> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| "the token cannot be read")?;
        if !header
            .typ
            .as_deref()
            .is_some_and(|kind| kind.eq_ignore_ascii_case(TYPE))
        {
            return Err("the token is not an access token");
        }
        // No extension is supported here, so none may be critical (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err("the token has a critical extension");
        }
        let kid = header.kid.as_deref().ok_or("the token names no key")?;
        let key = self
            .keys
            .iter()
            .find(|known| known.kid == kid)
            .ok_or("the token's key is not known")?;
        if key.ends <= now.as_second() {
            return Err("the token's key has retired");
        }
        let token = jsonwebtoken::decode::<AccessClaims>(token, &key.key, &self.validation)
            .map_err(|error| reason(&error))?;
        let AccessClaims {
            sub: user,
            sid: session,
            role,
            iat,
            nbf,
            exp,
            ..
        } = token.claims;
        if exp.saturating_sub(iat) > self.max_lifetime {
            return Err("the token is valid for longer than any that is issued");
        }
        if iat.saturating_sub(SKEW) > now.as_second() {
            return Err("the token was issued in the future");
        }
        if nbf.is_some_and(|begins| begins > now.as_second()) {
            return Err("the token is not valid yet");
        }
        Ok(KnownToken {
            caller: Caller {
                user,
                session,
                role,
            },
            ends: exp.min(key.ends),
        })
    }
}

/// Why a token is invalid, for the log.
fn reason(error: &jsonwebtoken::errors::Error) -> &'static str {
    match error.kind() {
        ErrorKind::InvalidSignature => "the token's signature is wrong",
        ErrorKind::InvalidIssuer => "the token is of another issuer",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "the token's algorithm is not EdDSA"
        }
        ErrorKind::MissingRequiredClaim(_) => "the token lacks a claim",
        _ => "the token cannot be read",
    }
}

impl Issuer {
    /// Creates an issuer that signs with the first of these keys.
    ///
    /// # Errors
    /// There is no key.
    pub fn new(keys: &SigningKeys, issuer: &str, audience: &str) -> Result<Self, KeyError> {
        install_provider();
        // SigningKeys are never empty: parsing and generating them ensures that.
        let key = &keys.signatures[0];
        let header = Header {
            typ: Some(TYPE.to_owned()),
            kid: Some(key.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        Ok(Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            header,
            key: EncodingKey::from_ed_der(&key.seed),
            macs: keys.macs.clone(),
            sessions: None,
        })
    }

    /// Sets the longest lifetime of a session. A retired key of refresh tokens becomes void when
    /// all of its sessions have ended.
    #[must_use]
    pub fn with_sessions_of(mut self, lifetime: Duration) -> Self {
        self.sessions = Some(lifetime);
        self
    }

    /// The key of refresh tokens with this `kid`, unless it is void.
    pub(super) fn mac(&self, kid: &str) -> Option<&MacKey> {
        let ended = |key: &MacKey| {
            self.sessions
                .is_some_and(|sessions| key.ended(sessions, SystemClock.now()))
        };
        self.macs
            .iter()
            .find(|key| key.kid == kid)
            .filter(|key| !ended(key))
    }

    /// Issues a token for a session.
    ///
    /// # Errors
    /// The claims cannot be serialized, which would be a bug.
    pub fn issue(
        &self,
        user: UserId,
        session: SessionId,
        role: Role,
        now: Timestamp,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let claims = AccessClaims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user,
            sid: session,
            role,
            iat: now.as_second(),
            nbf: None,
            exp: now.plus(ACCESS_TOKEN_LIFETIME).as_second(),
            jti: Uuid::new_v4(),
        };
        self.sign(&claims)
    }

    /// Signs any claims.
    ///
    /// # Errors
    /// The claims cannot be serialized.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, jsonwebtoken::errors::Error> {
        jsonwebtoken::encode(&self.header, claims, &self.key)
    }
}

/// Makes ring's Ed25519 the only algorithm of jsonwebtoken.
fn install_provider() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| match algorithm {
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::from_seed_unchecked(key.as_bytes())
                    .map_err(|_| ErrorKind::InvalidEddsaKey)?;
                Ok(Box::new(Signer(pair)) as Box<dyn JwtSigner>)
            }
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        },
        verifier_factory: |algorithm, key| match algorithm {
            Algorithm::EdDSA => Ok(Box::new(SignatureVerifier(UnparsedPublicKey::new(
                &ED25519,
                key.try_get_as_bytes()?.to_vec(),
            ))) as Box<dyn JwtVerifier>),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        },
        key_utils: KeyUtils::new_unimplemented(),
    };
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // Fails only if another provider was already installed; that one works as well.
        let _ = PROVIDER.install_default();
    });
}

struct Signer(Ed25519KeyPair);

impl signature::Signer<Vec<u8>> for Signer {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl JwtSigner for Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct SignatureVerifier(UnparsedPublicKey<Vec<u8>>);

impl signature::Verifier<Vec<u8>> for SignatureVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.0
            .verify(message, signature)
            .map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for SignatureVerifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::OVERLAP;

    fn now() -> Timestamp {
        "2026-03-01T09:30:00Z".parse().expect("a time")
    }

    fn token(keys: &SigningKeys) -> String {
        let issuer = Issuer::new(keys, "tasklane", "tasklane").expect("keys");
        issuer
            .issue(UserId::new(now()), SessionId::new(now()), Role::User, now())
            .expect("issued")
    }

    #[test]
    fn a_token_is_valid_for_fifteen_minutes() {
        let keys = SigningKeys::generate("1").expect("generated");
        let verifier = Verifier::new(&keys.public(), "tasklane", "tasklane").expect("keys");
        let token = token(&keys);
        let expired = || {
            verifier
                .verify(&token, now().plus(ACCESS_TOKEN_LIFETIME))
                .expect_err("expired")
        };

        assert_eq!(
            expired(),
            "the token has expired",
            "when it is seen for the first time"
        );
        assert!(
            verifier
                .verify(
                    &token,
                    now()
                        .plus(ACCESS_TOKEN_LIFETIME)
                        .minus(Duration::from_secs(1))
                )
                .is_ok()
        );
        assert_eq!(expired(), "the token has expired", "when it is known");
    }

    #[test]
    fn a_cached_token_keeps_its_claims_and_validates_no_other_text() {
        let keys = SigningKeys::generate("1").expect("generated");
        let verifier = Verifier::new(&keys.public(), "tasklane", "tasklane").expect("keys");
        let mine = token(&keys);
        let other = token(&keys);
        let caller = |token: &str| {
            verifier
                .verify(token, now())
                .map(|caller| (caller.user, caller.session))
        };

        let me = caller(&mine).expect("valid");
        let somebody = caller(&other).expect("valid");

        assert_ne!(me, somebody);
        assert_eq!(
            (caller(&mine), caller(&other)),
            (Ok(me), Ok(somebody)),
            "known by now"
        );

        let (said, _) = mine.rsplit_once('.').expect("a signature");
        let (_, signature) = other.rsplit_once('.').expect("a signature");

        for wrong in [
            format!("{said}.{signature}"),
            format!("{mine}="),
            said.to_owned(),
            format!(" {mine}"),
        ] {
            for _ in 0..2 {
                assert!(caller(&wrong).is_err(), "{wrong}");
            }
        }
    }

    #[test]
    fn a_rotated_key_signs_and_the_old_one_still_verifies() {
        let mut keys = SigningKeys::generate("1").expect("generated");
        let old = token(&keys);
        let before = Verifier::new(&keys.public(), "tasklane", "tasklane").expect("keys");
        keys.rotate("2", now()).expect("rotated");

        let after = Verifier::new(&keys.public(), "tasklane", "tasklane").expect("keys");
        let new = token(&keys);

        assert!(after.verify(&old, now()).is_ok());
        assert!(after.verify(&new, now()).is_ok());
        assert_eq!(
            before.verify(&new, now()).expect_err("not known yet"),
            "the token's key is not known"
        );
    }

    #[test]
    fn a_retired_key_verifies_for_one_day_only() {
        let mut keys = SigningKeys::generate("1").expect("generated");
        let issuer = Issuer::new(&keys, "tasklane", "tasklane").expect("keys");
        keys.rotate("2", now()).expect("rotated");
        let verifier = Verifier::new(&keys.public(), "tasklane", "tasklane").expect("keys");
        let last = now().plus(OVERLAP).minus(Duration::from_secs(1));

        let token = issuer
            .issue(UserId::new(last), SessionId::new(last), Role::User, last)
            .expect("issued");
        assert!(verifier.verify(&token, last).is_ok());
        assert_eq!(
            verifier
                .verify(&token, now().plus(OVERLAP))
                .expect_err("known, but its key has ended"),
            "the token has expired"
        );

        let unseen = Verifier::new(&keys.public(), "tasklane", "tasklane").expect("keys");
        assert_eq!(
            unseen
                .verify(&token, now().plus(OVERLAP))
                .expect_err("too late"),
            "the token's key has retired"
        );
    }

    #[test]
    fn a_longer_lifetime_is_accepted_only_if_the_keys_allow_it() {
        let keys = SigningKeys::generate("1").expect("generated");
        let issuer = Issuer::new(&keys, "tasklane", "tasklane").expect("keys");
        let user = UserId::new(now());
        let session = SessionId::new(now());
        let at = now().as_second();
        let claims = serde_json::json!({
            "iss": "tasklane", "aud": "tasklane", "sub": user, "sid": session, "role": "user", "iat": at, "exp": at + 901, "jti": Uuid::nil(),
        });
        let token = issuer.sign(&claims).expect("signed");
        let verify = |public: &PublicKeys| {
            Verifier::new(public, "tasklane", "tasklane")
                .expect("keys")
                .verify(&token, now())
                .map(drop)
        };

        assert_eq!(
            verify(&keys.public()),
            Err("the token is valid for longer than any that is issued")
        );

        let sample = PublicKeys {
            max_token_lifetime: Some(901),
            ..keys.public()
        };
        assert_eq!(verify(&sample), Ok(()));
        assert!(
            !serde_json::to_string(&sample)
                .expect("JSON")
                .contains("max_token_lifetime")
        );
    }
}
