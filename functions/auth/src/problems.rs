//! The problems of this service.

use std::error::Error;

use common::problem::{FieldError, Kind, Problem, Refusal};
use http::{StatusCode, header};

pub(crate) const WRONG_CREDENTIALS: Kind = Kind::new(StatusCode::UNAUTHORIZED, "wrong-credentials");
pub(crate) const INVALID_REFRESH_TOKEN: Kind =
    Kind::new(StatusCode::UNAUTHORIZED, "invalid-refresh-token");
pub(crate) const ADDRESS_TAKEN: Kind = Kind::new(StatusCode::CONFLICT, "address-taken");
pub(crate) const CONFLICT: Kind = Kind::new(StatusCode::CONFLICT, "conflict");
pub(crate) const WRONG_PASSWORD: Kind =
    Kind::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong-password");

/// 401: the address or the password is wrong. The answer does not say which.
pub(crate) fn wrong_credentials() -> Problem {
    Problem::new(
        WRONG_CREDENTIALS,
        "The email address or the password is wrong.",
    )
    .with_header(header::WWW_AUTHENTICATE, "Bearer")
}

/// 401: the refresh token is unknown, used, expired or revoked. The reason is for the log.
pub(crate) fn invalid_refresh_token(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Problem {
    Problem::new(
        INVALID_REFRESH_TOKEN,
        "The refresh token is not valid (any more); log in again.",
    )
    .with_header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
    .caused_by(reason)
}

/// 422: the current password, sent as proof of identity, is wrong.
pub(crate) fn wrong_password(pointer: &str) -> Problem {
    Problem::new(WRONG_PASSWORD, "The current password is wrong.")
        .with_errors(vec![FieldError::pointer(pointer, "is wrong")])
}

/// An account with this address exists already.
pub(crate) const THE_ADDRESS_IS_TAKEN: Refusal = Refusal {
    reason: "the address is taken",
    problem: || {
        Problem::new(
            ADDRESS_TAKEN,
            "An account with this email address exists already.",
        )
        .with_errors(vec![FieldError::pointer("/email", "is taken")])
    },
};

pub(crate) const THE_SESSION_HAS_ENDED: Refusal = Refusal {
    reason: "the session has ended",
    problem: || Problem::invalid_token("the session has ended"),
};

/// The password was changed after it was verified.
pub(crate) const THE_PASSWORD_WAS_CHANGED: Refusal = Refusal {
    reason: "the password was changed meanwhile",
    problem: || {
        Problem::new(
            CONFLICT,
            "Another request changed the password in the meantime; this one changed nothing.",
        )
    },
};
