//! Calls to AWS without an SDK client. They are signed by the SDK's own library and sent over the
//! same connections, so they add nothing to the binary's size.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningError, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde::Deserialize;
use serde_json::Value;

use super::{Aws, Service};

/// The time limit of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1500);
/// The waits between attempts: at most three attempts in five seconds. Together with a store's four
/// seconds this fits into a function's start.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// Why a call failed. Contains no value and no message of the service, which may quote one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The caller's policy does not allow it. Right after a deployment: does not allow it yet.
    #[error("the function's policy does not allow {0}")]
    Denied(&'static str),
    /// The service refuses the call with this error code.
    #[error("AWS refused {0}: {1}")]
    Refused(&'static str, String),
    /// The service cannot be reached, or is temporarily unavailable.
    #[error("AWS cannot be reached: {0}: {1}")]
    Unavailable(&'static str, String),
}

impl Aws {
    /// Makes a call and retries it while the service is unavailable. So it must be safe to repeat.
    pub(super) async fn call(
        &self,
        service: Service,
        operation: &'static str,
        input: &Value,
    ) -> Result<Value, CallError> {
        let body = input.to_string().into_bytes();
        let mut waits = BACKOFF.iter();
        loop {
            let answer = self.attempt(service, operation, body.clone()).await;
            match (answer, waits.next()) {
                (Err(CallError::Unavailable(..)), Some(wait)) => tokio::time::sleep(*wait).await,
                (answer, _) => return answer,
            }
        }
    }

    async fn attempt(
        &self,
        service: Service,
        operation: &'static str,
        body: Vec<u8>,
    ) -> Result<Value, CallError> {
        let request = self
            .signed(service, operation, body)
            .await
            .map_err(|error| CallError::Refused(operation, error.to_string()))?;
        let unavailable = |reason: String| CallError::Unavailable(operation, reason);
        let (status, body) = self
            .https
            .send(request, ATTEMPT_TIMEOUT)
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        if status == 200 {
            return serde_json::from_slice(&body)
                .map_err(|_| unavailable("the answer is no JSON".to_owned()));
        }
        #[derive(Default, Deserialize)]
        struct Refusal {
            #[serde(rename = "__type", default)]
            code: String,
        }
        let Refusal { code } = serde_json::from_slice(&body).unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default();
        Err(match code {
            "AccessDeniedException" => CallError::Denied(operation),
            "ThrottlingException"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "InternalServiceError" => unavailable(code.to_owned()),
            _ if status >= 500 || code.is_empty() => unavailable(format!("status {status}")),
            _ => CallError::Refused(operation, code.to_owned()),
        })
    }

    async fn signed(
        &self,
        service: Service,
        operation: &str,
        body: Vec<u8>,
    ) -> Result<http::Request<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        let identity = self.credentials.provide_credentials().await?.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service.name())
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let mut request = http::Request::post(format!("{}/", self.endpoint(service)))
            .header("content-type", service.content_type())
            .header("x-amz-target", format!("{}.{operation}", service.target()))
            .body(body)?;
        let headers = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let uri = request.uri().to_string();
        let signable =
            SignableRequest::new("POST", uri, headers, SignableBody::Bytes(request.body()))?;
        let (instructions, _) = sign(signable, &parameters)
            .map_err(|error: SigningError| error)?
            .into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}
