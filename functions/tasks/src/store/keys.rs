//! The keys that put an owner's tasks in order: the same text in every store, so that a cursor
//! means the same in each.

use crate::{Due, Priority, TRASH_LIFETIME, TaskId};
use common::time::Timestamp;

/// Greater than every character of a key, and every key is ASCII.
pub(super) const AFTER_ALL: char = '~';
/// Starts the `by_due` key of a task that is due, and of one that never is. So undated tasks come
/// last in ascending order.
pub(super) const DATED: &str = "1#";
pub(super) const UNDATED: &str = "2#";

/// Starts the `by_updated` key of a task in the owner's lists, and of one in the trash.
pub(super) const LIVE: &str = "live#";
pub(super) const GONE: &str = "gone#";

/// The key in `by_created`: UUIDv7s sort by the time they were made.
pub(super) fn created_key(id: TaskId) -> String {
    id.to_string()
}

/// The key in `by_updated` of a task in the owner's lists.
pub(super) fn live_key(updated_at: Timestamp, id: TaskId) -> String {
    format!("{LIVE}{updated_at}#{id}")
}

/// The key in `by_updated` of a task in the trash: deleting it was its last change.
pub(super) fn gone_key(deleted_at: Timestamp, id: TaskId) -> String {
    format!("{GONE}{deleted_at}#{id}")
}

/// The key in `by_due`.
pub(super) fn due_key(due: Option<Due>, id: TaskId) -> String {
    due.map_or_else(
        || format!("{UNDATED}{id}"),
        |due| format!("{DATED}{}#{id}", due.sort_key()),
    )
}

/// The key in `by_priority`.
pub(super) fn priority_key(priority: Priority, id: TaskId) -> String {
    format!("{}#{id}", priority as u8)
}

/// The task that a key ends with.
pub(super) fn task_of(key: &str) -> Option<TaskId> {
    key.get(key.len().saturating_sub(36)..)?.parse().ok()
}

/// What was deleted at this time or before is gone from the trash, to the millisecond, whether or
/// not the store has swept it: stores sweep by the second, at the earliest. Times are text that
/// sorts as time does.
pub(super) fn kept_since(now: Timestamp) -> String {
    now.minus(TRASH_LIFETIME).to_string()
}
