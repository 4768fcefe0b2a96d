//! Routes requests to the endpoints.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{MethodFilter, get, on};
use common::auth::CallerLimiter;
use common::http::{Method, Request, Running, fail, serve};
use common::part::{StartError, Starter};
use common::problem::Problem;
use http::{HeaderName, HeaderValue, StatusCode, header};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::SERVICES;
use crate::gate::{self, Gate};
use crate::network_options::NetworkOptions;
use crate::origin::Origin;
use crate::request_limits::AccountLimit;

/// Starts every endpoint with the parts that its function would have, and routes requests to it.
///
/// # Errors
/// A part cannot start.
pub async fn start(
    starter: Starter<'_>,
    network_options: &NetworkOptions,
) -> Result<Router, StartError> {
    let limit = AccountLimit::new(&network_options.requests);
    let starter = starter.with(limit.map(CallerLimiter::new).unwrap_or_default());
    let nowhere = &system::endpoints::not_found::ENDPOINT;
    let gate = Arc::new(Gate::new(network_options, nowhere));
    let mut router = Router::new();
    for endpoint in SERVICES
        .iter()
        .flat_map(|service| service.endpoints.iter().copied())
    {
        let running = Arc::new(endpoint.start(&starter).await?);
        let handler = || handler(Arc::clone(&running), Arc::clone(&gate));
        router = match endpoint.method {
            Method::Any => router
                .fallback(handler())
                .method_not_allowed_fallback(handler()),
            // HEAD is included in GET.
            Method::Get => router.route(endpoint.path, on(MethodFilter::GET, handler())),
            Method::Post => router.route(endpoint.path, on(MethodFilter::POST, handler())),
            Method::Patch => router.route(endpoint.path, on(MethodFilter::PATCH, handler())),
            Method::Delete => router.route(endpoint.path, on(MethodFilter::DELETE, handler())),
        };
    }
    let router = router.merge(docs().layer(from_fn_with_state(Arc::clone(&gate), gate::admitted)));
    let router = match network_options.cors_origins.as_slice() {
        [] => router,
        origins => router.layer(cors(origins)),
    };
    Ok(router.layer(from_fn_with_state(gate, gate::with_host)))
}

type Answering = std::pin::Pin<Box<dyn Future<Output = http::Response<Body>> + Send>>;

fn handler(
    running: Arc<Running>,
    gate: Arc<Gate>,
) -> impl Fn(ConnectInfo<SocketAddr>, axum::extract::Request) -> Answering + Clone + Send + Sync + 'static
{
    move |ConnectInfo(peer), request| {
        let (running, gate) = (Arc::clone(&running), Arc::clone(&gate));
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let (request, problem) = gate.read(peer, parts, body).await;
            answered(running, request, problem).await
        })
    }
}

/// Answers a request, also if the client has gone: it is logged like any other, and no store call
/// is cancelled, which would force the driver to open a new connection.
async fn answered(
    running: Arc<Running>,
    request: Request,
    problem: Option<Problem>,
) -> http::Response<Body> {
    let answering = tokio::spawn(async move {
        match problem {
            None => serve(&running, request).await,
            Some(problem) => fail(running.endpoint, &request, problem),
        }
    });
    match answering.await {
        Ok(response) => response.map(Body::from),
        // The runtime ends, and with it all connections.
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// The API document as a page for trying calls. All its files are in the binary. It stores nothing:
/// a token is lost when the page is closed.
fn docs() -> Router {
    // The page loads only its own scripts; some of its styles are inline.
    let policy = HeaderValue::from_static(
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
    );
    let config = Config::new(["/v1/openapi.json"])
        .try_it_out_enabled(true)
        .persist_authorization(false);
    Router::from(SwaggerUi::new("/docs").config(config))
        .route("/", get(|| async { Redirect::to("/docs/") }))
        .layer(SetResponseHeaderLayer::overriding(
            header::CONTENT_SECURITY_POLICY,
            policy,
        ))
        .layer(SetResponseHeaderLayer::overriding(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
}

/// The methods that scripts of other origins may use; `template.yaml` has the same for API Gateway.
pub const CORS_METHODS: [&str; 5] = ["GET", "HEAD", "POST", "PATCH", "DELETE"];
/// The headers that they may send.
pub const CORS_HEADERS: [&str; 5] = [
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
];
/// The headers that they may read.
pub const CORS_EXPOSED: [&str; 8] = [
    "etag",
    "link",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "www-authenticate",
    "x-request-id",
];
/// How long a browser may cache all this, in seconds.
pub const CORS_MAX_AGE: u64 = 600;

fn cors(origins: &[Origin]) -> CorsLayer {
    let names = |names: &[&'static str]| {
        names
            .iter()
            .map(|name| HeaderName::from_static(name))
            .collect::<Vec<_>>()
    };
    let methods = CORS_METHODS
        .iter()
        .filter_map(|method| method.parse::<http::Method>().ok())
        .collect::<Vec<_>>();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(
            origins.iter().map(|origin| origin.header().clone()),
        ))
        .allow_methods(methods)
        .allow_headers(names(&CORS_HEADERS))
        .expose_headers(names(&CORS_EXPOSED))
        .max_age(Duration::from_secs(CORS_MAX_AGE))
}
