//! The rows of tasks.

use common::auth::UserId;
use common::problem::StoreError;
use common::sqlite::{Json, JsonText, Text, column, in_row, text_column};
use common::time::Timestamp;
use rusqlite::{Connection, Row, params};

use crate::{Task, TaskId};

/// The columns that a task has in both tables.
macro_rules! task_columns {
    () => {
        "owner, id, title, notes, status, priority, labels, due, completed_at, created_at, \
         updated_at, version"
    };
}

/// The columns of a task in one of the two tables, as [`read_task`] reads them.
macro_rules! selected {
    (tasks) => {
        concat!(task_columns!(), ", NULL AS deleted_at")
    };
    (trash) => {
        concat!(task_columns!(), ", deleted_at")
    };
}
pub(super) use {selected, task_columns};

/// The position of the first column after those of a task.
pub(super) const AFTER_TASK: usize = 13;

macro_rules! find {
    ($table:ident) => {
        concat!(
            "SELECT ",
            selected!($table),
            " FROM ",
            stringify!($table),
            " WHERE owner = ?1 AND id = ?2"
        )
    };
}
macro_rules! delete {
    ($table:literal) => {
        concat!("DELETE FROM ", $table, " WHERE owner = ?1 AND id = ?2")
    };
}

pub(super) const FIND: &str = find!(tasks);
pub(super) const FIND_IN_TRASH: &str = find!(trash);
pub(super) const EXISTS: &str = "SELECT 1 FROM tasks WHERE owner = ?1 AND id = ?2
     UNION ALL SELECT 1 FROM trash WHERE owner = ?1 AND id = ?2";
pub(super) const INSERT: &str = concat!(
    "INSERT INTO tasks (",
    task_columns!(),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
);
pub(super) const INSERT_INTO_TRASH: &str = concat!(
    "INSERT INTO trash (",
    task_columns!(),
    ", deleted_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
);
pub(super) const REPLACE: &str = "UPDATE tasks SET title = ?3, notes = ?4, status = ?5,
     priority = ?6, labels = ?7, due = ?8, completed_at = ?9, created_at = ?10, updated_at = ?11,
     version = ?12 WHERE owner = ?1 AND id = ?2";
pub(super) const DELETE: &str = delete!("tasks");
pub(super) const DELETE_FROM_TRASH: &str = delete!("trash");

/// A task that is not in the trash.
pub(super) fn find(
    connection: &Connection,
    owner: UserId,
    id: TaskId,
) -> Result<Option<Task>, StoreError> {
    select(connection, FIND, owner, id)
}

/// A task in the trash, expired or not.
pub(super) fn find_in_trash(
    connection: &Connection,
    owner: UserId,
    id: TaskId,
) -> Result<Option<Task>, StoreError> {
    select(connection, FIND_IN_TRASH, owner, id)
}

fn select(
    connection: &Connection,
    statement: &str,
    owner: UserId,
    id: TaskId,
) -> Result<Option<Task>, StoreError> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query((Text(owner), Text(id)))?;
    rows.next()?.map(read_task).transpose()
}

/// Adds a task to its table, unless the owner has one with its identifier in either table.
pub(super) fn insert(
    connection: &Connection,
    owner: UserId,
    task: &Task,
) -> Result<(), StoreError> {
    let mut exists = connection.prepare_cached(EXISTS)?;
    if exists.exists((Text(owner), Text(task.id)))? {
        return Ok(());
    }
    let statement = match task.deleted_at {
        None => INSERT,
        Some(_) => INSERT_INTO_TRASH,
    };
    write(connection, statement, owner, task)
}

/// Replaces a task that is not in the trash.
pub(super) fn replace(
    connection: &Connection,
    owner: UserId,
    task: &Task,
) -> Result<(), StoreError> {
    write(connection, REPLACE, owner, task)
}

/// Moves a task to the trash, or from the trash, in its new state.
pub(super) fn move_task(
    connection: &Connection,
    owner: UserId,
    task: &Task,
) -> Result<(), StoreError> {
    let (delete, insert) = match task.deleted_at {
        None => (DELETE_FROM_TRASH, INSERT),
        Some(_) => (DELETE, INSERT_INTO_TRASH),
    };
    connection
        .prepare_cached(delete)?
        .execute((Text(owner), Text(task.id)))?;
    write(connection, insert, owner, task)
}

fn write(
    connection: &Connection,
    statement: &str,
    owner: UserId,
    task: &Task,
) -> Result<(), StoreError> {
    let values = params![
        Text(owner),
        Text(task.id),
        task.title.as_str(),
        task.notes.as_ref().map(|notes| notes.as_str()),
        task.status.as_str(),
        task.priority.as_str(),
        Json(&task.labels),
        task.due.map(Text),
        task.completed_at.map(Text),
        Text(task.created_at),
        Text(task.updated_at),
        task.version,
        task.deleted_at.map(Text),
    ];
    let mut statement = connection.prepare_cached(statement)?;
    // Only the trash has the last column.
    let columns = statement.parameter_count();
    statement.execute(&values[..columns])?;
    Ok(())
}

/// Reads a task. The error names the task.
pub(super) fn read_task(row: &Row<'_>) -> Result<Task, StoreError> {
    read_columns(row).map_err(|error| {
        let id: String = row.get(1).unwrap_or_default();
        let deleted_at: Option<String> = row.get(12).unwrap_or_default();
        let table = if deleted_at.is_none() {
            "tasks"
        } else {
            "trash"
        };
        in_row(table, id, error)
    })
}

/// Reads a task. The error names the column.
pub(super) fn read_columns(row: &Row<'_>) -> Result<Task, StoreError> {
    let optional_time = |at| {
        let time: Option<Text<Timestamp>> = column(row, at)?;
        Ok::<_, StoreError>(time.map(|Text(time)| time))
    };
    Ok(Task {
        id: text_column(row, 1)?,
        // Their rules are not checked again: the owner must be able to see what was stored, even if
        // the rules have changed.
        title: column::<JsonText<_>>(row, 2)?.0,
        notes: column::<Option<JsonText<_>>>(row, 3)?.map(|JsonText(notes)| notes),
        status: text_column(row, 4)?,
        priority: text_column(row, 5)?,
        labels: column::<Json<_>>(row, 6)?.0,
        due: column::<Option<Text<_>>>(row, 7)?.map(|Text(due)| due),
        completed_at: optional_time(8)?,
        created_at: text_column(row, 9)?,
        updated_at: text_column(row, 10)?,
        version: column(row, 11)?,
        deleted_at: optional_time(12)?,
    })
}
