//! Every setting, read once from the environment: name, default, meaning.

mod ca_file;
mod database;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub(crate) use ca_file::read_ca_file;
pub use database::{DatabaseUrl, MongoUrl};

use crate::auth::{Limit, Limits, PasswordSettings, PublicKeys, SessionLifetimes, SigningKeys};
use crate::http::{Endpoint, Part};
use crate::telemetry::Level;

/// A setting that functions and server share, as the README's table shows it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub name: &'static str,
    /// The default value; `None` if the setting is required.
    pub default: Option<&'static str>,
    pub example: &'static str,
}

/// A variable of this process's environment. An empty one is how many tools write an absent one,
/// and so it is taken everywhere.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
}

const fn setting(name: &'static str, default: &'static str) -> Setting {
    Setting {
        name,
        default: Some(default),
        example: default,
    }
}

const DATABASE_URL: Setting = Setting {
    name: "DATABASE_URL",
    default: None,
    example: "dynamodb://",
};
const USERS_TABLE: Setting = setting("TASKLANE_USERS_TABLE", "tasklane-users");
const TASKS_TABLE: Setting = setting("TASKLANE_TASKS_TABLE", "tasklane-tasks");
const KEYS_TABLE: Setting = setting("TASKLANE_KEYS_TABLE", "tasklane-keys");
const PUBLIC_KEYS: Setting = Setting {
    name: "TASKLANE_PUBLIC_KEYS",
    default: None,
    example: r#"{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"sig-1","x":"..."}]}"#,
};
const SIGNING_KEYS: Setting = Setting {
    name: "TASKLANE_SIGNING_KEYS",
    default: None,
    example: r#"{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"sig-1","x":"...","d":"..."},{"kty":"oct","use":"sig","alg":"HS256","kid":"mac-1","k":"..."}]}"#,
};
const TOKEN_ISSUER: Setting = setting("TASKLANE_TOKEN_ISSUER", "tasklane");
const TOKEN_AUDIENCE: Setting = setting("TASKLANE_TOKEN_AUDIENCE", "tasklane");
const LOG_LEVEL: Setting = setting("TASKLANE_LOG_LEVEL", "info");
const METRICS_NAMESPACE: Setting = setting("TASKLANE_METRICS_NAMESPACE", "Tasklane");
const CA_FILE: Setting = Setting {
    name: "TASKLANE_CA_FILE",
    default: Some(""),
    example: "/etc/ssl/certs/private-ca.pem",
};
const SESSION_IDLE: Setting = setting("TASKLANE_SESSION_IDLE", "30d");
const SESSION_ABSOLUTE: Setting = setting("TASKLANE_SESSION_ABSOLUTE", "90d");
const PASSWORD_MEMORY_KIB: Setting = setting("TASKLANE_PASSWORD_MEMORY_KIB", "19456");
const PASSWORD_ITERATIONS: Setting = setting("TASKLANE_PASSWORD_ITERATIONS", "2");
const PASSWORD_CONCURRENCY: Setting = setting("TASKLANE_PASSWORD_CONCURRENCY", "2");
const PASSWORD_QUEUE: Setting = setting("TASKLANE_PASSWORD_QUEUE", "48");

/// The settings that are read here, but for the limits.
const OTHER_SETTINGS: &[&Setting] = &[
    &DATABASE_URL,
    &USERS_TABLE,
    &TASKS_TABLE,
    &KEYS_TABLE,
    &PUBLIC_KEYS,
    &SIGNING_KEYS,
    &TOKEN_ISSUER,
    &TOKEN_AUDIENCE,
    &LOG_LEVEL,
    &METRICS_NAMESPACE,
    &CA_FILE,
    &SESSION_IDLE,
    &SESSION_ABSOLUTE,
    &PASSWORD_MEMORY_KIB,
    &PASSWORD_ITERATIONS,
    &PASSWORD_CONCURRENCY,
    &PASSWORD_QUEUE,
];

/// Every setting that is read here; tests check the documentation against them.
pub fn settings() -> impl Iterator<Item = Setting> {
    let limits = Limit::ALL.iter().map(|limit| limit_setting(*limit));
    OTHER_SETTINGS.iter().copied().copied().chain(limits)
}

