//! The connection to AWS: one pool of HTTP/1.1 connections, for the SDK's client and for the calls
//! without an SDK client.
//!
//! The SDK's own connector does the same, but also contains HTTP/2, which DynamoDB does not speak,
//! and proxies, which Lambda does not have. They are a tenth of a function's size.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::Uri;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::timeout;
use tower_service::Service;

use super::roots::tls;
use super::warm::{Connections, Tcp};
use crate::config::SettingError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Sends requests, over TLS or in plain text depending on the URL. A clone shares the connections.
#[derive(Clone)]
pub struct Https {
    connections: Connections,
    client: Client<Connections, SdkBody>,
}

/// No response arrived: it is not known whether the request was executed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(String);

impl Https {
    /// Trusts AWS, and the certificate authorities of this file.
    ///
    /// # Errors
    /// The file cannot be read or used.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, SettingError> {
        let connections = Connections::new(tcp(), tls(ca_file)?);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connections.clone());
        Ok(Self {
            connections,
            client,
        })
    }

    /// Opens a connection for the first call: while it starts, a function has a whole processor for
    /// the TLS handshake, later perhaps a fourteenth of one. Returns as soon as the client's part
    /// is sent, so that the caller can work while the server answers. A failed handshake is not
    /// reported here: the first call retries it.
    pub(super) async fn warm_up(&self, reaching: Reaching) {
        let stream = timeout(CONNECT_TIMEOUT, reaching.stream)
            .await
            .ok()
            .and_then(Result::ok)
            .and_then(Result::ok);
        let Some(stream) = stream else { return };
        let handshake = self.connections.open(reaching.to, stream).await;
        tokio::spawn(timeout(CONNECT_TIMEOUT, handshake));
        // Lets the handshake start.
        yield_now().await;
    }

    /// Waits for a handshake in progress.
    #[cfg(feature = "dynamodb")]
    pub(crate) async fn opened(&self) {
        self.connections.opened().await;
    }

    /// Sends a request and reads the whole response within this time.
    ///
    /// # Errors
    /// No response arrived. The reason contains nothing of the request.
    pub async fn send(
        &self,
        request: http::Request<Vec<u8>>,
        time: Duration,
    ) -> Result<(u16, Bytes), Unanswered> {
        let request = request.map(SdkBody::from);
        let exchange = async {
            let response = self
                .client
                .request(request)
                .await
                .map_err(|error| Unanswered(chain(&error)))?;
            let status = response.status().as_u16();
            let body = response
                .into_body()
                .collect()
                .await
                .map_err(|error| Unanswered(chain(&error)))?;
            Ok((status, body.to_bytes()))
        };
        timeout(time, exchange)
            .await
            .map_err(|_| Unanswered(format!("no answer within {time:?}")))?
    }
}

/// A DNS lookup and a TCP connection attempt that run in the background.
#[derive(Debug)]
pub(super) struct Reaching {
    to: Uri,
    stream: JoinHandle<Result<Tcp, <TcpConnector as Service<Uri>>::Error>>,
}

impl Reaching {
    /// Starts to connect to this endpoint; `None` if it is not a URL.
    pub(super) async fn begin(endpoint: &str) -> Option<Self> {
        let to: Uri = endpoint.parse().ok()?;
        let stream = tokio::spawn(tcp().call(to.clone()));
        // Lets the task start: the lookup then runs on its own thread.
        yield_now().await;
        Some(Self { to, stream })
    }
}

fn tcp() -> TcpConnector {
    let mut tcp = TcpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp
}

impl fmt::Debug for Https {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Https(..)")
    }
}

impl HttpConnector for Https {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        let answering = self.client.request(request);
        HttpConnectorFuture::new(async move {
            // Every error can be retried: all calls are safe to repeat.
            let response = answering
                .await
                .map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

impl HttpClient for Https {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// An error and its sources: the outermost message alone rarely names the reason.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source())
        .fold(error.to_string(), |text, source| {
            format!("{text}: {source}")
        })
}
