//! Tasks: an owner's list and trash.

#[cfg(feature = "contract")]
pub mod contract;
mod due;
pub mod endpoints;
mod problems;
mod query;
mod representations;
mod search;
pub mod store;
mod task;

use std::time::Duration;

use common::http::Service;

pub use due::Due;
pub use query::{Bounds, SortField, TaskFilter, TaskParameters, TaskQuery, TaskSort};
pub use search::SearchText;
pub use store::{STORAGE, TaskStore, Tasks};
pub use task::{Label, Labels, Notes, Priority, Status, Task, TaskDraft, TaskId, TaskPatch, Title};

/// How long a deleted task stays in the trash.
pub const TRASH_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// The order of the trash in cursors, last deleted first.
pub const TRASH_ORDER: &str = "trash";

pub const SERVICE: Service = Service {
    name: "tasks",
    summary: "An owner's tasks: a list with filters and sort orders, and a trash that keeps deleted tasks for 30 days.",
    endpoints: endpoints::ENDPOINTS,
    storage: Some(&STORAGE),
};
