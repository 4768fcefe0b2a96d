//! The endpoints of the service.

pub mod get_jwks;
pub mod get_openapi;
pub mod health;
pub mod not_found;

use common::http::Endpoint;

pub const ENDPOINTS: &[&Endpoint] = &[
    &health::ENDPOINT,
    &get_openapi::ENDPOINT,
    &get_jwks::ENDPOINT,
    &not_found::ENDPOINT,
];