const fn limit_setting(limit: Limit) -> Setting {
    setting(limit.setting(), limit.default_rate())
}

/// The smallest work of a password hash: OWASP's password storage cheat sheet.
const MIN_MEMORY_KIB: u32 = 19_456;
const MIN_ITERATIONS: u32 = 2;

#[derive(Clone, Debug)]
pub struct Settings {
    pub database: DatabaseUrl,
    pub users_table: String,
    pub tasks_table: String,
    /// The name of the table of signing keys.
    pub keys_table: String,
    /// The keys that access tokens are verified with.
    pub public_keys: Option<PublicKeys>,
    /// The keys that tokens are issued with.
    pub signing_keys: Option<SigningKeys>,
    pub token_issuer: String,
    pub token_audience: String,
    pub log_level: Level,
    /// Where CloudWatch keeps the metrics.
    pub metrics_namespace: String,
    /// A PEM file with certificate authorities to trust: besides those of AWS, or instead of the
    /// usual ones of MongoDB.
    pub ca_file: Option<PathBuf>,
    pub lifetimes: SessionLifetimes,
    /// How much work a password hash is.
    pub passwords: PasswordSettings,
    pub limits: Limits,
}

/// Why a setting cannot be used: one line that names it and shows a good value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} {rule}{}", self.example())]
pub struct SettingError {
    pub name: &'static str,
    rule: String,
}

impl SettingError {
    /// This setting breaks this rule.
    pub fn new(name: &'static str, rule: impl Into<String>) -> Self {
        Self {
            name,
            rule: rule.into(),
        }
    }

    fn example(&self) -> String {
        let setting = settings().find(|setting| setting.name == self.name);
        setting.map_or_else(String::new, |setting| {
            format!("; a good value: {}={}", setting.name, setting.example)
        })
    }
}

impl Settings {
    /// Reads the settings that an endpoint's function needs.
    ///
    /// # Errors
    /// The first setting that is missing or malformed.
    pub fn for_endpoint(
        environment: &dyn Fn(&str) -> Option<String>,
        endpoint: &Endpoint,
    ) -> Result<Self, SettingError> {
        Self::read(environment, &|part| endpoint.needs(part))
    }

    /// Reads the settings that these parts of the app need.
    ///
    /// # Errors
    /// The first setting that is missing or malformed.
    pub fn read(
        environment: &dyn Fn(&str) -> Option<String>,
        needs: &dyn Fn(Part) -> bool,
    ) -> Result<Self, SettingError> {
        let source = Source(environment);
        let stored = needs(Part::Users) || needs(Part::Tasks);
        let absolute = source.duration(&SESSION_ABSOLUTE)?;
        Ok(Self {
            database: if stored {
                source.get(&DATABASE_URL)?
            } else {
                DatabaseUrl::DynamoDb
            },
            users_table: source.text(&USERS_TABLE)?,
            tasks_table: source.text(&TASKS_TABLE)?,
            keys_table: source.text(&KEYS_TABLE)?,
            public_keys: needs(Part::PublicKeys)
                .then(|| source.parse(&PUBLIC_KEYS, PublicKeys::parse))
                .transpose()?,
            signing_keys: needs(Part::SigningKeys)
                .then(|| source.parse(&SIGNING_KEYS, SigningKeys::parse))
                .transpose()?,
            token_issuer: source.text(&TOKEN_ISSUER)?,
            token_audience: source.text(&TOKEN_AUDIENCE)?,
            log_level: source.get(&LOG_LEVEL)?,
            metrics_namespace: source.text(&METRICS_NAMESPACE)?,
            ca_file: Some(source.parse(&CA_FILE, |text| Ok::<_, String>(PathBuf::from(text)))?)
                .filter(|path| path.as_os_str() != ""),
            lifetimes: SessionLifetimes {
                idle: source.duration(&SESSION_IDLE)?.min(absolute),
                absolute,
            },
            passwords: PasswordSettings {
                memory_kib: source.at_least(&PASSWORD_MEMORY_KIB, MIN_MEMORY_KIB)?,
                iterations: source.at_least(&PASSWORD_ITERATIONS, MIN_ITERATIONS)?,
                concurrency: source.at_least(&PASSWORD_CONCURRENCY, 1)? as usize,
                queue: source.at_least(&PASSWORD_QUEUE, 1)? as usize,
            },
            limits: Limits::read(|limit| source.get(&limit_setting(limit)))?,
        })
    }
}

