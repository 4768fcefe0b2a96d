//! The sort keys of an owner's tasks: the same text in every store, so that cursors have the same
//! meaning.

use common::time::Timestamp;

use crate::{Due, Priority, TRASH_LIFETIME, TaskId};

/// Sorts after every key: keys are ASCII and do not contain it.
pub(super) const AFTER_ALL: char = '~';
/// The prefixes of the `by_due` keys of tasks with and without a due date. Tasks without one sort
/// last in ascending order.
pub(super) const DATED: &str = "1#";
pub(super) const UNDATED: &str = "2#";

/// The prefixes of the `by_updated` keys of tasks in the owner's lists and in the trash.
pub(super) const LIVE: &str = "live#";
pub(super) const GONE: &str = "gone#";

/// The key in `by_created`: UUIDv7s sort by their creation time.
pub(super) fn created_key(id: TaskId) -> String {
    id.to_string()
}

/// The key in `by_updated` of a task in the owner's lists.
pub(super) fn live_key(updated_at: Timestamp, id: TaskId) -> String {
    format!("{LIVE}{updated_at}#{id}")
}

/// The key in `by_updated` of a task in the trash: the deletion was its last change.
pub(super) fn gone_key(deleted_at: Timestamp, id: TaskId) -> String {
    format!("{GONE}{deleted_at}#{id}")
}

pub(super) fn due_key(due: Option<Due>, id: TaskId) -> String {
    due.map_or_else(
        || format!("{UNDATED}{id}"),
        |due| format!("{DATED}{}#{id}", due.sort_key()),
    )
}

pub(super) fn priority_key(priority: Priority, id: TaskId) -> String {
    format!("{}#{id}", priority as u8)
}

/// The identifier of the task at the end of a key.
pub(super) fn task_of(key: &str) -> Option<TaskId> {
    key.get(key.len().saturating_sub(36)..)?.parse().ok()
}

/// Tasks that were deleted at this time or earlier have expired from the trash, to the millisecond,
/// whether or not the store has swept them: stores sweep by the second at best. Times are text that
/// sorts chronologically.
pub(super) fn kept_since(now: Timestamp) -> String {
    now.minus(TRASH_LIFETIME).to_string()
}
