//! Secrets of AWS Secrets Manager.
//!
//! https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html

use serde_json::{Value, json};

use super::{Aws, CallError, Service};

impl Aws {
    /// Gets the current text of a secret.
    ///
    /// # Errors
    /// It cannot be read, or it contains no text.
    pub async fn secret(&self, arn: &str) -> Result<String, CallError> {
        let mut answer = self
            .call(
                Service::SecretsManager,
                "GetSecretValue",
                &json!({"SecretId": arn}),
            )
            .await?;
        match answer["SecretString"].take() {
            Value::String(text) => Ok(text),
            _ => Err(CallError::Refused(
                "GetSecretValue",
                "the secret holds no text".to_owned(),
            )),
        }
    }
}
