//! Accounts, sessions, limits and tasks on MongoDB: the data model is in docs/data-model.md.
//!
//! Whatever must hold holds by a single document or by a unique index, so it holds on a server
//! without transactions too.

mod accounts;
mod connection;
mod documents;
#[cfg(feature = "dynamodb")]
mod full_scan;
mod indexes;
mod requests;
mod sessions;
mod tasks;
mod users;

pub use connection::Connection;
#[cfg(feature = "dynamodb")]
pub(in crate::store) use full_scan::FullScan;
pub use indexes::{SchemaError, check, migrate};
pub use tasks::Tasks;
pub use users::Users;

const USERS: &str = "users";
const SESSIONS: &str = "sessions";
const COUNTERS: &str = "counters";
/// Tasks, those in the trash included.
const TASKS: &str = "tasks";
/// Requests with an idempotency key.
const REQUESTS: &str = "requests";
/// What version the collections and indexes have.
const SCHEMA: &str = "schema";
