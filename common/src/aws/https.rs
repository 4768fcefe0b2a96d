//! The connection to AWS: one TLS connector and its pool, for the SDK's client and for the few calls that no SDK client is
//! there for.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnector, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;

use super::roots::tls;
use crate::config::SettingError;

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Sends requests. A clone shares the connections.
#[derive(Clone, Debug)]
pub struct Https(SharedHttpConnector);

/// No answer came: whether the request was carried out is not known.
#[derive(Debug)]
pub struct Unanswered(String);

impl Https {
    /// Trusts AWS, and whom this file names besides.
    ///
    /// # Errors
    /// The file cannot be read or used.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, SettingError> {
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
        let connector = Connector::builder().connector_settings(settings).tls_provider(Provider::Rustls(CryptoMode::Ring));
        Ok(Self(SharedHttpConnector::new(connector.tls_context(tls(ca_file)?).build())))
    }

    /// Opens a connection to this endpoint, for the first call to find it open: at the start of a function there is a whole
    /// processor for the TLS handshake, later there may be a fourteenth of one. Endpoints of AWS answer `GET /` to anybody. One that
    /// cannot be reached is no error here: whether it can is found out by using it.
    pub(crate) async fn warm_up(&self, endpoint: &str) {
        if let Ok(request) = http::Request::get(format!("{endpoint}/")).body(Vec::new()) {
            let _ = self.send(request, CONNECT_TIMEOUT).await;
        }
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

impl HttpClient for Https {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.0.clone()
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
