//! Everything that two services need: the rooms are listed in `docs/architecture.md`.
//!
//! Dependencies point one way: functions use `common`; inside it, `store` and `http` know the
//! domain (`auth`, `users`, `tasks`), never the other way round.

// What is derived names this crate as others do.
extern crate self as common;

pub mod app;
pub mod auth;
pub mod aws;
pub mod config;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod fields;
pub mod http;
mod id;
pub mod idempotency;
pub mod lambda;
#[cfg(feature = "mongodb")]
pub mod mongodb;
pub mod paging;
pub mod precondition;
pub mod problem;
pub mod races;
pub mod records;
pub mod store;
pub mod tasks;
pub mod telemetry;
mod text;
pub mod time;
pub mod users;
