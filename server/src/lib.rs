//! All functions in one process: for development, for trying the API, and for containers.

mod activity;
pub mod arguments;
mod body;
pub mod connections;
pub mod copy;
pub mod emulator;
pub mod engine;
mod gate;
mod host;
pub mod keys;
pub mod network_options;
pub mod origin;
pub mod private;
pub mod proxies;
pub mod request_limits;
pub mod router;
pub mod seed;
pub mod start;
pub mod upkeep;

use common::config::{LOG_LEVEL, METRICS_NAMESPACE, Setting};
use common::http::Service;
use common::http::openapi::About;
use common::storage::Storage;

pub const SERVICES: [&Service; 3] = [&auth::SERVICE, &tasks::SERVICE, &system::SERVICE];

/// The services' data in the database.
pub fn storages() -> Vec<&'static Storage> {
    SERVICES
        .iter()
        .filter_map(|service| service.storage)
        .collect()
}

/// The settings of all functions, without duplicates; tests compare the documentation with them.
pub fn settings() -> Vec<Setting> {
    let endpoints = SERVICES.iter().flat_map(|service| service.endpoints);
    let mut settings = vec![LOG_LEVEL, METRICS_NAMESPACE];
    settings.extend(endpoints.flat_map(|endpoint| (endpoint.settings)()));
    settings.sort_by_key(|setting| setting.name);
    settings.dedup();
    settings
}

const ABOUT: About = About {
    title: "Tasklane",
    summary: "Tasks, for people and for programs.",
    description: "Bodies are JSON in UTF-8, at most 64 KiB; times are RFC 3339 in UTC with milliseconds. Every error is a problem (RFC 9457). \
        Register or log in, then send the access token with every call; refresh it before it expires after fifteen minutes. \
        Every GET can also be called as HEAD, returns an ETag, and returns 304 to an If-None-Match with that tag. \
        If-Match and If-None-Match work as in RFC 9110 on every method; a resource without an ETag returns 412 to an If-Match.",
};

/// The API document, generated from the endpoints' declarations.
pub fn openapi() -> String {
    let document = common::http::openapi::document(&ABOUT, &SERVICES);
    // A value that came from JSON can always be serialized.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}
