//! What all users of MongoDB share: the connection, documents, collections and indexes.
//!
//! All invariants are kept by a single document or by a unique index, so they also hold on a server
//! without transactions.

mod connection;
mod documents;
mod indexes;
mod scan;

pub use connection::{CallError, Connection, failed};
pub use documents::{
    ATTEMPTS, Documents, at_version, date, date_of, number_of, read, read_raw, text_of, value,
    version_of, write,
};
pub use indexes::{SCHEMA, SchemaError, check, migrate};
pub use scan::{Found, at_its_id, find, find_strange, names, unknown_id};
