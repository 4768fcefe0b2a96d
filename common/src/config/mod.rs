//! Settings: environment variables. Each is declared next to the code that uses it, and is read
//! once, at start.

mod ca_file;
mod database;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub(crate) use ca_file::read_ca_file;
pub use database::{DatabaseUrl, MongoUrl};

use crate::telemetry::Level;

/// A setting, as in the README's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    /// The default value; `None` if the setting is required.
    pub default: Option<&'static str>,
    pub example: &'static str,
}

pub const DATABASE_URL: Setting = Setting::required("DATABASE_URL", "dynamodb://");
/// The prefix of a `DATABASE_URL` that is stored in Secrets Manager; the secret's ARN follows.
pub(crate) const IN_SECRET: &str = "secretsmanager:";
pub const SIGNING_KEYS: Setting = Setting::required(
    "TASKLANE_SIGNING_KEYS",
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"sig-1","x":"...","d":"..."},{"kty":"oct","use":"sig","alg":"HS256","kid":"mac-1","k":"..."}]}"#,
);
/// The prefix of a `TASKLANE_SIGNING_KEYS` that is an item of the table of signing keys; the item's
/// name follows.
pub(crate) const IN_TABLE: &str = "dynamodb:";
pub const LOG_LEVEL: Setting = Setting::new("TASKLANE_LOG_LEVEL", "info");
pub const METRICS_NAMESPACE: Setting = Setting::new("TASKLANE_METRICS_NAMESPACE", "Tasklane");
/// A PEM file with certificate authorities to trust: in addition to those of AWS, or instead of the
/// default ones of MongoDB.
pub const CA_FILE: Setting = Setting::optional("TASKLANE_CA_FILE", "/etc/ssl/certs/private-ca.pem");

impl Setting {
    /// A setting with a default value.
    pub const fn new(name: &'static str, default: &'static str) -> Self {
        Self {
            name,
            default: Some(default),
            example: default,
        }
    }

    pub const fn required(name: &'static str, example: &'static str) -> Self {
        Self {
            name,
            default: None,
            example,
        }
    }

    /// A setting whose default value is empty.
    pub const fn optional(name: &'static str, example: &'static str) -> Self {
        Self {
            name,
            default: Some(""),
            example,
        }
    }

    /// An error: the value breaks this rule.
    pub fn error(self, rule: impl Into<String>) -> SettingError {
        SettingError {
            setting: self,
            rule: rule.into(),
        }
    }
}

/// Why a setting cannot be used: one line with its name and a valid example.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {rule}; a good value: {}={}", setting.name, setting.name, setting.example)]
pub struct SettingError {
    pub setting: Setting,
    rule: String,
}

/// A variable of this process's environment. Many tools write an absent variable as an empty one,
/// so an empty one counts as absent everywhere.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
}

/// Reads settings from environment variables. Errors name the variable.
#[derive(Clone, Copy)]
pub struct Environment<'e>(&'e dyn Fn(&str) -> Option<String>);

impl<'e> Environment<'e> {
    pub fn new(variable: &'e dyn Fn(&str) -> Option<String>) -> Self {
        Self(variable)
    }

