//! Connections: how many may be open, and how long each may keep the server waiting.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use common::auth::source_network;
use http::{Request, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::Service;

use crate::activity::{Activity, Watched};
use crate::proxies::TrustedProxies;

/// The largest header of a request, and the size of a read from a body, in bytes.
const BUFFER: usize = 32 * 1024;
/// How long a client may take to answer an HTTP/2 ping.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to close its connection after the server announced the end.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long no connection is accepted after the system has run out of file descriptors or memory.
const EXHAUSTED: Duration = Duration::from_secs(1);
/// How often refused connections are logged.
const REPORT: Duration = Duration::from_secs(10);
/// The answer to a connection above the limit.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How many connections there may be, and how long each may keep the server waiting.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Limits of connections")]
pub struct ConnectionLimits {
    /// How many connections may be open.
    #[arg(id = "total_connections", long = "connections", env = "TASKLANE_CONNECTIONS", hide_env_values = true, value_name = "NUMBER", default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..))]
    pub total: u32,

    /// How many of them one address may have open, or one /64 network of IPv6. A trusted proxy may
    /// have all.
    #[arg(id = "source_connections", long = "source-connections", env = "TASKLANE_SOURCE_CONNECTIONS", hide_env_values = true, value_name = "NUMBER", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub source: u32,

    /// How long a client may take to send the header of a request.
    #[arg(long, env = "TASKLANE_HEADER_TIMEOUT", hide_env_values = true, value_name = "TIME", default_value = "10s", value_parser = crate::arguments::time)]
    pub header_timeout: Duration,

    /// How long a client may take to send the body of a request.
    #[arg(long, env = "TASKLANE_BODY_TIMEOUT", hide_env_values = true, value_name = "TIME", default_value = "15s", value_parser = crate::arguments::time)]
    pub body_timeout: Duration,

    /// How long a client may take to read an answer and to send the next request.
    #[arg(long, env = "TASKLANE_IDLE_TIMEOUT", hide_env_values = true, value_name = "TIME", default_value = "75s", value_parser = crate::arguments::time)]
    pub idle_timeout: Duration,

    /// How often a client of HTTP/2 is asked whether it is still there.
    #[arg(long, env = "TASKLANE_HTTP2_PING", hide_env_values = true, value_name = "TIME", default_value = "20s", value_parser = crate::arguments::time)]
    pub http2_ping: Duration,

    /// How many requests a client of HTTP/2 may send at a time.
    #[arg(long, env = "TASKLANE_HTTP2_STREAMS", hide_env_values = true, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub http2_streams: u32,
}

/// Serves until `shutdown` resolves, then finishes the requests that are being answered. All
/// connections of the server are served here. Dropping the future closes every connection.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &ConnectionLimits,
    proxies: &TrustedProxies,
    shutdown: impl Future<Output = ()>,
) {
    let slots = Slots::new(limits, proxies);
    let (stop, stopping) = watch::channel(());
    let connection = Connection {
        builder: builder(limits),
        router,
        limits: limits.clone(),
        stopping,
    };
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match slots.take(peer.ip()) {
                    Some(slot) => drop(connections.spawn(connection.clone().run(stream, peer, slot))),
                    // At once, without waiting for the client: a refused connection costs nothing
                    // more.
                    None => drop(stream.try_write(REFUSAL)),
                },
                Err(error) => pause(&error).await,
            },
        }
    }
    drop((listener, stop, connection));
    while connections.join_next().await.is_some() {}
}

/// Ignores connections that broke before they were accepted. After any other error, the process has
/// run out of a resource, so this waits a moment.
async fn pause(error: &std::io::Error) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    ) {
        tracing::error!(cause = %error, "no_connection_accepted");
        tokio::time::sleep(EXHAUSTED).await;
    }
}

fn builder(limits: &ConnectionLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // hyper's own header timeout would also apply to idle connections, and starts only when the
    // version is known; `Activity` distinguishes the two. With half_close, a client that closes its
    // sending side after the request still gets the answer.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(BUFFER)
        .half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(limits.http2_ping))
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(limits.http2_streams)
        .max_header_list_size(u32::try_from(BUFFER).unwrap_or(u32::MAX));
    builder
}

/// Everything that a connection needs.
#[derive(Clone)]
struct Connection {
    builder: auto::Builder<TokioExecutor>,
    router: Router,
    limits: ConnectionLimits,
    stopping: watch::Receiver<()>,
}

impl Connection {
    async fn run(mut self, stream: TcpStream, peer: SocketAddr, slot: Slot) {
        // Answers are written at once, so waiting for more data is useless. The option fails if the
        // connection broke meanwhile.
        let _ = stream.set_nodelay(true);
        let activity = Activity::new(&self.limits);
        let (router, requests) = (self.router, activity.clone());
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            let busy = requests.begin(request.version() == Version::HTTP_2);
            request.extensions_mut().insert(ConnectInfo(peer));
            let answer = router.clone().call(request.map(Body::new));
            async move {
                let answer: Result<_, Infallible> = answer.await;
                drop(busy);
                answer
            }
        });
        let mut connection = pin!(self.builder.serve_connection(
            TokioIo::new(Watched::new(stream, activity.clone())),
            service
        ));
        let mut told = false;
        loop {
            tokio::select! {
                // Errors of a connection are the client's fault.
                _ = connection.as_mut() => break,
                _ = self.stopping.changed(), if !told => {}
                // Half a header is not a request that could be answered.
                () = activity.expired() => if told || activity.awaits_header() { break },
            }
            told = true;
            connection.as_mut().graceful_shutdown();
            activity.end_within(FAREWELL);
        }
        drop(slot);
    }
}

struct Slots {
    total: usize,
    source: usize,
    proxies: TrustedProxies,
    taken: Arc<Mutex<Taken>>,
    reported: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Taken {
    total: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// The slot of one connection, freed when dropped.
struct Slot {
    source: Option<IpAddr>,
    taken: Arc<Mutex<Taken>>,
}

impl Slots {
    fn new(limits: &ConnectionLimits, proxies: &TrustedProxies) -> Self {
        Self {
            total: limits.total as usize,
            source: limits.source as usize,
            proxies: proxies.clone(),
            taken: Arc::default(),
            reported: Mutex::default(),
        }
    }

    fn take(&self, peer: IpAddr) -> Option<Slot> {
        let source = (!self.proxies.trusts(peer)).then(|| source_network(peer));
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_source = source
            .and_then(|source| taken.by_source.get(&source))
            .copied()
            .unwrap_or_default();
        if taken.total >= self.total || of_source >= self.source {
            drop(taken);
            self.report(peer);
            return None;
        }
        taken.total += 1;
        if let Some(source) = source {
            taken.by_source.insert(source, of_source + 1);
        }
        Some(Slot {
            source,
            taken: Arc::clone(&self.taken),
        })
    }

    /// Logs that connections are refused, but only once per interval: many connections must not
    /// cause many lines.
    fn report(&self, peer: IpAddr) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.is_none_or(|last| last.elapsed() >= REPORT) {
            *reported = Some(Instant::now());
            tracing::warn!(source = %peer, "connection_refused");
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        if let Some(source) = self.source
            && let Some(count) = taken.by_source.get_mut(&source)
        {
            *count -= 1;
            if *count == 0 {
                taken.by_source.remove(&source);
            }
        }
    }
}
