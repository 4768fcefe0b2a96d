//! Reads pages of tasks, each with one statement on the index of the order.

use common::auth::UserId;
use common::problem::StoreError;
use common::sqlite::{Sqlite, Text, column};
use rusqlite::Connection;

use super::rows::{AFTER_TASK, read_task, selected, task_columns};
use crate::store::keys::GONE;
use crate::store::list_scan::{KeyRange, ListScan, Read, TaskReader};

/// Selects tasks of a table between two keys that no task has.
macro_rules! select {
    ($table:ident, $key:literal, $direction:literal) => {
        concat!(
            "SELECT ",
            selected!($table),
            ", ",
            $key,
            " FROM ",
            stringify!($table),
            " WHERE owner = ?1 AND ",
            $key,
            " > ?2 AND ",
            $key,
            " < ?3 ORDER BY ",
            $key,
            " ",
            $direction,
            " LIMIT ?4"
        )
    };
}

/// The statement of an order, in ascending and in descending direction.
pub(super) type Statements = [&'static str; 2];

pub(super) const BY_CREATED: Statements =
    [select!(tasks, "id", "ASC"), select!(tasks, "id", "DESC")];
pub(super) const BY_UPDATED: Statements = [
    select!(tasks, "by_updated", "ASC"),
    select!(tasks, "by_updated", "DESC"),
];
pub(super) const BY_DUE: Statements = [
    select!(tasks, "by_due", "ASC"),
    select!(tasks, "by_due", "DESC"),
];
pub(super) const BY_PRIORITY: Statements = [
    select!(tasks, "by_priority", "ASC"),
    select!(tasks, "by_priority", "DESC"),
];
pub(super) const TRASH: Statements = [
    select!(trash, "by_updated", "ASC"),
    select!(trash, "by_updated", "DESC"),
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
        let [ascending, descending] = statements(scan.index, key_range);
        let statement = if scan.descending {
            descending
        } else {
            ascending
        };
        self.sqlite
            .read(|connection| select(connection, statement, self.owner, ends, limit))
    }
}

fn statements(index: &str, key_range: &KeyRange) -> Statements {
    match index {
        "by_updated" if key_range.from.starts_with(GONE) => TRASH,
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
