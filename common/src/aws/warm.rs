//! Connections, one of which can be opened before the first request.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use futures_util::future::{BoxFuture, FutureExt, ready};
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tower::service_fn;
use tower_service::Service;

/// A connection that was idle for longer is not used: the server may have closed it. Measured by
/// the wall clock, which continues while an environment is frozen.
const FRESH: Duration = Duration::from_secs(10);

pub(super) type Tcp = TokioIo<TcpStream>;
type Connection = MaybeHttpsStream<Tcp>;
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Opens connections. A clone shares the open one.
#[derive(Clone)]
pub(super) struct Connections {
    tcp: TcpConnector,
    tls: Arc<ClientConfig>,
    open: Arc<Mutex<Option<Open>>>,
}

struct Open {
    to: Uri,
    since: SystemTime,
    connection: Connection,
}

impl Connections {
    pub(super) fn new(tcp: TcpConnector, tls: ClientConfig) -> Self {
        Self {
            tcp,
            tls: Arc::new(tls),
            open: Arc::default(),
        }
    }

    /// Returns a future that does the TLS handshake on this stream, and keeps the connection for
    /// the next request to this address. A request that arrives during the handshake waits for it.
    ///
    /// # Errors
    /// The handshake fails.
    pub(super) async fn open(
        &self,
        to: Uri,
        stream: Tcp,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let tls = Arc::clone(&self.tls);
        let mut stream = Some(stream);
        let reached = service_fn(move |_: Uri| ready(stream.take().ok_or("a stream is used once")));
        let mut open = Arc::clone(&self.open).lock_owned().await;
        async move {
            let connection = HttpsConnector::from((reached, tls))
                .call(to.clone())
                .await?;
            *open = Some(Open {
                to,
                since: SystemTime::now(),
                connection,
            });
            Ok(())
        }
    }

    /// Waits until no handshake is in progress.
    #[cfg(feature = "dynamodb")]
    pub(super) async fn opened(&self) {
        drop(self.open.lock().await);
    }

    async fn take_open(&self, to: &Uri) -> Option<Connection> {
        let open = self.open.lock().await.take()?;
        let same = (open.to.scheme(), open.to.authority()) == (to.scheme(), to.authority());
        let fresh = open.since.elapsed().is_ok_and(|age| age < FRESH);
        (same && fresh).then_some(open.connection)
    }
}

impl Service<Uri> for Connections {
    type Response = Connection;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Connection, Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connections = self.clone();
        async move {
            match connections.take_open(&to).await {
                Some(connection) => Ok(connection),
                None => {
                    HttpsConnector::from((connections.tcp, connections.tls))
                        .call(to)
                        .await
                }
            }
        }
        .boxed()
    }
}
