//! The DynamoDB engine on a port, for Lambda functions and tools in other processes on this
//! machine.
//!
//! It stores whole accounts and has no authentication of its own, so it is protected against web
//! pages in a browser on this machine: their requests have `Origin` or `Sec-Fetch-Site`, or name a
//! host of theirs that resolves to this machine (DNS rebinding).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use common::dynamodb::LOCAL_ACCESS_KEY;
use http::uri::Authority;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use tokio::net::TcpListener;

use crate::connections;
use crate::engine::{Engine, TARGET};
use crate::network_options::NetworkOptions;

/// The largest body that DynamoDB accepts.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// The names of the host machine in Docker and Podman containers.
const HOSTS_OF_CONTAINERS: [&str; 3] = [
    "host.docker.internal",
    "gateway.docker.internal",
    "host.containers.internal",
];
const SIGV4: &str = "AWS4-HMAC-SHA256 ";

/// Serves the engine until `shutdown` resolves.
///
/// # Errors
/// The server cannot listen on the address.
pub async fn serve(
    engine: &Engine,
    listen: SocketAddr,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("{listen} cannot be listened on"))?;
    let address = listener.local_addr()?.ip();
    let router = Router::new()
        .route("/", post(answer))
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
        .with_state(engine.clone())
        .layer(from_fn_with_state(Arc::new(address), guarded));
    let NetworkOptions {
        connections: limits,
        proxies,
        ..
    } = NetworkOptions::default();
    connections::serve(listener, router, &limits, &proxies, shutdown).await;
    Ok(())
}

async fn answer(State(engine): State<Engine>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .unwrap_or_default();
    let operation = target.strip_prefix(TARGET).unwrap_or_default().to_owned();
    match engine.call(operation, body).await {
        Ok((status, json)) => reply(
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            json,
        ),
        Err(error) => reply(
            StatusCode::INTERNAL_SERVER_ERROR,
            refusal("InternalServerError", &error.to_string()),
        ),
    }
}

async fn guarded(State(address): State<Arc<IpAddr>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let refused = if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site")
    {
        Some("web pages may not call this engine")
    } else if !host(&request).is_some_and(|host| is_ours(&host, *address)) {
        Some("the Host is neither this machine's nor a container's name for it")
    } else if access_key(headers) != Some(LOCAL_ACCESS_KEY) {
        Some(
            "the request must be signed with the access key `local`: DATABASE_URL=dynamodb://local@HOST:PORT, or AWS_ACCESS_KEY_ID=local",
        )
    } else {
        None
    };
    match refused {
        None => next.run(request).await,
        Some(reason) => reply(
            StatusCode::BAD_REQUEST,
            refusal("AccessDeniedException", reason),
        ),
    }
}

fn host(request: &Request) -> Option<Authority> {
    let mut named = request.headers().get_all(header::HOST).iter();
    match (named.next(), named.next()) {
        (None, _) => request.uri().authority().cloned(),
        (Some(host), None) => host.to_str().ok()?.parse().ok(),
        (Some(_), Some(_)) => None,
    }
}

/// Whether a request for this host is meant for an engine that listens on this address. With DNS
/// rebinding the host is the page's own name. If the engine listens on all addresses, every IP
/// address may belong to this machine.
fn is_ours(host: &Authority, listens_on: IpAddr) -> bool {
    let name = host.host().to_ascii_lowercase();
    match name
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>()
    {
        Ok(address) => {
            address.is_loopback()
                || listens_on.is_unspecified()
                || address.to_canonical() == listens_on.to_canonical()
        }
        Err(_) => name == "localhost" || HOSTS_OF_CONTAINERS.contains(&name.as_str()),
    }
}

/// The access key in the request's signature. The key and its secret are public in the repository,
/// so no constant-time comparison is needed and the signature is not checked: it is enough that a
/// web page cannot send this header without a preflight request.
fn access_key(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix(SIGV4)?;
    let credential = authorization
        .split(',')
        .find_map(|part| part.trim().strip_prefix("Credential="))?;
    credential.split('/').next()
}

fn refusal(kind: &str, message: &str) -> String {
    json!({"__type": format!("com.amazon.coral.service#{kind}"), "message": message}).to_string()
}

fn reply(status: StatusCode, json: String) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/x-amz-json-1.0")],
        Body::from(json),
    )
        .into_response()
}
