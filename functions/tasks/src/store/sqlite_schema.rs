//! The SQLite tables of tasks and their requests.

use std::time::Duration;

use common::schema::{SqliteSchema, Sweep};
use common::sweep;

use crate::TRASH_LIFETIME;

/// The definitions of the columns that a task has in both tables. The table's own columns come
/// before the notes: long notes are stored apart, and what follows them is only found through them.
macro_rules! task_columns {
    ($own:literal) => {
        concat!(
            "
            owner TEXT NOT NULL,
            id TEXT NOT NULL,
            title TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('todo', 'in_progress', 'done', 'cancelled')),
            priority TEXT NOT NULL CHECK (priority IN ('none', 'low', 'medium', 'high', 'urgent')),
            -- A JSON array of text.
            labels TEXT NOT NULL CHECK (json_type(labels) = 'array'),
            -- A date or a time in UTC. A date counts as the start of that day.
            due TEXT,
            completed_at TEXT,
            created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL,
            version INTEGER NOT NULL,
            ",
            $own,
            "
            notes TEXT,"
        )
    };
}

/// A task is in one of the two tables, so the trash costs lists nothing. The order keys are computed
/// from the other columns, so they always fit; they are the same text as on every database, because
/// cursors contain them. A list reads one index; a list by creation reads the table itself, whose
/// order it is.
pub(super) static SCHEMA: SqliteSchema = SqliteSchema {
    service: "tasks",
    migrations: &[concat!(
        "
        CREATE TABLE tasks (",
        task_columns!(""),
        "
            by_updated TEXT NOT NULL AS ('live#' || updated_at || '#' || id),
            by_due TEXT NOT NULL AS (
                CASE WHEN due IS NULL THEN '2#' WHEN length(due) = 10
                THEN '1#' || due || 'T00:00:00.000Z#' ELSE '1#' || due || '#' END || id),
            by_priority TEXT NOT NULL AS (
                CASE priority WHEN 'none' THEN '0#' WHEN 'low' THEN '1#' WHEN 'medium' THEN '2#'
                WHEN 'high' THEN '3#' ELSE '4#' END || id),
            PRIMARY KEY (owner, id)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX tasks_by_updated ON tasks (owner, by_updated);
        CREATE INDEX tasks_by_due ON tasks (owner, by_due);
        CREATE INDEX tasks_by_priority ON tasks (owner, by_priority);

        CREATE TABLE trash (",
        task_columns!("deleted_at TEXT NOT NULL,"),
        "
            by_updated TEXT NOT NULL AS ('gone#' || deleted_at || '#' || id),
            PRIMARY KEY (owner, id)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX trash_by_updated ON trash (owner, by_updated);
        CREATE INDEX trash_expiry ON trash (deleted_at);

        -- Executed requests with an idempotency key, with the task as it was then, as JSON.
        CREATE TABLE task_requests (
            owner TEXT NOT NULL,
            key TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            result TEXT NOT NULL CHECK (json_valid(result)),
            expires_at TEXT NOT NULL,
            PRIMARY KEY (owner, key)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX task_requests_expiry ON task_requests (expires_at);
        ",
    )],
    sweeps: &[
        Sweep {
            statement: sweep!("trash", "owner, id", "deleted_at"),
            lifetime: TRASH_LIFETIME,
        },
        Sweep {
            statement: sweep!("task_requests", "owner, key", "expires_at"),
            lifetime: Duration::ZERO,
        },
    ],
};
