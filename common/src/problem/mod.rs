//! The one error type that reaches a client: RFC 9457 problem details.
//!
//! What the client sees (kind, detail, field errors) and what the log sees (the cause) are
//! separate: a cause is never part of a response.

mod errors;
mod kind;
mod store;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use http::{HeaderName, HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;

pub use errors::{FieldError, Place};
pub use kind::Kind;
pub use store::{Refusal, StoreError};

use errors::Errors;

use crate::time::Timestamp;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The `Retry-After` of an unavailable store, in seconds.
const RETRY_UNAVAILABLE: u64 = 2;
/// The `Retry-After`, in seconds, while a request with the same idempotency key is running.
const RETRY_IN_PROGRESS: u64 = 1;

/// An error answer to a request.
pub struct Problem {
    /// Decides status, title and type.
    pub kind: Kind,
    /// What happened this time, for people.
    pub detail: Cow<'static, str>,
    errors: Errors,
    /// Headers of the answer, such as `Retry-After`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The cause, for the log only.
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

/// The body of an error response (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct ProblemBody<'a> {
    /// Identifies the kind of problem; stable, for programs.
    pub r#type: String,
    /// A short name of the kind of problem.
    pub title: String,
    /// The HTTP status.
    #[schemars(range(min = 400, max = 599))]
    pub status: u16,
    /// What went wrong in this request.
    pub detail: &'a str,
    /// The identifier of this request in the logs.
    pub request_id: &'a str,
    /// The errors in the request: the first fifty, then one that counts the rest.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    #[schemars(length(max = errors::MAX_NAMED + 1))]
    pub errors: &'a [FieldError],
}

impl Problem {
    /// Creates a problem of this kind; see also the named constructors below.
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Errors::default(),
            headers: Vec::new(),
            cause: None,
        }
    }

    /// Adds the faults, up to the limit.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = Errors::new(errors);
        self
    }

    /// Adds a header to the answer. An invalid value is left out.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Adds the cause, for the log only.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// 400: the body is not JSON that the endpoint accepts.
    pub fn malformed_body(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Kind::MALFORMED_BODY, "The body could not be read.")
            .with_errors(vec![FieldError::pointer(pointer, detail)])
    }

    /// 400: a query or path parameter cannot be read.
    pub fn malformed_parameter(errors: Vec<FieldError>) -> Self {
        Self::new(Kind::MALFORMED_PARAMETER, "A parameter could not be read.").with_errors(errors)
    }

    /// 400: a header cannot be read.
    pub fn malformed_header(name: &HeaderName, detail: impl Into<String>) -> Self {
        let place = Place::Header(name.as_str().to_owned());
        Self::new(
            Kind::MALFORMED_HEADER,
            format!("The header {name} could not be read."),
        )
        .with_errors(vec![FieldError {
            place,
            detail: detail.into(),
        }])
    }

    /// 422: the body can be read but breaks rules; `errors` names all of them.
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        Self::new(
            Kind::INVALID_FIELDS,
            "The body breaks the rules named in errors.",
        )
        .with_errors(errors)
    }

    /// 401: no access token came with the request (RFC 6750, section 3).
    pub fn unauthenticated() -> Self {
        Self::new(
            Kind::UNAUTHENTICATED,
            "This call needs an access token: send Authorization: Bearer TOKEN.",
        )
        .with_header(header::WWW_AUTHENTICATE, "Bearer")
    }

    /// 401: the access token is invalid or has expired. The reason is for the log.
    pub fn invalid_token(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(
            Kind::UNAUTHENTICATED,
            "The access token is not valid or has expired; refresh it or log in again.",
        )
        .with_header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
        .caused_by(reason)
    }

    /// 404: the caller has no such resource. Another user's resource gets the same answer.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::NOT_FOUND, detail)
    }

    /// 412: the preconditions do not allow the current version. `ETag` has the current version, if
    /// there is one.
    pub fn precondition_failed(etag: Option<&str>) -> Self {
        match etag {
            Some(etag) => Self::new(
                Kind::PRECONDITION_FAILED,
                "The current version of the resource, which ETag names, does not meet If-Match or If-None-Match. Read it again, then repeat the change.",
            )
            .with_header(header::ETAG, etag),
            None => Self::new(Kind::PRECONDITION_FAILED, "This path has no entity tag, so If-Match cannot be met."),
        }
    }

    /// 429: a limit of `count` requests in a window of `window` seconds is exceeded. The request
    /// may be retried after `wait` seconds. The fields are those of
    /// draft-ietf-httpapi-ratelimit-headers.
    pub fn too_many_requests(limit: &str, count: u64, window: u64, wait: u64) -> Self {
        Self::new(
            Kind::TOO_MANY_REQUESTS,
            format!("Too many attempts. Try again in {wait} seconds."),
        )
        .with_header(header::RETRY_AFTER, &wait.to_string())
        .with_header(RATE_LIMIT, &format!("\"{limit}\";r=0;t={wait}"))
        .with_header(
            RATE_LIMIT_POLICY,
            &format!("\"{limit}\";q={count};w={window}"),
        )
    }

    /// 500: a fault of the service. The cause is in the log only.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(
            Kind::INTERNAL,
            "An internal error occurred. It was logged under this request_id.",
        )
        .caused_by(cause)
    }

    /// 503: the store, or the capacity to answer, is temporarily unavailable.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(
            Kind::UNAVAILABLE,
            "The service cannot answer right now. Try again shortly.",
        )
        .with_header(header::RETRY_AFTER, &RETRY_UNAVAILABLE.to_string())
        .caused_by(cause)
    }

    pub fn status(&self) -> StatusCode {
        self.kind.status
    }

    pub fn body<'a>(&'a self, request_id: &'a str) -> ProblemBody<'a> {
        ProblemBody {
            r#type: self.kind.uri(),
            title: self.kind.title(),
            status: self.status().as_u16(),
            detail: &self.detail,
            request_id,
            errors: self.errors.as_slice(),
        }
    }

    /// The chain of causes, outermost first, as one line for the log.
    pub fn cause_chain(&self) -> Option<String> {
        let mut chain = String::new();
        let mut next: Option<&(dyn Error + 'static)> =
            self.cause.as_deref().map(|cause| cause as _);
        while let Some(error) = next {
            let text = error.to_string();
            // Many errors already print their source; do not repeat it.
            if !chain.ends_with(&text) {
                if !chain.is_empty() {
                    chain.push_str(": ");
                }
                chain.push_str(&text);
            }
            next = error.source();
        }
        (!chain.is_empty()).then_some(chain)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?}: {} {:?} (cause: {:?})",
            self.kind,
            self.detail,
            self.errors.as_slice(),
            self.cause_chain()
        )
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::not_found(format!("There is no such {what}.")),
            StoreError::Stale { current } => {
                Self::precondition_failed(Some(&format!("\"{current}\"")))
            }
            StoreError::Refused(refusal) => (refusal.problem)(),
            StoreError::KeyReused => Self::new(
                Kind::IDEMPOTENCY_KEY_REUSED,
                "This Idempotency-Key was used with another request; use a new key.",
            ),
            StoreError::StillRunning => Self::new(
                Kind::STILL_RUNNING,
                "A request with this Idempotency-Key is still running.",
            )
            .with_header(header::RETRY_AFTER, &RETRY_IN_PROGRESS.to_string()),
            StoreError::Full => {
                Self::new(Kind::FULL, "This account is full; delete something first.")
            }
            StoreError::DiskFull => Self::new(
                Kind::FULL,
                "The server's disk is full; nothing was changed.",
            ),
            StoreError::Unavailable(cause) => Self::unavailable(cause),
            StoreError::Corrupt(cause) => Self::internal(cause),
        }
    }
}