    pub fn variable(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|text| !text.trim().is_empty())
    }

    /// Parses a setting with this function.
    ///
    /// # Errors
    /// The setting is missing or malformed.
    pub fn parse<T, E: fmt::Display>(
        &self,
        setting: &Setting,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, SettingError> {
        let given = self.variable(setting.name);
        let text = given.or_else(|| setting.default.map(str::to_owned));
        let text = text.ok_or_else(|| setting.error("is missing"))?;
        parse(text.trim()).map_err(|rule| setting.error(rule.to_string()))
    }

    /// Parses a setting as this type.
    ///
    /// # Errors
    /// The setting is missing or malformed.
    pub fn get<T: FromStr<Err = String>>(&self, setting: &Setting) -> Result<T, SettingError> {
        self.parse(setting, str::parse)
    }

    /// A text of at most 255 visible ASCII characters.
    ///
    /// # Errors
    /// The setting is missing or malformed.
    pub fn text(&self, setting: &Setting) -> Result<String, SettingError> {
        self.parse(setting, |text| {
            if text.len() <= 255 && text.bytes().all(|b| b.is_ascii_graphic()) {
                Ok(text.to_owned())
            } else {
                Err("must have at most 255 visible ASCII characters")
            }
        })
    }

    /// The path of a file, if set.
    ///
    /// # Errors
    /// The setting is malformed.
    pub fn path(&self, setting: &Setting) -> Result<Option<PathBuf>, SettingError> {
        let path = self.parse(setting, |text| Ok::<_, String>(PathBuf::from(text)))?;
        Ok(Some(path).filter(|path| path.as_os_str() != ""))
    }

    /// A duration of at least one second: `12h`, `30d`.
    ///
    /// # Errors
    /// The setting is missing or malformed.
    pub fn duration(&self, setting: &Setting) -> Result<Duration, SettingError> {
        self.parse(setting, |text| {
            // jiff does not parse days in absolute durations; here a day is always 24 hours.
            let (text, unit) = text
                .strip_suffix('d')
                .map_or((text.to_owned(), 1), |days| (format!("{days}h"), 24));
            let duration = text
                .parse::<jiff::SignedDuration>()
                .ok()
                .and_then(|duration| duration.checked_mul(unit));
            let longest = Duration::from_hours(24 * 3650);
            duration
                .and_then(|duration| Duration::try_from(duration).ok())
                .filter(|duration| duration.as_secs() > 0 && *duration <= longest)
                .ok_or("must be a duration, such as 12h or 30d")
        })
    }

    /// A whole number of at least `min`.
    ///
    /// # Errors
    /// The setting is missing or malformed.
    pub fn at_least(&self, setting: &Setting, min: u32) -> Result<u32, SettingError> {
        self.parse(setting, |text| {
            text.parse()
                .ok()
                .filter(|number| *number >= min)
                .ok_or(format!("must be a whole number of at least {min}"))
        })
    }

    /// The level of the log.
    ///
    /// # Errors
    /// The setting is malformed.
    pub fn log_level(&self) -> Result<Level, SettingError> {
        self.get(&LOG_LEVEL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSIONS: Setting = Setting::new("SESSIONS", "30d");
    const MEMORY: Setting = Setting::new("MEMORY", "19456");
    const KEYS: Setting = Setting::required("KEYS", "{}");

    fn with<T>(value: &str, read: impl FnOnce(Environment<'_>) -> T) -> T {
        read(Environment::new(&|_| Some(value.to_owned())))
    }

    #[test]
    fn absent_settings_get_their_default_or_are_reported_as_missing() {
        for value in ["", "  "] {
            with(value, |environment| {
                assert_eq!(
                    environment.duration(&SESSIONS),
                    Ok(Duration::from_hours(30 * 24))
                );
                assert_eq!(environment.at_least(&MEMORY, 1), Ok(19_456));
                assert_eq!(environment.path(&CA_FILE), Ok(None));
                assert_eq!(
                    environment.text(&KEYS).expect_err("missing").to_string(),
                    "KEYS is missing; a good value: KEYS={}"
                );
            });
        }
    }

    #[test]
    fn a_bad_value_is_reported_with_a_valid_example_and_not_quoted() {
        let errors = [
            with("-1d", |environment| {
                environment.duration(&SESSIONS).map(drop)
            }),
            with("s3cret", |environment| {
                environment.duration(&SESSIONS).map(drop)
            }),
            with("18", |environment| {
                environment.at_least(&MEMORY, 19).map(drop)
            }),
            with("a s3cret", |environment| environment.text(&KEYS).map(drop)),
            with("s3cret", |environment| environment.log_level().map(drop)),
        ];

        for error in errors {
            let error = error.expect_err("malformed");
            let Setting { name, example, .. } = error.setting;
            let error = error.to_string();

            assert!(error.starts_with(name), "{error}");
            assert!(
                error.ends_with(&format!("; a good value: {name}={example}")),
                "{error}"
            );
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
