//! The shared base of all services. `docs/architecture.md` lists its modules. It knows no service
//! and nothing of any service's domain.

// Derived code names this crate as other crates do.
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
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod storage;
pub mod telemetry;
pub mod text;
pub mod time;
