//! The endpoints of the service.

pub mod create_task;
pub mod delete_task;
pub mod get_task;
pub mod list_tasks;
pub mod list_trash;
pub mod restore_task;
pub mod update_task;

use common::http::Endpoint;

pub const ENDPOINTS: &[&Endpoint] = &[
    &create_task::ENDPOINT,
    &list_tasks::ENDPOINT,
    &get_task::ENDPOINT,
    &update_task::ENDPOINT,
    &delete_task::ENDPOINT,
    &list_trash::ENDPOINT,
    &restore_task::ENDPOINT,
];
