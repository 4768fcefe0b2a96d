//! A request as every endpoint sees it, wherever it came from.

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

/// One HTTP request, read completely.
#[derive(Debug)]
pub struct Request {
    /// Names the request in the answer and in the logs.
    pub id: String,
    /// The method as it came.
    pub method: http::Method,
    /// The path, percent-encoded as it came.
    pub path: String,
    /// The query string without its question mark; empty when there is none.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// What Lambda calls the work on it; `None` in the server.
    pub invocation: Option<Invocation>,
    /// Who connected, as far as a proxy that may be trusted has told.
    pub source: IpAddr,
    /// Whether the client's own connection is encrypted, as far as that is known.
    pub secure: bool,
    /// The values of the path's parameters, decoded; filled in by the layer that knows the
    /// endpoint.
    pub parameters: Vec<(&'static str, String)>,
}

impl Request {
    /// A header that may come once, as text.
    ///
    /// # Errors
    /// 400 when it comes more than once or holds anything but visible ASCII, spaces and tabs (RFC
    /// 9110, section 5.5).
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

    /// The trace that it belongs to, as far as its client says so in a way that can be told.
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

/// What verifies who calls.
#[derive(Clone)]
pub struct CallerCheck {
    verifier: Arc<Verifier>,
    limit: CallerLimiter,
    pub clock: Arc<dyn Clock>,
}

impl CallerCheck {
    /// The caller that the request's access token names (RFC 6750, section 2.1).
    ///
    /// # Errors
    /// 401 without a token or with one that is not valid, 429 for a caller who sent too many
    /// requests.
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
