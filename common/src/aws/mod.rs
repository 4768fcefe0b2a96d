//! What calls to all AWS services share: credentials and region, one TLS stack that trusts only the
//! root certificates of AWS endpoints, one pool of connections; and the calls that have no SDK
//! client.

mod call;
mod https;
mod key_table;
mod roots;
mod secret;
mod warm;

use std::fmt;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

pub use call::CallError;
use https::Reaching;
pub use https::{Https, Unanswered};
pub use key_table::KeyTable;

use crate::config::{
    CA_FILE, DATABASE_URL, Environment, IN_SECRET, IN_TABLE, SIGNING_KEYS, Setting, SettingError,
};
use crate::part::{Part, StartError, Starter, Unreadable};

/// Lambda sets these in the environment of every function.
const REGION: Setting = Setting::optional("AWS_REGION", "eu-central-1");
const ACCESS_KEY_ID: Setting = Setting::optional("AWS_ACCESS_KEY_ID", "AKIA...");
const SECRET_ACCESS_KEY: Setting = Setting::optional("AWS_SECRET_ACCESS_KEY", "...");
const SESSION_TOKEN: Setting = Setting::optional("AWS_SESSION_TOKEN", "...");

/// The credentials, the region and the connections. A clone shares the open connections.
#[derive(Clone)]
pub struct Aws {
    pub(crate) https: Https,
    pub(crate) region: String,
    /// Asked for credentials before each call; a provider with expiring credentials renews them in
    /// time.
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

    /// The prefix of an operation's name.
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

    /// The SDKs' variable that overrides the region's endpoint.
    const fn endpoint_setting(self) -> Setting {
        match self {
            Self::DynamoDb => {
                Setting::optional("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:8000")
            }
            Self::SecretsManager => {
                Setting::optional("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:4566")
            }
        }
    }
}

impl Aws {
    /// Uses the region and credentials of the environment, which Lambda sets. Without them, and
    /// with the feature `credentials-chain`, uses those of ECS, EKS, EC2 or a profile. Sends
    /// nothing yet.
    ///
    /// # Errors
    /// Region or credentials are missing (`reason` says what needs them), or the certificate file
    /// cannot be used.
    /// cannot be used.
    pub async fn connect(environment: Environment<'_>, reason: &str) -> Result<Self, SettingError> {
        let https = Https::new(environment.path(&CA_FILE)?.as_deref())?;
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

    pub(crate) fn endpoint(&self, service: Service) -> &str {
        match service {
            Service::DynamoDb => &self.dynamodb,
            Service::SecretsManager => &self.secrets_manager,
        }
    }
}

/// Also starts connecting to DynamoDB where the functions use it: one TLS handshake serves the
/// signing keys and the store.
impl Part for Aws {
    fn settings() -> Vec<Setting> {
        vec![
            CA_FILE,
            REGION,
            ACCESS_KEY_ID,
            SECRET_ACCESS_KEY,
            SESSION_TOKEN,
            Service::DynamoDb.endpoint_setting(),
            Service::SecretsManager.endpoint_setting(),
        ]
    }

    async fn start(starter: &Starter<'_>) -> Result<Self, StartError> {
        let environment = starter.environment;
        let url = environment.variable(DATABASE_URL.name).unwrap_or_default();
        let is_region = url.trim() == "dynamodb://";
        let keys = environment.variable(SIGNING_KEYS.name).unwrap_or_default();
        let reaching = if is_region || keys.trim().starts_with(IN_TABLE) {
            reach_dynamodb(environment).await
        } else {
            None
        };
        let reason = if is_region {
            "DATABASE_URL=dynamodb://"
        } else if url.trim().starts_with(IN_SECRET) {
            DATABASE_URL.name
        } else {
            SIGNING_KEYS.name
        };
        let aws = Self::connect(environment, reason).await?;
        if let Some(reaching) = reaching {
            aws.https.warm_up(reaching).await;
        }
        Ok(aws)
    }
}

impl From<CallError> for Unreadable {
    fn from(error: CallError) -> Self {
        let is_temporary = matches!(error, CallError::Unavailable(..));
        Self {
            is_temporary,
            cause: error.to_string(),
        }
    }
}

/// Starts connecting to the DynamoDB of this environment, if it names a region.
async fn reach_dynamodb(environment: Environment<'_>) -> Option<Reaching> {
    let region = environment.variable(REGION.name)?;
    Reaching::begin(&endpoint(Service::DynamoDb, &region, environment)).await
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aws({})", self.region)
    }
}

type Found = (String, SharedCredentialsProvider);

fn from_environment(environment: Environment<'_>, reason: &str) -> Result<Found, SettingError> {
    let needed = |setting: Setting| {
        environment
            .variable(setting.name)
            .ok_or_else(|| setting.error(format!("is missing; {reason} needs it")))
    };
    let (id, secret) = (needed(ACCESS_KEY_ID)?, needed(SECRET_ACCESS_KEY)?);
    let credentials = Credentials::new(
        id,
        secret,
        environment.variable(SESSION_TOKEN.name),
        None,
        "environment",
    );
    Ok((needed(REGION)?, SharedCredentialsProvider::new(credentials)))
}

/// The SDK's own search for credentials:
/// https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
#[cfg(feature = "credentials-chain")]
async fn from_chain(https: &Https) -> Option<Found> {
    let found = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .http_client(https.clone())
        .load()
        .await;
    Some((found.region()?.to_string(), found.credentials_provider()?))
}

/// The endpoint of a service in this region, unless the environment overrides it.
/// Source: https://docs.aws.amazon.com/general/latest/gr/rande.html
fn endpoint(service: Service, region: &str, environment: Environment<'_>) -> String {
    let suffix = match region.split('-').next() {
        Some("cn") => "amazonaws.com.cn",
        Some("eusc") => "amazonaws.eu",
        _ => "amazonaws.com",
    };
    let given = environment.variable(service.endpoint_setting().name);
    given.map_or_else(
        || format!("https://{}.{region}.{suffix}", service.name()),
        |url| url.trim_end_matches('/').to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dynamodb(region: &str, other: Option<&str>) -> String {
        let variable = |name: &str| {
            other
                .filter(|_| name == "AWS_ENDPOINT_URL_DYNAMODB")
                .map(str::to_owned)
        };
        endpoint(Service::DynamoDb, region, Environment::new(&variable))
    }

    #[test]
    fn a_service_has_the_endpoint_of_its_partition_unless_another_is_set() {
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
            endpoint(
                Service::SecretsManager,
                "eu-west-1",
                Environment::new(&|_| None)
            ),
            "https://secretsmanager.eu-west-1.amazonaws.com"
        );
    }
}