/// The seconds from `now` until `then`, at least one, for `Retry-After`.
pub fn seconds_until(now: Timestamp, then: Timestamp) -> u64 {
    u64::try_from(then.as_second() - now.as_second())
        .unwrap_or(0)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_errors_are_named_and_the_rest_is_counted() {
        let many = |count: usize| {
            Problem::invalid_fields(vec![FieldError::pointer("/a", "is wrong"); count])
        };

        for count in [0, 1, 50] {
            assert_eq!(many(count).errors.as_slice().len(), count);
        }

        let errors = many(6_000);
        let (last, named) = errors.errors.as_slice().split_last().expect("errors");
        assert_eq!(
            (named.len(), last),
            (
                50,
                &FieldError::pointer("", "has 5950 more errors, which are not listed")
            )
        );
    }

    #[test]
    fn a_very_long_location_is_truncated() {
        for (name, shown) in [
            ("a".repeat(128), "a".repeat(128)),
            ("a".repeat(129), "a".repeat(128) + "\u{2026}"),
            ("\0".repeat(60_000), "\0".repeat(21) + "\u{2026}"),
        ] {
            let problem =
                Problem::malformed_parameter(vec![FieldError::parameter(name, "is unknown")]);
            assert_eq!(problem.errors.as_slice()[0].place, Place::Parameter(shown));
        }
    }
}
