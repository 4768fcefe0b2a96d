//! Every function in one process: for working on it, for trying it, and for containers.

mod activity;
pub mod arguments;
mod body;
pub mod connections;
pub mod copy;
pub mod embedded;
pub mod emulator;
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

use common::config::{LOG_LEVEL, METRICS_NAMESPACE, Setting};
use common::http::Service;
use common::storage::Storage;

/// Every service of the API.
pub const SERVICES: [&Service; 3] = [&auth::SERVICE, &tasks::SERVICE, &system::SERVICE];

/// What the services keep in the database.
pub fn storages() -> Vec<&'static Storage> {
    SERVICES
        .iter()
        .filter_map(|service| service.storage)
        .collect()
}

/// The settings of all functions, each once; tests hold the documentation against them.
pub fn settings() -> Vec<Setting> {
    let endpoints = SERVICES.iter().flat_map(|service| service.endpoints);
    let mut settings = vec![LOG_LEVEL, METRICS_NAMESPACE];
    settings.extend(endpoints.flat_map(|endpoint| (endpoint.settings)()));
    settings.sort_by_key(|setting| setting.name);
    settings.dedup();
    settings
}

/// The API document, made from the endpoints' declarations.
pub fn openapi() -> String {
    let document = common::http::openapi::document(&SERVICES);
    // A value that came from JSON can be written as JSON.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}
