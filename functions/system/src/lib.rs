//! The API itself: whether it works, what it offers, which keys it signs with.

pub mod endpoints;

use common::http::Service;

/// The API document, which `cargo run -- openapi` makes from the endpoints' declarations. A test
/// holds it against them.
pub const OPENAPI: &str = include_str!("../openapi.json");

pub const SERVICE: Service = Service {
    name: "system",
    summary: "The API itself: health, document and public keys.",
    endpoints: endpoints::ENDPOINTS,
    storage: None,
};
