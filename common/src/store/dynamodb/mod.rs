//! Accounts, sessions, limits and tasks on DynamoDB: the data model is in docs/data-model.md.

mod client;
mod items;
mod tables;
mod task_pages;
mod tasks;
mod users;
mod writes;

pub use client::{connect_region, connect_through, connect_to};
pub use tables::create_tables;
pub use tasks::Tasks;
pub use users::Users;
