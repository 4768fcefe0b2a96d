//! Connections, one of which may be open before anybody asks for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use futures_util::future::{BoxFuture, FutureExt, ready};
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

/// A connection that waits longer than this is not used: the other side may have closed it. By the wall clock, which goes on
/// while an environment is frozen.
const FRESH: Duration = Duration::from_secs(10);

type Connection = MaybeHttpsStream<TokioIo<TcpStream>>;
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Makes connections. A clone shares the one that is open.
#[derive(Clone)]
pub(super) struct Connections {
    make: HttpsConnector<TcpConnector>,
    open: Arc<Mutex<Option<Open>>>,
}

struct Open {
    to: Uri,
    since: SystemTime,
    connection: Connection,
}

impl Connections {
    pub(super) fn new(make: HttpsConnector<TcpConnector>) -> Self {
        Self { make, open: Arc::default() }
    }

    /// Opens a connection for the next one who asks for one to this place.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) async fn open(&self, to: Uri) -> Result<(), Error> {
        let connection = self.make.clone().call(to.clone()).await?;
        let open = Open { to, since: SystemTime::now(), connection };
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
        Ok(())
    }

    fn take_open(&self, to: &Uri) -> Option<Connection> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take()?;
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
        self.make.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        match self.take_open(&to) {
            Some(connection) => ready(Ok(connection)).boxed(),
            None => self.make.call(to).boxed(),
        }
    }
}
