//! Keys, tokens and passwords as parts, and their settings.

use std::sync::Arc;
use std::time::Duration;

use super::access_token::{Issuer, Verifier};
use super::keys::{PublicKeys, SigningKeys};
use super::passwords::{PasswordSettings, Passwords};
use crate::aws::{Aws, KeyTable};
use crate::config::{Environment, IN_TABLE, SIGNING_KEYS, Setting, SettingError};
use crate::part::{Part, StartError, Starter, Unreadable};

const PUBLIC_KEYS: Setting = Setting::required(
    "TASKLANE_PUBLIC_KEYS",
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"sig-1","x":"..."}]}"#,
);
pub const KEYS_TABLE: Setting = Setting::new("TASKLANE_KEYS_TABLE", "tasklane-keys");
const TOKEN_ISSUER: Setting = Setting::new("TASKLANE_TOKEN_ISSUER", "tasklane");
const TOKEN_AUDIENCE: Setting = Setting::new("TASKLANE_TOKEN_AUDIENCE", "tasklane");
const SESSION_IDLE: Setting = Setting::new("TASKLANE_SESSION_IDLE", "30d");
const SESSION_ABSOLUTE: Setting = Setting::new("TASKLANE_SESSION_ABSOLUTE", "90d");
const PASSWORD_MEMORY_KIB: Setting = Setting::new("TASKLANE_PASSWORD_MEMORY_KIB", "19456");
const PASSWORD_ITERATIONS: Setting = Setting::new("TASKLANE_PASSWORD_ITERATIONS", "2");
const PASSWORD_CONCURRENCY: Setting = Setting::new("TASKLANE_PASSWORD_CONCURRENCY", "2");
const PASSWORD_QUEUE: Setting = Setting::new("TASKLANE_PASSWORD_QUEUE", "48");

/// The minimum work of a password hash, from OWASP's password storage cheat sheet.
const MIN_MEMORY_KIB: u32 = 19_456;
const MIN_ITERATIONS: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLifetimes {
    /// When not refreshed.
    pub idle: Duration,
    /// In total.
    pub absolute: Duration,
}

impl SessionLifetimes {
    /// Reads the lifetimes from the environment.
    ///
    /// # Errors
    /// A setting is malformed.
    pub fn read(environment: Environment<'_>) -> Result<Self, SettingError> {
        let absolute = environment.duration(&SESSION_ABSOLUTE)?;
        Ok(Self {
            idle: environment.duration(&SESSION_IDLE)?.min(absolute),
            absolute,
        })
    }
}

impl Part for SessionLifetimes {
    fn settings() -> Vec<Setting> {
        vec![SESSION_IDLE, SESSION_ABSOLUTE]
    }

    async fn start(starter: &Starter<'_>) -> Result<Self, StartError> {
        Ok(Self::read(starter.environment)?)
    }
}

impl Part for Arc<PublicKeys> {
    fn settings() -> Vec<Setting> {
        vec![PUBLIC_KEYS]
    }

    async fn start(starter: &Starter<'_>) -> Result<Self, StartError> {
        Ok(Self::new(
            starter.environment.parse(&PUBLIC_KEYS, PublicKeys::parse)?,
        ))
    }
}

impl Part for Arc<Verifier> {
    fn settings() -> Vec<Setting> {
        [
            Arc::<PublicKeys>::settings(),
            vec![TOKEN_ISSUER, TOKEN_AUDIENCE],
        ]
        .concat()
    }

    async fn start(starter: &Starter<'_>) -> Result<Self, StartError> {
        let keys: Arc<PublicKeys> = starter.part().await?;
        let issuer = starter.environment.text(&TOKEN_ISSUER)?;
        let audience = starter.environment.text(&TOKEN_AUDIENCE)?;
        let verifier = Verifier::new(&keys, &issuer, &audience);
        Ok(Self::new(
            verifier.map_err(|error| PUBLIC_KEYS.error(error.to_string()))?,
        ))
    }
}

impl Part for Arc<SigningKeys> {
    fn settings() -> Vec<Setting> {
        [Aws::settings(), vec![SIGNING_KEYS, KEYS_TABLE]].concat()
    }

    /// The keys are in the setting itself, or in the table of signing keys.
    async fn start(starter: &Starter<'_>) -> Result<Self, StartError> {
        let environment = starter.environment;
        let given = environment.variable(SIGNING_KEYS.name).unwrap_or_default();
        let keys = match given.trim().strip_prefix(IN_TABLE) {
            Some(name) => {
                let table = KeyTable::new(starter.part().await?, environment.text(&KEYS_TABLE)?);
                let keys = table.get(name).await.map_err(Unreadable::from);
                let keys = keys.and_then(|keys| keys.ok_or_else(Unreadable::missing));
                let keys = keys.map_err(|cause| cause.of(SIGNING_KEYS, "no_signing_keys"))?;
                // Invalid keys are a permanent error: an item is written only once.
                SigningKeys::parse(keys.trim())
                    .map_err(|error| SIGNING_KEYS.error(error.to_string()))?
            }
            None => environment.parse(&SIGNING_KEYS, SigningKeys::parse)?,
        };
        Ok(Self::new(keys))
    }
}

impl Part for Arc<Issuer> {
    fn settings() -> Vec<Setting> {
        let own = vec![TOKEN_ISSUER, TOKEN_AUDIENCE];
        [
            Arc::<SigningKeys>::settings(),
            SessionLifetimes::settings(),
            own,
        ]
        .concat()
    }

    async fn start(starter: &Starter<'_>) -> Result<Self, StartError> {
        let issuer = starter.environment.text(&TOKEN_ISSUER)?;
        let audience = starter.environment.text(&TOKEN_AUDIENCE)?;
        let lifetimes: SessionLifetimes = starter.part().await?;
        let keys: Arc<SigningKeys> = starter.part().await?;
        let issuer = Issuer::new(&keys, &issuer, &audience)
            .map_err(|error| SIGNING_KEYS.error(error.to_string()))?;
        Ok(Self::new(issuer.with_sessions_of(lifetimes.absolute)))
    }
}

impl Part for Arc<Passwords> {
    fn settings() -> Vec<Setting> {
        vec![
            PASSWORD_MEMORY_KIB,
            PASSWORD_ITERATIONS,
            PASSWORD_CONCURRENCY,
            PASSWORD_QUEUE,
        ]
    }

    async fn start(starter: &Starter<'_>) -> Result<Self, StartError> {
        let environment = starter.environment;
        let passwords = Passwords::new(PasswordSettings {
            memory_kib: environment.at_least(&PASSWORD_MEMORY_KIB, MIN_MEMORY_KIB)?,
            iterations: environment.at_least(&PASSWORD_ITERATIONS, MIN_ITERATIONS)?,
            concurrency: environment.at_least(&PASSWORD_CONCURRENCY, 1)? as usize,
            queue: environment.at_least(&PASSWORD_QUEUE, 1)? as usize,
        });
        Ok(Self::new(passwords.map_err(|error| {
            PASSWORD_MEMORY_KIB.error(error.to_string())
        })?))
    }
}
