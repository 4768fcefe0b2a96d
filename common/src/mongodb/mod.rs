//! MongoDB, whatever is kept in it: the connection, documents, collections and indexes.
//!
//! Whatever must hold holds by a single document or by a unique index, so it holds on a server
//! without transactions too.

mod connection;
mod documents;
mod indexes;
mod scan;

pub use connection::{CallError, Connection, failed};
pub use documents::{
    ATTEMPTS, Documents, at_version, date, date_of, read, read_raw, text_of, value, version_of,
    write,
};
pub use indexes::{SCHEMA, SchemaError, check, migrate};
pub use scan::{Found, at_its_id, find, find_strange, names, unknown_id};
