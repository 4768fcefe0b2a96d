//! Accounts, sessions, limits and tasks on DynamoDB: the data model is in docs/data-model.md.

mod client;
#[cfg(feature = "mongodb")]
mod full_scan;
mod items;
mod sessions;
mod tables;
mod task_pages;
mod tasks;
mod users;
mod writes;

pub use client::{LOCAL_ACCESS_KEY, client, connect, connect_through};
#[cfg(feature = "mongodb")]
pub(in crate::store) use full_scan::FullScan;
pub use tables::{create_tables, migrate};
pub use tasks::Tasks;
pub use users::Users;
