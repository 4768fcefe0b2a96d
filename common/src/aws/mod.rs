//! What every call to AWS needs, whichever service it is for: credentials and region, one TLS stack that trusts only the
//! roots AWS endpoints chain to; and the Parameter Store.

mod https;
mod parameters;
mod roots;
mod warm;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

pub use https::{Https, Unanswered};
pub use parameters::{ParameterError, Parameters};

use crate::config::SettingError;

/// Who calls, and where.
pub(crate) struct Account {
    pub(crate) region: String,
    /// Asked before each call; whoever hands out credentials that expire is asked anew in time.
    pub(crate) credentials: SharedCredentialsProvider,
}

impl Account {
    /// What is in the environment, as Lambda puts it there. Where it is not, and with the feature `credentials-chain`, what
    /// ECS, EKS, EC2 or a profile hand out.
    ///
    /// # Errors
    /// Region or credentials are missing; `reason` says what needs them.
    pub(crate) async fn find(environment: &dyn Fn(&str) -> Option<String>, https: &Https, reason: &str) -> Result<Self, SettingError> {
        match Self::from_environment(environment, reason) {
            #[cfg(feature = "credentials-chain")]
            Err(missing) => Self::from_chain(https).await.ok_or(missing),
            found => {
                let _ = https;
                found
            }
        }
    }

    fn from_environment(environment: &dyn Fn(&str) -> Option<String>, reason: &str) -> Result<Self, SettingError> {
        let needed =
            |name: &'static str| environment(name).ok_or_else(|| SettingError::new(name, format!("is missing; {reason} needs it")));
        let (id, secret) = (needed("AWS_ACCESS_KEY_ID")?, needed("AWS_SECRET_ACCESS_KEY")?);
        let credentials = Credentials::new(id, secret, environment("AWS_SESSION_TOKEN"), None, "environment");
        Ok(Self { region: needed("AWS_REGION")?, credentials: SharedCredentialsProvider::new(credentials) })
    }

    /// The SDK's own search: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
    #[cfg(feature = "credentials-chain")]
    async fn from_chain(https: &Https) -> Option<Self> {
        let found = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(https.clone()).load().await;
        Some(Self { region: found.region()?.to_string(), credentials: found.credentials_provider()? })
    }

    /// Where a service answers in this region; `AWS_ENDPOINT_URL_SERVICE` names another place, as for the SDKs.
    /// Source: https://docs.aws.amazon.com/general/latest/gr/rande.html
    pub(crate) fn endpoint(&self, service: &str, environment: &dyn Fn(&str) -> Option<String>) -> String {
        let suffix = match self.region.split('-').next() {
            Some("cn") => "amazonaws.com.cn",
            Some("eusc") => "amazonaws.eu",
            _ => "amazonaws.com",
        };
        let given = environment(&format!("AWS_ENDPOINT_URL_{}", service.to_uppercase())).filter(|url| !url.is_empty());
        given.map_or_else(|| format!("https://{service}.{}.{suffix}", self.region), |url| url.trim_end_matches('/').to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(region: &str, other: Option<&str>) -> String {
        let environment = |name: &str| match name {
            "AWS_ENDPOINT_URL_DYNAMODB" => other.map(str::to_owned),
            "AWS_REGION" => Some(region.to_owned()),
            _ => Some("local".to_owned()),
        };
        Account::from_environment(&environment, "this test").expect("an account").endpoint("dynamodb", &environment)
    }

    #[test]
    fn a_service_answers_where_its_partition_is_unless_another_place_is_named() {
        assert_eq!(endpoint("eu-central-1", None), "https://dynamodb.eu-central-1.amazonaws.com");
        assert_eq!(endpoint("us-gov-west-1", None), "https://dynamodb.us-gov-west-1.amazonaws.com");
        assert_eq!(endpoint("cn-north-1", None), "https://dynamodb.cn-north-1.amazonaws.com.cn");
        assert_eq!(endpoint("eusc-de-east-1", None), "https://dynamodb.eusc-de-east-1.amazonaws.eu");
        assert_eq!(endpoint("eu-central-1", Some("https://vpce.example/")), "https://vpce.example");
    }
}
