//! Reads pages of tasks, each with one statement on the index of the order.

use common::auth::UserId;
use common::problem::StoreError;
use common::sqlite::{Sqlite, Text, column};
use rusqlite::Connection;

use super::rows::{AFTER_TASK, read_task, task_columns};
use crate::store::list_scan::{KeyRange, ListScan, Read, TaskReader};

/// Selects tasks between two keys that no task has.
macro_rules! select {
    ($key:literal, $condition:literal, $direction:literal) => {
        concat!(
            "SELECT ",
            task_columns!(),
            ", ",
            $key,
            " FROM tasks WHERE owner = ?1 AND ",
            $key,
            " > ?2 AND ",
            $key,
            " < ?3 ",
            $condition,
            " ORDER BY ",
            $key,
            " ",
            $direction,
            " LIMIT ?4"
        )
    };
}

/// The statement of an order, in ascending and in descending direction.
pub(super) type Statements = [&'static str; 2];

pub(super) const BY_CREATED: Statements = [
    select!("id", "AND deleted_at IS NULL", "ASC"),
    select!("id", "AND deleted_at IS NULL", "DESC"),
];
/// The keys tell whether a task is in the trash.
pub(super) const BY_UPDATED: Statements = [
    select!("by_updated", "", "ASC"),
    select!("by_updated", "", "DESC"),
];
pub(super) const BY_DUE: Statements = [
    select!("by_due", "AND deleted_at IS NULL", "ASC"),
    select!("by_due", "AND deleted_at IS NULL", "DESC"),
];
pub(super) const BY_PRIORITY: Statements = [
    select!("by_priority", "AND deleted_at IS NULL", "ASC"),
    select!("by_priority", "AND deleted_at IS NULL", "DESC"),
];

pub(super) struct OwnersTasks<'t> {
    pub(super) sqlite: &'t Sqlite,
    pub(super) owner: UserId,
}

impl TaskReader for OwnersTasks<'_> {
    async fn read(
        &self,
        scan: &ListScan<'_>,
        key_range: &KeyRange,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Read, StoreError> {
        // No task has a key at an end of the range, so both ends can be excluded, as `after` is.
        let ends = match after {
            Some(after) if scan.descending => (key_range.from.as_str(), after),
            Some(after) => (after, key_range.to.as_str()),
            None => (key_range.from.as_str(), key_range.to.as_str()),
        };
        let [ascending, descending] = statements(scan.index);
        let statement = if scan.descending {
            descending
        } else {
            ascending
        };
        self.sqlite
            .read(|connection| select(connection, statement, self.owner, ends, limit))
    }
}

fn statements(index: &str) -> Statements {
    match index {
        "by_updated" => BY_UPDATED,
        "by_due" => BY_DUE,
        "by_priority" => BY_PRIORITY,
        _ => BY_CREATED,
    }
}

pub(super) fn select(
    connection: &Connection,
    statement: &str,
    owner: UserId,
    (from, to): (&str, &str),
    limit: usize,
) -> Result<Read, StoreError> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query((Text(owner), from, to, limit))?;
    let mut tasks = Vec::with_capacity(limit);
    while let Some(row) = rows.next()? {
        tasks.push((column(row, AFTER_TASK)?, read_task(row)));
    }
    let last = tasks.last().filter(|_| tasks.len() == limit);
    let rest = last.map(|(position, _): &(String, _)| position.clone());
    Ok(Read { tasks, rest })
}
