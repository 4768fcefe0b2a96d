//! The kinds of problem that any endpoint may answer with. A service declares its own kinds.

use http::StatusCode;

/// A kind of problem. Programs tell problems apart by its `type`, so a slug never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    pub status: StatusCode,
    /// The title in lower case with hyphens: the end of the `type`.
    pub slug: &'static str,
}

impl Kind {
    pub const fn new(status: StatusCode, slug: &'static str) -> Self {
        Self { status, slug }
    }

    pub const MALFORMED_BODY: Self = Self::new(StatusCode::BAD_REQUEST, "malformed-body");
    pub const MALFORMED_PARAMETER: Self = Self::new(StatusCode::BAD_REQUEST, "malformed-parameter");
    pub const MALFORMED_HEADER: Self = Self::new(StatusCode::BAD_REQUEST, "malformed-header");
    pub const UNSUPPORTED_REQUEST: Self = Self::new(StatusCode::BAD_REQUEST, "unsupported-request");
    pub const UNAUTHENTICATED: Self = Self::new(StatusCode::UNAUTHORIZED, "unauthenticated");
    pub const NOT_FOUND: Self = Self::new(StatusCode::NOT_FOUND, "not-found");
    pub const METHOD_NOT_ALLOWED: Self =
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed");
    pub const REQUEST_TIMEOUT: Self = Self::new(StatusCode::REQUEST_TIMEOUT, "request-timeout");
    pub const STILL_RUNNING: Self = Self::new(StatusCode::CONFLICT, "still-running");
    pub const PRECONDITION_FAILED: Self =
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition-failed");
    pub const TOO_LARGE: Self = Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large");
    pub const UNSUPPORTED_MEDIA_TYPE: Self =
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type");
    pub const INVALID_FIELDS: Self = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-fields");
    pub const IDEMPOTENCY_KEY_REUSED: Self =
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused");
    pub const TOO_MANY_REQUESTS: Self =
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests");
    pub const INTERNAL: Self = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal-error");
    pub const UNAVAILABLE: Self = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    /// The owner has reached the limit of stored data.
    pub const FULL: Self = Self::new(StatusCode::INSUFFICIENT_STORAGE, "full");

    /// The `type` of the problem, a URN (RFC 9457, section 3.1.1).
    pub fn uri(self) -> String {
        format!("urn:tasklane:problem:{}", self.slug)
    }

    /// A short title, the same for every problem of this kind.
    pub fn title(self) -> String {
        let words = self.slug.replace('-', " ");
        let (first, rest) = words.split_at(words.len().min(1));
        first.to_uppercase() + rest
    }
}
