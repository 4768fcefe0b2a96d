//! What every call to AWS needs, whichever service it is for: credentials and region, one TLS stack
//! that trusts only the roots AWS endpoints chain to, one pool of connections; and the calls that
//! no client of the SDK is there for.

mod call;
mod https;
mod key_table;
mod roots;
mod secret;
mod warm;

use std::fmt;
use std::path::Path;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

pub use call::CallError;
pub use https::{Https, Reaching, Unanswered};
pub use key_table::KeyTable;

use crate::config::SettingError;

/// Who calls, where, and over which connections. A clone shares them: what one has opened, the
/// other uses.
#[derive(Clone)]
pub struct Aws {
    pub(crate) https: Https,
    pub(crate) region: String,
    /// Asked before each call; whoever hands out credentials that expire is asked anew in time.
    pub(crate) credentials: SharedCredentialsProvider,
    dynamodb: String,
    secrets_manager: String,
}

#[derive(Clone, Copy)]
pub(crate) enum Service {
    DynamoDb,
    SecretsManager,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::SecretsManager => "secretsmanager",
        }
    }

    /// In front of an operation's name.
    fn target(self) -> &'static str {
        match self {
            Self::DynamoDb => "DynamoDB_20120810",
            Self::SecretsManager => "secretsmanager",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::DynamoDb => "application/x-amz-json-1.0",
            Self::SecretsManager => "application/x-amz-json-1.1",
        }
    }

    /// The SDKs' variable for another place than the region's.
    fn endpoint_variable(self) -> &'static str {
        match self {
            Self::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
            Self::SecretsManager => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        }
    }
}

impl Aws {
    /// With region and credentials of the environment, as Lambda puts them there. Where they are
    /// not, and with the feature `credentials-chain`, with what ECS, EKS, EC2 or a profile hand
    /// out. Nothing is sent yet.
    ///
    /// # Errors
    /// Region or credentials are missing (`reason` says what needs them), or the certificate file
    /// cannot be used.
    pub async fn connect(
        environment: &dyn Fn(&str) -> Option<String>,
        ca_file: Option<&Path>,
        reason: &str,
    ) -> Result<Self, SettingError> {
        let https = Https::new(ca_file)?;
        let (region, credentials) = match from_environment(environment, reason) {
            #[cfg(feature = "credentials-chain")]
            Err(missing) => from_chain(&https).await.ok_or(missing)?,
            found => found?,
        };
        let place = |service| endpoint(service, &region, environment);
        let (dynamodb, secrets_manager) =
            (place(Service::DynamoDb), place(Service::SecretsManager));
        Ok(Self {
            https,
            region,
            credentials,
            dynamodb,
            secrets_manager,
        })
    }

    /// Begins to reach the DynamoDB that `connect` will find in this environment, if it finds one
    /// there.
    pub async fn reach_dynamodb(environment: &dyn Fn(&str) -> Option<String>) -> Option<Reaching> {
        Reaching::begin(&endpoint(
            Service::DynamoDb,
            &environment("AWS_REGION")?,
            environment,
        ))
        .await
    }

    /// Opens a connection to what is being reached, for the first call to find it open. Returns the
    /// TLS handshake once it is reached, so that there is something to do while the other side
    /// works on it.
    pub async fn warm_up(&self, reaching: Reaching) -> impl Future<Output = ()> + use<> {
        self.https.warm_up(reaching).await
    }

    pub(crate) fn endpoint(&self, service: Service) -> &str {
        match service {
            Service::DynamoDb => &self.dynamodb,
            Service::SecretsManager => &self.secrets_manager,
        }
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aws({})", self.region)
    }
}

type Found = (String, SharedCredentialsProvider);

fn from_environment(
    environment: &dyn Fn(&str) -> Option<String>,
    reason: &str,
) -> Result<Found, SettingError> {
    let needed = |name: &'static str| {
        environment(name)
            .ok_or_else(|| SettingError::new(name, format!("is missing; {reason} needs it")))
    };
    let (id, secret) = (
        needed("AWS_ACCESS_KEY_ID")?,
        needed("AWS_SECRET_ACCESS_KEY")?,
    );
    let credentials = Credentials::new(
        id,
        secret,
        environment("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    Ok((
        needed("AWS_REGION")?,
        SharedCredentialsProvider::new(credentials),
    ))
}

/// The SDK's own search:
/// https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
#[cfg(feature = "credentials-chain")]
async fn from_chain(https: &Https) -> Option<Found> {
    let found = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .http_client(https.clone())
        .load()
        .await;
    Some((found.region()?.to_string(), found.credentials_provider()?))
}

/// Where a service answers in this region, unless the environment names another place.
/// Source: https://docs.aws.amazon.com/general/latest/gr/rande.html
fn endpoint(
    service: Service,
    region: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> String {
    let suffix = match region.split('-').next() {
        Some("cn") => "amazonaws.com.cn",
        Some("eusc") => "amazonaws.eu",
        _ => "amazonaws.com",
    };
    let given = environment(service.endpoint_variable()).filter(|url| !url.is_empty());
    given.map_or_else(
        || format!("https://{}.{region}.{suffix}", service.name()),
        |url| url.trim_end_matches('/').to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dynamodb(region: &str, other: Option<&str>) -> String {
        endpoint(Service::DynamoDb, region, &|name| {
            other
                .filter(|_| name == "AWS_ENDPOINT_URL_DYNAMODB")
                .map(str::to_owned)
        })
    }

    #[test]
    fn a_service_answers_where_its_partition_is_unless_another_place_is_named() {
        assert_eq!(
            dynamodb("eu-central-1", None),
            "https://dynamodb.eu-central-1.amazonaws.com"
        );
        assert_eq!(
            dynamodb("us-gov-west-1", None),
            "https://dynamodb.us-gov-west-1.amazonaws.com"
        );
        assert_eq!(
            dynamodb("cn-north-1", None),
            "https://dynamodb.cn-north-1.amazonaws.com.cn"
        );
        assert_eq!(
            dynamodb("eusc-de-east-1", None),
            "https://dynamodb.eusc-de-east-1.amazonaws.eu"
        );
        assert_eq!(
            dynamodb("eu-central-1", Some("https://vpce.example/")),
            "https://vpce.example"
        );
        assert_eq!(
            endpoint(Service::SecretsManager, "eu-west-1", &|_| None),
            "https://secretsmanager.eu-west-1.amazonaws.com"
        );
    }
}
