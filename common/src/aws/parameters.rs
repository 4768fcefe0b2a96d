//! The Parameter Store of AWS Systems Manager, for the three calls that are made of it. A client of the SDK would do the
//! same; these are signed by the library that it uses, and sent through the same connector, at no cost in size.
//!
//! https://docs.aws.amazon.com/systems-manager/latest/APIReference/

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningError, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Account, Https};
use crate::config::SettingError;

/// One attempt of a call gives up after this.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1500);
/// The waits between attempts: three attempts at most, in under six seconds, which fits inside a function's start.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// Reads and writes parameters of one account in one region.
pub struct Parameters {
    https: Https,
    account: Account,
    endpoint: String,
}

/// Why a call failed. Holds no value and no message of the service, which may quote one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterError {
    /// There is no parameter of this name.
    NotFound,
    /// There is one already.
    Exists,
    /// The policy of the caller does not allow it; right after a deployment, not yet.
    Denied,
    /// The service refuses the call: its error code.
    Refused(String),
    /// The service cannot be reached, or cannot answer for the time being.
    Unavailable(String),
}

impl Parameters {
    /// With region and credentials of the environment.
    ///
    /// # Errors
    /// Region or credentials are missing, or the certificate file cannot be used.
    pub async fn connect(environment: &dyn Fn(&str) -> Option<String>, ca_file: Option<&Path>) -> Result<Self, SettingError> {
        let https = Https::new(ca_file)?;
        let account = Account::find(environment, &https, "the Parameter Store").await?;
        let endpoint = account.endpoint("ssm", environment);
        Ok(Self { https, account, endpoint })
    }

    /// The value of a parameter, decrypted.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub async fn get(&self, name: &str) -> Result<String, ParameterError> {
        let answer = self.call("GetParameter", &json!({"Name": name, "WithDecryption": true})).await?;
        let value = answer["Parameter"]["Value"].as_str();
        value.map(str::to_owned).ok_or_else(|| ParameterError::Unavailable("GetParameter: the answer holds no value".to_owned()))
    }

    /// Writes an encrypted parameter of the standard tier: at most 4 KB, free of charge. `key` is the KMS key, the
    /// account's own for parameters when it is `None`.
    ///
    /// # Errors
    /// There is one already and it is not to be overwritten, or it cannot be written.
    pub async fn put(&self, name: &str, value: &str, description: &str, key: Option<&str>, overwrite: bool) -> Result<(), ParameterError> {
        let mut request = json!({
            "Name": name, "Value": value, "Description": description, "Type": "SecureString", "Tier": "Standard", "Overwrite": overwrite,
        });
        if let Some(key) = key {
            request["KeyId"] = json!(key);
        }
        self.call("PutParameter", &request).await.map(drop)
    }

    /// Deletes a parameter.
    ///
    /// # Errors
    /// There is none, or it cannot be deleted.
    pub async fn delete(&self, name: &str) -> Result<(), ParameterError> {
        self.call("DeleteParameter", &json!({"Name": name})).await.map(drop)
    }

    async fn call(&self, operation: &str, input: &Value) -> Result<Value, ParameterError> {
        let body = input.to_string().into_bytes();
        let mut waits = BACKOFF.iter();
        loop {
            let answer = self.attempt(operation, body.clone()).await;
            match (answer, waits.next()) {
                (Err(ParameterError::Unavailable(_)), Some(wait)) => tokio::time::sleep(*wait).await,
                (answer, _) => return answer,
            }
        }
    }

    async fn attempt(&self, operation: &str, body: Vec<u8>) -> Result<Value, ParameterError> {
        let request = self.signed(operation, body).await.map_err(|error| ParameterError::Refused(format!("{operation}: {error}")))?;
        let unavailable = |reason: String| ParameterError::Unavailable(format!("{operation}: {reason}"));
        let (status, body) = self.https.send(request, ATTEMPT_TIMEOUT).await.map_err(|error| unavailable(error.to_string()))?;
        if status == 200 {
            return serde_json::from_slice(&body).map_err(|_| unavailable("the answer is no JSON".to_owned()));
        }
        #[derive(Default, Deserialize)]
        struct Refusal {
            #[serde(rename = "__type", default)]
            code: String,
        }
        let Refusal { code } = serde_json::from_slice(&body).unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default();
        Err(match code {
            "ParameterNotFound" => ParameterError::NotFound,
            "ParameterAlreadyExists" => ParameterError::Exists,
            "AccessDeniedException" => ParameterError::Denied,
            "ThrottlingException" | "TooManyUpdates" | "InternalServerError" => unavailable(code.to_owned()),
            _ if status >= 500 || code.is_empty() => unavailable(format!("status {status}")),
            _ => ParameterError::Refused(format!("{operation}: {code}")),
        })
    }

    async fn signed(&self, operation: &str, body: Vec<u8>) -> Result<http::Request<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        let identity = self.account.credentials.provide_credentials().await?.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.account.region)
            .name("ssm")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let mut request = http::Request::post(format!("{}/", self.endpoint))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("AmazonSSM.{operation}"))
            .body(body)?;
        let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let uri = request.uri().to_string();
        let signable = SignableRequest::new("POST", uri, headers, SignableBody::Bytes(request.body()))?;
        let (instructions, _) = sign(signable, &parameters).map_err(|error: SigningError| error)?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("the parameter does not exist"),
            Self::Exists => f.write_str("the parameter exists already"),
            Self::Denied => f.write_str("the function's policy does not allow it"),
            Self::Refused(reason) => write!(f, "the Parameter Store refused: {reason}"),
            Self::Unavailable(reason) => write!(f, "the Parameter Store cannot be reached: {reason}"),
        }
    }
}

impl std::error::Error for ParameterError {}
