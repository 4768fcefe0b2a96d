//! The endpoints on their paths.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{MethodFilter, MethodRouter, get, on};
use bytes::{Bytes, BytesMut};
use common::app::App;
use common::http::{Endpoint, MAX_BODY, Method, Request, serve};
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_swagger_ui::{Config, SwaggerUi};
use uuid::Uuid;

use crate::SERVICES;
use crate::proxies::TrustedProxies;

/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// How the server stands in the network.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The origins whose scripts may call the API (CORS); none by default.
    pub cors_origins: Vec<HeaderValue>,
    /// The proxies that are believed about where a request comes from; none by default.
    pub proxies: TrustedProxies,
}

/// Routes every endpoint to its handler, each with the parts of the app that its function would have.
pub fn router(app: &App, surroundings: &Surroundings) -> Router {
    let proxies = Arc::new(surroundings.proxies.clone());
    let mut router = Router::new();
    for endpoint in SERVICES.iter().flat_map(|service| service.endpoints.iter().copied()) {
        let route = route(app.for_endpoint(endpoint), endpoint, Arc::clone(&proxies));
        router = match endpoint.method {
            Method::Any => router.fallback_service(route.clone()).method_not_allowed_fallback(handler(
                app.for_endpoint(endpoint),
                endpoint,
                Arc::clone(&proxies),
            )),
            _ => router.route(endpoint.path, route),
        };
    }
    let router = router.merge(docs());
    match surroundings.cors_origins.as_slice() {
        [] => router,
        origins => router.layer(cors(origins)),
    }
}

fn route(app: App, endpoint: &'static Endpoint, proxies: Arc<TrustedProxies>) -> MethodRouter {
    let handler = handler(app, endpoint, proxies);
    match endpoint.method {
        // HEAD comes with GET.
        Method::Get => on(MethodFilter::GET, handler),
        Method::Post => on(MethodFilter::POST, handler),
        Method::Patch => on(MethodFilter::PATCH, handler),
        Method::Delete => on(MethodFilter::DELETE, handler),
        Method::Any => axum::routing::any(handler),
    }
}

fn handler(
    app: App,
    endpoint: &'static Endpoint,
    proxies: Arc<TrustedProxies>,
) -> impl Fn(ConnectInfo<SocketAddr>, axum::extract::Request) -> std::pin::Pin<Box<dyn Future<Output = http::Response<Body>> + Send>>
+ Clone
+ Send
+ Sync
+ 'static {
    let app = Arc::new(app);
    move |ConnectInfo(peer), request| {
        let (app, proxies) = (Arc::clone(&app), Arc::clone(&proxies));
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let request = Request {
                id: Uuid::now_v7().to_string(),
                method: parts.method,
                path: parts.uri.path().to_owned(),
                query: parts.uri.query().unwrap_or_default().to_owned(),
                invocation: None,
                source: proxies.client(peer.ip(), &parts.headers),
                headers: parts.headers,
                body: read(body).await,
                parameters: Vec::new(),
            };
            answered(app, endpoint, request).await
        })
    }
}

/// Answers a request, and finishes what it has begun when the client has gone: it is logged like any other, and no call of
/// the store is broken off, after which the driver would have to make a new connection.
async fn answered(app: Arc<App>, endpoint: &'static Endpoint, request: Request) -> http::Response<Body> {
    match tokio::spawn(async move { serve(&app, endpoint, request).await }).await {
        Ok(response) => response.map(Body::from),
        // The runtime ends, and every connection with it.
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Reads a body, but never more than tells that it is too large. One that breaks off, or takes too long, is what came
/// of it: it will not be whole JSON.
async fn read(mut body: Body) -> Bytes {
    let mut read = BytesMut::new();
    let reading = async {
        while read.len() <= MAX_BODY {
            match body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        read.extend_from_slice(data);
                    }
                }
                Some(Err(_)) | None => break,
            }
        }
    };
    let _ = tokio::time::timeout(BODY_TIMEOUT, reading).await;
    read.freeze()
}

/// The API document as a page with a way to try calls. Everything it needs is in the binary.
fn docs() -> Router {
    // The page's scripts are its own; its styles are partly inline.
    let policy =
        HeaderValue::from_static("default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'");
    let config = Config::new(["/v1/openapi.json"]).try_it_out_enabled(true).persist_authorization(true);
    Router::from(SwaggerUi::new("/docs").config(config))
        .route("/", get(|| async { Redirect::to("/docs/") }))
        .layer(SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, policy))
        .layer(SetResponseHeaderLayer::overriding(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
}

/// The methods that scripts of other origins may use; `template.yaml` says the same to API Gateway.
pub const CORS_METHODS: [&str; 5] = ["GET", "HEAD", "POST", "PATCH", "DELETE"];
/// The headers that they may send.
pub const CORS_HEADERS: [&str; 5] = ["authorization", "content-type", "idempotency-key", "if-match", "if-none-match"];
/// The headers that they may read.
pub const CORS_EXPOSED: [&str; 8] =
    ["etag", "link", "location", "ratelimit", "ratelimit-policy", "retry-after", "www-authenticate", "x-request-id"];
/// For how many seconds a browser may remember all this.
pub const CORS_MAX_AGE: u64 = 600;

fn cors(origins: &[HeaderValue]) -> CorsLayer {
    let names = |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect::<Vec<_>>();
    let methods = CORS_METHODS.iter().filter_map(|method| method.parse::<http::Method>().ok()).collect::<Vec<_>>();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().cloned()))
        .allow_methods(methods)
        .allow_headers(names(&CORS_HEADERS))
        .expose_headers(names(&CORS_EXPOSED))
        .max_age(Duration::from_secs(CORS_MAX_AGE))
}
