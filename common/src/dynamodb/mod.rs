//! What all users of DynamoDB share: the client, items and expressions, conditional writes and
//! transactions, tables.

mod client;
mod items;
mod scan;
mod tables;
mod writes;

pub use client::{LOCAL_ACCESS_KEY, call, client, connect_through, connect_to, failed};
pub use items::{
    Expression, Item, key, number, number_of, once_key, once_record, read, replay, text, text_of,
    write,
};
pub use scan::{TableScan, at_its_key, pk_of, read_once, sk_of, unknown_key};
pub use tables::{create_tables, migrate};
pub use writes::{Transaction, first_item, once_put, put, refused_item, transact, update};
