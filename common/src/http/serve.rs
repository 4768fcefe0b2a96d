//! The layer that every request passes through, on Lambda and in the server.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::body::check_size;
use super::conditional::check_read;
use super::endpoint::{Endpoint, Running};
use super::request::Request;
use super::response::{Response, write};
use crate::problem::Problem;
use crate::telemetry::{self, Answered, Observed};
use crate::time::{Clock, SystemClock, Timestamp};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The time limit of a handler: each store call has its own limit, but several slow calls add up.
/// It is less than the ten seconds after which Lambda stops a function (`template.yaml`), so that
/// the client gets a 503.
const TIME: Duration = Duration::from_secs(8);

/// Headers of every answer, as OWASP's REST security cheat sheet recommends.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Only sent over https (RFC 6797, section 7.2).
const TRANSPORT_SECURITY: HeaderValue =
    HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// Answers a request. Errors and panics become an answer too, and one log line is always written.
pub async fn serve(running: &Running, mut request: Request) -> Response {
    let started = Instant::now();
    let answering = answer(running, &mut request);
    let (answer, observed) = telemetry::observe(running.endpoint.name, answering).await;
    finish(
        running.clock.now(),
        running.endpoint,
        &request,
        answer,
        started,
        &observed,
    )
}

/// Answers a request that cannot be handled: its function cannot start, it arrived incomplete, or
/// its source sends too many. Headers and log line are the same as for any other answer.
pub fn fail(endpoint: &Endpoint, request: &Request, problem: Problem) -> Response {
    finish(
        SystemClock.now(),
        endpoint,
        request,
        Err(problem),
        Instant::now(),
        &Observed::default(),
    )
}

/// The answer to an event that is not a request of this API.
pub(crate) fn refuse(problem: &Problem, request_id: &str) -> Response {
    let mut response = problem_response(problem, request_id);
    // API Gateway serves only https.
    add_headers(&mut response, request_id, true);
    response
}

/// Completes the answer and writes its log line.
fn finish(
    now: Timestamp,
    endpoint: &Endpoint,
    request: &Request,
    answer: Result<Response, Problem>,
    started: Instant,
    observed: &Observed,
) -> Response {
    let (mut response, problem) = match answer {
        Ok(response) => (response, None),
        Err(problem) => {
            let logged = (problem.kind.uri(), problem.cause_chain());
            (problem_response(&problem, &request.id), Some(logged))
        }
    };
    complete(&mut response, request);
    let answered = Answered {
        request_id: &request.id,
        invocation: request.invocation.as_ref(),
        traceparent: request.traceparent(),
        source: request.source,
        function: endpoint.name,
        method: request.method.as_str(),
        route: endpoint.path,
        status: response.status().as_u16(),
        duration: started.elapsed(),
        problem,
    };
    telemetry::answered(now, &answered, observed);
    response
}

async fn answer(running: &Running, request: &mut Request) -> Result<Response, Problem> {
    check_size(request)?;
    match running.endpoint.match_path(&request.path)? {
        Some(parameters) => request.parameters = parameters,
        None => return Err(Problem::not_found("There is nothing at this path.")),
    }
    let request = &*request;
    let handling = AssertUnwindSafe(running.handler.call(request)).catch_unwind();
    let handled = tokio::time::timeout(TIME, handling)
        .await
        .map_err(|_| Problem::unavailable("the store was too slow"))?;
    // The panic hook has already logged the panic.
    let mut response = handled.map_err(|_| Problem::internal("the handler panicked"))??;
    if request.is_read() && response.status() == StatusCode::OK {
        let etag = entity_tag(&mut response)?;
        if check_read(request, &etag)? == StatusCode::NOT_MODIFIED {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(header::CONTENT_TYPE);
        }
    }
    Ok(response)
}

/// The entity tag of a response: the handler's, or a digest of the body.
fn entity_tag(response: &mut Response) -> Result<String, Problem> {
    if let Some(tag) = response.headers().get(header::ETAG) {
        return tag.to_str().map(str::to_owned).map_err(Problem::internal);
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, response.body());
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16]));
    response.headers_mut().insert(
        header::ETAG,
        HeaderValue::try_from(tag.as_str()).map_err(Problem::internal)?,
    );
    Ok(tag)
}

fn problem_response(problem: &Problem, request_id: &str) -> Response {
    let mut response = write(problem.status(), &problem.body(request_id)).unwrap_or_default();
    *response.status_mut() = problem.status();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    for (name, value) in &problem.headers {
        response.headers_mut().append(name, value.clone());
    }
    response
}

fn complete(response: &mut Response, request: &Request) {
    add_headers(response, &request.id, request.secure);
    let unmodified = response.status() == StatusCode::NOT_MODIFIED;
    if request.method == http::Method::HEAD && response.status() != StatusCode::NO_CONTENT {
        // The length of the body that GET would send (RFC 9110, sections 8.6 and 9.3.2), also for a
        // 304. Without this the server would send 0.
        let length = HeaderValue::from(response.body().len());
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length);
    }
    if request.method == http::Method::HEAD || unmodified {
        *response.body_mut() = Bytes::new();
    }
}

fn add_headers(response: &mut Response, request_id: &str, secure: bool) {
    let headers = response.headers_mut();
    headers.extend(SECURITY_HEADERS);
    if secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, TRANSPORT_SECURITY);
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use crate::http::{Endpoint, NoContent, handler};
    use crate::part::Starter;

    static ENDPOINT: Endpoint = Endpoint::get("fragile", "/fragile", &handler(fragile));

    async fn fragile(request: crate::http::RequestLine) -> Result<NoContent, Problem> {
        assert!(request.path.is_empty(), "every path has a slash");
        Ok(NoContent)
    }

    fn request() -> Request {
        Request {
            id: "1".to_owned(),
            method: http::Method::GET,
            path: "/fragile".to_owned(),
            query: String::new(),
            headers: http::HeaderMap::new(),
            body: Bytes::new(),
            invocation: None,
            source: std::net::Ipv4Addr::LOCALHOST.into(),
            secure: false,
            parameters: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_panic_is_a_500_without_details_and_the_next_request_is_answered() {
        let starter = Starter::new(Environment::new(&|_| None));
        let running = ENDPOINT.start(&starter).await.expect("no part fails");

        for _ in 0..2 {
            let response = serve(&running, request()).await;

            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(
                response.headers()[header::CONTENT_TYPE],
                "application/problem+json"
            );
            assert!(!String::from_utf8_lossy(response.body()).contains("slash"));
        }
    }
}
