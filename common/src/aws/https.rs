//! Single requests over the same connector that the SDK uses, for the few calls that no SDK client is there for.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;

use super::roots::tls;
use crate::config::SettingError;

/// Sends requests.
#[derive(Debug)]
pub struct Https(Connector);

/// No answer came: whether the request was carried out is not known.
#[derive(Debug)]
pub struct Unanswered(String);

impl Https {
    /// Trusts AWS, and whom this file names besides.
    ///
    /// # Errors
    /// The file cannot be read or used.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, SettingError> {
        Ok(Self(Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls(ca_file)?).build()))
    }

    /// Sends a request and reads the whole answer, both within this time.
    ///
    /// # Errors
    /// No answer came. The reason holds nothing of the request.
    pub async fn send(&self, request: http::Request<Vec<u8>>, time: Duration) -> Result<(u16, Bytes), Unanswered> {
        let request = HttpRequest::try_from(request.map(SdkBody::from)).map_err(|_| Unanswered("this is no request".to_owned()))?;
        let exchange = async {
            let response = self.0.call(request).await.map_err(|error| Unanswered(chain(&error)))?;
            let status = response.status().as_u16();
            let body = ByteStream::new(response.into_body()).collect().await.map_err(|error| Unanswered(chain(&error)))?;
            Ok((status, body.into_bytes()))
        };
        tokio::time::timeout(time, exchange).await.map_err(|_| Unanswered(format!("no answer within {time:?}")))?
    }
}

/// An error and what it came of; the first alone says little more than that something failed.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source()).fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unanswered {}
