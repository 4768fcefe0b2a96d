//! Accounts, sessions, limits and tasks on DynamoDB: the data model is in docs/data-model.md.

#[cfg(feature = "mongodb")]
mod full_scan;
mod sessions;
mod task_pages;
mod tasks;
mod users;

#[cfg(feature = "mongodb")]
pub(in crate::store) use full_scan::FullScan;
pub use tasks::Tasks;
pub use users::Users;
