//! What is about the API itself: whether it works, what it offers, which keys it signs with.

pub mod get_jwks;
pub mod get_openapi;
pub mod health;
pub mod not_found;

use common::http::Service;

/// The API document, which `cargo run -- openapi` makes from the endpoints' declarations. A test
/// holds it against them.
pub const OPENAPI: &str = include_str!("../openapi.json");

/// The service and its endpoints.
pub const SERVICE: Service = Service {
    name: "system",
    summary: "The API itself: health, document and public keys.",
    endpoints: &[
        &health::ENDPOINT,
        &get_openapi::ENDPOINT,
        &get_jwks::ENDPOINT,
        &not_found::ENDPOINT,
    ],
};
