//! Tasks: an owner's list and trash.

pub mod create_task;
pub mod delete_task;
pub mod get_task;
pub mod list_tasks;
pub mod list_trash;
pub mod restore_task;
pub mod update_task;

use common::http::Service;

/// The service and its endpoints.
pub const SERVICE: Service = Service {
    name: "tasks",
    summary: "An owner's tasks: a list with filters and orders, and a trash that keeps what was deleted for 30 days.",
    endpoints: &[
        &create_task::ENDPOINT,
        &list_tasks::ENDPOINT,
        &get_task::ENDPOINT,
        &update_task::ENDPOINT,
        &delete_task::ENDPOINT,
        &list_trash::ENDPOINT,
        &restore_task::ENDPOINT,
    ],
};
