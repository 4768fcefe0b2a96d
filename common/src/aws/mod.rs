//! What every call to AWS needs, whichever service it is for: credentials and region from the environment, one TLS
//! stack that trusts only the roots AWS endpoints chain to; and the Parameter Store.

mod https;
mod parameters;
mod roots;

use aws_credential_types::Credentials;

pub use https::{Https, Unanswered};
pub use parameters::{ParameterError, Parameters};
pub(crate) use roots::tls;

use crate::config::SettingError;

/// Who calls, and where: what Lambda puts into the environment.
pub(crate) struct Account {
    pub(crate) region: String,
    pub(crate) credentials: Credentials,
}

impl Account {
    /// # Errors
    /// Region or credentials are missing; `reason` says what needs them.
    pub(crate) fn from_environment(environment: &dyn Fn(&str) -> Option<String>, reason: &str) -> Result<Self, SettingError> {
        let needed =
            |name: &'static str| environment(name).ok_or_else(|| SettingError::new(name, format!("is missing; {reason} needs it")));
        let (id, secret) = (needed("AWS_ACCESS_KEY_ID")?, needed("AWS_SECRET_ACCESS_KEY")?);
        let credentials = Credentials::new(id, secret, environment("AWS_SESSION_TOKEN"), None, "environment");
        Ok(Self { region: needed("AWS_REGION")?, credentials })
    }
}
