//! The part of the Lambda Runtime API that functions use: one server for each process.
//!
//! https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// The time limit of each action of a function.
const PATIENCE: Duration = Duration::from_secs(20);

/// The Runtime API of one function.
pub(crate) struct RuntimeApi {
    pub(crate) address: SocketAddr,
    calls: mpsc::UnboundedReceiver<Call>,
    serving: JoinHandle<()>,
}

/// A call of a function, and when it arrived.
enum Call {
    /// Requests the next event.
    Next(Poll),
    Response(Instant, Bytes),
    /// It could not start, or could not answer.
    Failure(Bytes),
}

pub(crate) struct Poll {
    pub(crate) at: Instant,
    event: oneshot::Sender<Bytes>,
}

impl RuntimeApi {
    pub(crate) async fn listen() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (sender, calls) = mpsc::unbounded_channel();
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(response),
            )
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failure))
            .route("/2018-06-01/runtime/init/error", post(failure))
            .with_state(sender);
        let listener = listener.tap_io(|connection| {
            // Without this option it only waits longer.
            let _ = connection.set_nodelay(true);
        });
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            calls,
            serving,
        })
    }

    /// Waits until the function requests an event.
    ///
    /// # Errors
    /// It makes another call, or none.
    pub(crate) async fn poll(&mut self) -> anyhow::Result<Poll> {
        match self.call().await? {
            Call::Next(poll) => Ok(poll),
            Call::Response(..) => Err(anyhow!("it answered an event that it was not given")),
            Call::Failure(error) => Err(anyhow!("{}", String::from_utf8_lossy(&error))),
        }
    }

    /// Sends an event to the function and waits for the answer. Returns the time taken and the
    /// answer.
    ///
    /// # Errors
    /// It makes another call, or none.
    pub(crate) async fn invoke(
        &mut self,
        poll: Poll,
        event: Bytes,
    ) -> anyhow::Result<(Duration, Bytes)> {
        let given = Instant::now();
        poll.event.send(event).map_err(|_| anyhow!("it hung up"))?;
        match self.call().await? {
            Call::Response(at, answer) => Ok((at - given, answer)),
            Call::Next(_) => Err(anyhow!(
                "it asked for another event before it answered this one"
            )),
            Call::Failure(error) => Err(anyhow!("{}", String::from_utf8_lossy(&error))),
        }
    }

    async fn call(&mut self) -> anyhow::Result<Call> {
        let call = tokio::time::timeout(PATIENCE, self.calls.recv())
            .await
            .with_context(|| format!("it did nothing for {PATIENCE:?}"))?;
        call.context("the Runtime API has ended")
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Calls = State<mpsc::UnboundedSender<Call>>;

async fn next(State(calls): Calls) -> Response<Body> {
    let at = Instant::now();
    let (event, given) = oneshot::channel();
    let _ = calls.send(Call::Next(Poll { at, event }));
    // When the bench is finished with the function, no event is sent.
    let Ok(event) = given.await else {
        return status(StatusCode::GONE);
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut response = Response::new(Body::from(event));
    let headers = [
        ("content-type", "application/json".to_owned()),
        (
            "lambda-runtime-aws-request-id",
            "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned(),
        ),
        (
            "lambda-runtime-deadline-ms",
            (now + Duration::from_secs(10)).as_millis().to_string(),
        ),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:123456789012:function:bench".to_owned(),
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1".to_owned(),
        ),
    ];
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn response(State(calls): Calls, body: Bytes) -> Response<Body> {
    let _ = calls.send(Call::Response(Instant::now(), body));
    status(StatusCode::ACCEPTED)
}

async fn failure(State(calls): Calls, body: Bytes) -> Response<Body> {
    let _ = calls.send(Call::Failure(body));
    status(StatusCode::ACCEPTED)
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::from("{}"));
    *response.status_mut() = status;
    response
}
