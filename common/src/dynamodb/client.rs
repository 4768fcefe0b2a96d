//! The client: time limits that are shorter than a function's timeout, and a limited number of
//! retries. Every write is safe to repeat: see `write` in docs/data-model.md.

use std::error::Error;
use std::future::Future;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region, SharedHttpClient};
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::http::HttpClient;

use crate::aws::{Aws, Https, Service};
use crate::config::{Environment, SettingError};
use crate::problem::StoreError;
use crate::telemetry;

/// The time limit of a call including its retries: well below a function's timeout (10 seconds in
/// the template).
const OPERATION_TIMEOUT: Duration = Duration::from_secs(4);
/// The time limit of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1500);
const ATTEMPTS: u32 = 3;

/// Creates a client for the region's DynamoDB over these connections.
pub fn client(aws: &Aws) -> Client {
    let config = base(SharedHttpClient::new(aws.https.clone()))
        .region(Region::new(aws.region.clone()))
        .credentials_provider(aws.credentials.clone())
        .endpoint_url(aws.endpoint(Service::DynamoDb));
    Client::from_conf(config.build())
}

/// The access key that `tasklane dynamodb` accepts, and the default for engines other than AWS.
pub const LOCAL_ACCESS_KEY: &str = "local";

/// Creates a client for a DynamoDB-compatible engine at this address, over plain HTTP.
///
/// # Errors
/// No trusted certificate was found, which is a bug.
pub fn connect_to(address: &str, environment: Environment<'_>) -> Result<Client, SettingError> {
    let variable = |name| {
        environment
            .variable(name)
            .unwrap_or_else(|| LOCAL_ACCESS_KEY.to_owned())
    };
    // Lambda's own credentials, or SAM's, are in the environment of every function. An access key
    // in the URL has priority over them; here it is not a secret.
    let (access_key, address) = match address.split_once('@') {
        Some((access_key, address)) => (access_key.to_owned(), address),
        None => (variable("AWS_ACCESS_KEY_ID"), address),
    };
    let credentials = Credentials::new(
        access_key,
        variable("AWS_SECRET_ACCESS_KEY"),
        None,
        None,
        "local",
    );
    let config = base(SharedHttpClient::new(Https::new(None)?))
        .region(Region::new(
            environment
                .variable("AWS_REGION")
                .unwrap_or_else(|| "us-east-1".to_owned()),
        ))
        .credentials_provider(credentials)
        .endpoint_url(format!("http://{address}"));
    Ok(Client::from_conf(config.build()))
}

/// Creates a client that sends its requests through `http`, such as an embedded engine.
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
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_millis(500));
    Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(retries)
}

/// Makes a call, and records it and its duration.
pub async fn call<T, E>(
    operation: &'static str,
    sending: impl Future<Output = Result<T, SdkError<E>>>,
) -> Result<T, SdkError<E>> {
    let started = Instant::now();
    let answer = sending.await;
    telemetry::note_store_call(operation, started.elapsed());
    answer
}

/// The store error of a call that failed unexpectedly.
pub fn failed<E>(error: SdkError<E>) -> StoreError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let temporary = match &error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            true
        }
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
    let full = matches!(&error, SdkError::ServiceError(service) if service.err().code() == Some("ItemCollectionSizeLimitExceededException"));
    let cause = DisplayErrorContext(error).to_string();
    if full {
        StoreError::Full
    } else if temporary {
        StoreError::Unavailable(cause.into())
    } else {
        StoreError::Corrupt(cause.into())
    }
}
