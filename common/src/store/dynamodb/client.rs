//! The client: one TLS stack, only the roots that AWS needs, time limits that fit inside a function's own, and
//! bounded retries. Every write is made so that repeating it does no harm: see `write` in docs/data-model.md.

use std::error::Error;
use std::future::Future;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region, SharedHttpClient};
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::HttpClient;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::{DatabaseUrl, SettingError, Settings};
use crate::problem::StoreError;
use crate::telemetry;

/// A call gives up after this, retries included: well before a function is stopped (10 seconds in the template).
const OPERATION_TIMEOUT: Duration = Duration::from_secs(4);
/// One attempt of a call gives up after this.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 3;

/// The roots that AWS endpoints chain to, in every partition: Amazon's own (which include Starfield's), and
/// DigiCert's, which the China regions use. Source: https://www.amazontrust.com/repository/.
const ROOTS: [&str; 7] = [
    "Amazon Root CA 1",
    "Amazon Root CA 2",
    "Amazon Root CA 3",
    "Amazon Root CA 4",
    "Starfield Services Root Certificate Authority - G2",
    "DigiCert Global Root G2",
    "DigiCert Global Root G3",
];

/// A client for the DynamoDB of the settings.
///
/// # Errors
/// Region or credentials are not in the environment, the certificate file cannot be read, or another store is wanted.
pub fn connect(settings: &Settings, environment: &dyn Fn(&str) -> Option<String>) -> Result<Client, SettingError> {
    match &settings.database {
        DatabaseUrl::DynamoDb => connect_region(settings, environment),
        DatabaseUrl::DynamoDbAt(address) => Ok(connect_to(address, environment)),
        DatabaseUrl::MongoDb(_) => Err(SettingError::new("DATABASE_URL", "does not name a DynamoDB")),
    }
}

/// A client for the region's DynamoDB, with the credentials that Lambda puts into the environment.
fn connect_region(settings: &Settings, environment: &dyn Fn(&str) -> Option<String>) -> Result<Client, SettingError> {
    let needed =
        |name: &'static str| environment(name).ok_or_else(|| SettingError::new(name, "is missing; DATABASE_URL=dynamodb:// needs it"));
    let credentials = Credentials::new(
        needed("AWS_ACCESS_KEY_ID")?,
        needed("AWS_SECRET_ACCESS_KEY")?,
        environment("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    let mut pem = ROOTS.iter().filter_map(|name| root(name)).collect::<String>().into_bytes();
    if let Some(path) = &settings.ca_file {
        let more = std::fs::read(path).map_err(|error| SettingError::new("TASKLANE_CA_FILE", format!("cannot be read ({error})")))?;
        pem.extend(more);
    }
    let tls = TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_pem_certificate(pem))
        .build()
        .map_err(|error| SettingError::new("TASKLANE_CA_FILE", format!("cannot be used ({error})")))?;
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls).build_https();
    let config = base(http).region(Region::new(needed("AWS_REGION")?)).credentials_provider(credentials);
    Ok(Client::from_conf(config.build()))
}

/// A client for a DynamoDB-compatible engine at this address, over plain HTTP.
fn connect_to(address: &str, environment: &dyn Fn(&str) -> Option<String>) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let variable = |name, default: &str| environment(name).unwrap_or_else(|| default.to_owned());
    let credentials =
        Credentials::new(variable("AWS_ACCESS_KEY_ID", "local"), variable("AWS_SECRET_ACCESS_KEY", "local"), None, None, "local");
    let config = base(http)
        .region(Region::new(variable("AWS_REGION", "us-east-1")))
        .credentials_provider(credentials)
        .endpoint_url(format!("http://{address}"));
    Client::from_conf(config.build())
}

/// A client for an engine that is reached through this, whatever that is.
pub fn connect_through(http: impl HttpClient + 'static) -> Client {
    let credentials = Credentials::new("embedded", "embedded", None, None, "embedded");
    let config = base(SharedHttpClient::new(http))
        .region(Region::from_static("us-east-1"))
        .credentials_provider(credentials)
        .endpoint_url("http://embedded.invalid");
    Client::from_conf(config.build())
}

fn base(http: SharedHttpClient) -> Builder {
    let timeouts = TimeoutConfig::builder()
        .operation_timeout(OPERATION_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_millis(500));
    Builder::new().behavior_version(BehaviorVersion::latest()).http_client(http).timeout_config(timeouts).retry_config(retries)
}

/// The root certificate with this common name, in PEM.
fn root(common_name: &str) -> Option<String> {
    let named = |der: &[u8]| {
        // A name in DER: its length, then its bytes. The length tells "Root CA 1" from a longer name.
        let length = u8::try_from(common_name.len()).unwrap_or(0);
        let wanted = [&[length], common_name.as_bytes()].concat();
        der.windows(wanted.len()).any(|window| window == wanted)
    };
    let der = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().find(|der| named(der))?;
    Some(format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der)))
}

/// Makes a call and notes that it was made and how long it took.
pub(super) async fn call<T, E>(operation: &'static str, sending: impl Future<Output = Result<T, SdkError<E>>>) -> Result<T, SdkError<E>> {
    let started = Instant::now();
    let answer = sending.await;
    telemetry::note_store_call(operation, started.elapsed());
    answer
}

/// What a call that failed means, when it is nothing that was to be expected.
pub(super) fn failed<E>(error: SdkError<E>) -> StoreError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let temporary = match &error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
        SdkError::ServiceError(service) => {
            service.raw().status().is_server_error()
                || matches!(
                    service.err().code(),
                    Some(
                        "ProvisionedThroughputExceededException"
                            | "ThrottlingException"
                            | "RequestLimitExceeded"
                            | "TransactionInProgressException"
                            | "TransactionConflictException"
                    )
                )
        }
        _ => false,
    };
    let full =
        matches!(&error, SdkError::ServiceError(service) if service.err().code() == Some("ItemCollectionSizeLimitExceededException"));
    let cause = DisplayErrorContext(error).to_string();
    if full {
        StoreError::Full
    } else if temporary {
        StoreError::Unavailable(cause.into())
    } else {
        StoreError::Corrupt(cause.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_root_is_shipped() {
        for name in ROOTS {
            assert!(root(name).is_some(), "{name}");
        }
    }
}
