//! Tasks: their types and rules, and the store they need.

mod due;
mod query;
mod search;
mod store;
mod task;

pub use due::Due;
pub(crate) use query::TaskQuerySchema;
pub use query::{Bounds, SortField, TaskFilter, TaskQuery, TaskSort};
pub use search::SearchText;
pub use store::TaskStore;
pub use task::{Label, Labels, Notes, Priority, Status, Task, TaskDraft, TaskId, TaskPatch, Title};

use std::time::Duration;

/// How long a deleted task stays in the trash.
pub const TRASH_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// The trash's only order in cursors: the last deleted first.
pub const TRASH_ORDER: &str = "trash";
