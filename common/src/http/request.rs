//! A request as endpoints see it, on Lambda and in the server.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};

use super::endpoint::{Access, Argument, Extract};
use super::openapi::Operation;
use crate::auth::{Caller, CallerLimiter, Client, Verifier};
use crate::config::Setting;
use crate::part::{Part, StartError, Starter};
use crate::problem::Problem;
use crate::telemetry::{self, Invocation};
use crate::time::Clock;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// One HTTP request with its complete body.
#[derive(Debug)]
pub struct Request {
    /// Identifies the request in the answer and in the logs.
    pub id: String,
    pub method: http::Method,
    /// The path, not decoded.
    pub path: String,
    /// The query string without its question mark, or empty.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Lambda's invocation; `None` in the server.
    pub invocation: Option<Invocation>,
    /// The address of the client, as reported by trusted proxies.
    pub source: IpAddr,
    /// Whether the client's own connection is encrypted, as far as known.
    pub secure: bool,
    /// The decoded values of the path parameters. Set once the endpoint is known.
    pub parameters: Vec<(&'static str, String)>,
}

impl Request {
    /// The text of a header that may be sent only once.
    ///
    /// # Errors
    /// 400 when it is sent more than once or contains anything but visible ASCII, spaces and tabs
    /// (RFC 9110, section 5.5).
    pub fn header(&self, name: &HeaderName) -> Result<Option<&str>, Problem> {
        let mut values = self.headers.get_all(name).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(Problem::malformed_header(name, "must be sent once"));
        }
        value
            .to_str()
            .map(Some)
            .map_err(|_| Problem::malformed_header(name, "must be visible ASCII characters"))
    }

    /// The client's `traceparent`, if it is valid.
    pub(super) fn traceparent(&self) -> Option<&str> {
        telemetry::traceparent(self.header(&TRACEPARENT).ok()??)
    }

    /// Whether the request only reads: GET or HEAD.
    pub fn is_read(&self) -> bool {
        matches!(self.method, http::Method::GET | http::Method::HEAD)
    }
}

impl Extract for Client {
    fn extract(request: &Request) -> Result<Self, Problem> {
        let user_agent = request
            .headers
            .get(header::USER_AGENT)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Ok(Self::new(request.source, user_agent.as_deref()))
    }

    fn describe(_: &mut Operation) {}
}

/// Verifies callers.
#[derive(Clone)]
pub struct CallerCheck {
    verifier: Arc<Verifier>,
    limit: CallerLimiter,
    pub clock: Arc<dyn Clock>,
}

impl CallerCheck {
    /// Verifies the caller of the request by its access token (RFC 6750, section 2.1).
    ///
    /// # Errors
    /// 401 when the token is missing or invalid, 429 when the caller has sent too many requests.
    pub fn verify(&self, request: &Request) -> Result<Caller, Problem> {
        let mut values = request.headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Err(Problem::unauthenticated());
        };
        if values.next().is_some() {
            return Err(Problem::invalid_token(
                "there is more than one Authorization header",
            ));
        }
        let text = value
            .to_str()
            .map_err(|_| Problem::invalid_token("the Authorization header is not ASCII"))?;
        let token = match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => return Err(Problem::unauthenticated()),
        };
        let caller = self
            .verifier
            .verify(token, self.clock.now())
            .map_err(Problem::invalid_token)?;
        telemetry::note_caller(&caller.user, &caller.session);
        self.limit.count(&caller)?;
        Ok(caller)
    }
}

impl Part for CallerCheck {
    fn settings() -> Vec<Setting> {
        Arc::<Verifier>::settings()
    }

    async fn start(starter: &Starter<'_>) -> Result<Self, StartError> {
        Ok(Self {
            verifier: starter.part().await?,
            limit: starter.part().await?,
            clock: starter.part().await?,
        })
    }
}

impl Argument for Caller {
    const ACCESS: Access = Access::User;

    type Part = CallerCheck;

    async fn take(check: &CallerCheck, request: &Request) -> Result<Self, Problem> {
        check.verify(request)
    }

    fn describe(operation: &mut Operation) {
        operation.requires_access_token();
    }
}
