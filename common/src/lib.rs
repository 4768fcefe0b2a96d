//! What every service stands on: the rooms are listed in `docs/architecture.md`. It knows no
//! service and nothing that a service is about.

// What is derived names this crate as others do.
extern crate self as common;

pub mod auth;
pub mod aws;
pub mod config;
pub mod database;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod fields;
pub mod http;
pub mod id;
pub mod idempotency;
pub mod lambda;
#[cfg(feature = "mongodb")]
pub mod mongodb;
pub mod paging;
pub mod part;
pub mod precondition;
pub mod problem;
pub mod races;
pub mod records;
pub mod schema;
pub mod storage;
pub mod telemetry;
pub mod text;
pub mod time;
