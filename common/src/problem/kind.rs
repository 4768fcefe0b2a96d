//! The kinds of problem: one place for status, title and type.

use http::StatusCode;

/// A kind of problem. Its name is stable: programs tell problems apart by `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// 400
    MalformedBody,
    /// 400
    MalformedParameter,
    /// 400
    MalformedHeader,
    /// 400: the event or request has a shape that this API does not serve
    UnsupportedRequest,
    /// 401
    Unauthenticated,
    /// 401
    WrongCredentials,
    /// 401
    InvalidRefreshToken,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 408
    RequestTimeout,
    /// 409
    AddressTaken,
    /// 409
    NotInTrash,
    /// 409
    Conflict,
    /// 409
    StillRunning,
    /// 412
    PreconditionFailed,
    /// 413
    TooLarge,
    /// 415
    UnsupportedMediaType,
    /// 422
    InvalidFields,
    /// 422
    WrongPassword,
    /// 422
    IdempotencyKeyReused,
    /// 429
    TooManyRequests,
    /// 500
    Internal,
    /// 503
    Unavailable,
    /// 507
    Full,
}

impl Kind {
    /// The HTTP status of this kind.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::MalformedBody
            | Self::MalformedParameter
            | Self::MalformedHeader
            | Self::UnsupportedRequest => StatusCode::BAD_REQUEST,
            Self::Unauthenticated | Self::WrongCredentials | Self::InvalidRefreshToken => {
                StatusCode::UNAUTHORIZED
            }
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::AddressTaken | Self::NotInTrash | Self::Conflict | Self::StillRunning => {
                StatusCode::CONFLICT
            }
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidFields | Self::WrongPassword | Self::IdempotencyKeyReused => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Full => StatusCode::INSUFFICIENT_STORAGE,
        }
    }

    /// The kind in a few words, the same every time.
    pub const fn title(self) -> &'static str {
        match self {
            Self::MalformedBody => "Malformed body",
            Self::MalformedParameter => "Malformed parameter",
            Self::MalformedHeader => "Malformed header",
            Self::UnsupportedRequest => "Unsupported request",
            Self::Unauthenticated => "Unauthenticated",
            Self::WrongCredentials => "Wrong credentials",
            Self::InvalidRefreshToken => "Invalid refresh token",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::RequestTimeout => "Request timeout",
            Self::AddressTaken => "Address taken",
            Self::NotInTrash => "Not in the trash",
            Self::Conflict => "Conflict",
            Self::StillRunning => "Still running",
            Self::PreconditionFailed => "Precondition failed",
            Self::TooLarge => "Too large",
            Self::UnsupportedMediaType => "Unsupported media type",
            Self::InvalidFields => "Invalid fields",
            Self::WrongPassword => "Wrong password",
            Self::IdempotencyKeyReused => "Idempotency key reused",
            Self::TooManyRequests => "Too many requests",
            Self::Internal => "Internal error",
            Self::Unavailable => "Unavailable",
            Self::Full => "Full",
        }
    }

    /// The `type` of the problem: a URN made of its title (RFC 9457, section 3.1.1).
    pub fn uri(self) -> String {
        format!(
            "urn:tasklane:problem:{}",
            self.title().to_lowercase().replace(' ', "-")
        )
    }
}