/// Reads environment variables and names the one that is wrong.
struct Source<'e>(&'e dyn Fn(&str) -> Option<String>);

impl Source<'_> {
    fn parse<T, E: fmt::Display>(
        &self,
        setting: &Setting,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, SettingError> {
        let text = (self.0)(setting.name)
            .filter(|text| !text.trim().is_empty())
            .or_else(|| setting.default.map(str::to_owned));
        let text = text.ok_or_else(|| SettingError::new(setting.name, "is missing"))?;
        parse(text.trim()).map_err(|rule| SettingError::new(setting.name, rule.to_string()))
    }

    fn get<T: FromStr<Err = String>>(&self, setting: &Setting) -> Result<T, SettingError> {
        self.parse(setting, str::parse)
    }

    fn text(&self, setting: &Setting) -> Result<String, SettingError> {
        self.parse(setting, |text| {
            if text.len() <= 255 && text.bytes().all(|b| b.is_ascii_graphic()) {
                Ok(text.to_owned())
            } else {
                Err("must have at most 255 visible ASCII characters")
            }
        })
    }

    fn duration(&self, setting: &Setting) -> Result<Duration, SettingError> {
        self.parse(setting, |text| {
            // jiff leaves days out of absolute durations; here a day is always 24 hours.
            let (text, unit) = text
                .strip_suffix('d')
                .map_or((text.to_owned(), 1), |days| (format!("{days}h"), 24));
            let duration = text
                .parse::<jiff::SignedDuration>()
                .ok()
                .and_then(|duration| duration.checked_mul(unit));
            duration
                .and_then(|duration| Duration::try_from(duration).ok())
                .filter(|duration| {
                    duration.as_secs() > 0 && *duration <= Duration::from_hours(24 * 3650)
                })
                .ok_or("must be a duration, such as 12h or 30d")
        })
    }

    fn at_least(&self, setting: &Setting, min: u32) -> Result<u32, SettingError> {
        self.parse(setting, |text| {
            text.parse()
                .ok()
                .filter(|number| *number >= min)
                .ok_or(format!("must be a whole number of at least {min}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let environment = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Settings::read(&environment, &|part| matches!(part, Part::Users))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_good_values() {
        let settings = read(&[("DATABASE_URL", "dynamodb://")]).expect("defaults");
        assert_eq!(settings.lifetimes.idle, Duration::from_hours(30 * 24));
        assert_eq!(settings.passwords.memory_kib, 19_456);
    }

    #[test]
    fn a_bad_setting_is_named_with_a_good_value_and_not_quoted() {
        for (name, bad) in [
            ("DATABASE_URL", ""),
            ("DATABASE_URL", "postgres://root:s3cret@db"),
            ("DATABASE_URL", "dynamodb://root:s3cret@db"),
            ("DATABASE_URL", "mongodb://root:s3cret@"),
            ("TASKLANE_LIMIT_LOGIN_SOURCE", "many"),
            ("TASKLANE_SESSION_IDLE", "-1d"),
            ("TASKLANE_PASSWORD_MEMORY_KIB", "1024"),
            ("TASKLANE_LOG_LEVEL", "loud"),
        ] {
            let error = read(
                &[("DATABASE_URL", "dynamodb://"), (name, bad)]
                    .map(|pair| if pair.0 == name { (name, bad) } else { pair }),
            )
            .expect_err(name);
            assert!(error.starts_with(name), "{error}");
            assert!(error.contains(&format!("a good value: {name}=")), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_part_that_is_not_needed_needs_no_setting() {
        let nothing = |_: &str| None;
        assert!(Settings::read(&nothing, &|_| false).is_ok());
        assert_eq!(
            Settings::read(&nothing, &|part| part == Part::PublicKeys)
                .expect_err("missing")
                .name,
            "TASKLANE_PUBLIC_KEYS"
        );
    }
}
