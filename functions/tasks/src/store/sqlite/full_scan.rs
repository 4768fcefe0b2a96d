//! Reads the whole tables of tasks and their requests, for the command that copies them.

use std::sync::Arc;

use async_trait::async_trait;
use common::idempotency::IdempotencyKey;
use common::problem::StoreError;
use common::schema::PAGE;
use common::sqlite::{Json, Sqlite, column, text_column};
use common::storage::copy::{CopyStore, Record, RecordKind, RecordPage};
use rusqlite::{Connection, Row};

use super::requests::add as add_request;
use super::rows::{insert, read_columns, task_columns};
use crate::store::record::{ExecutedRequest, OwnedTask, TASK};

/// A table to copy. The first two columns of its statement are the key.
pub(super) struct Table {
    name: &'static str,
    pub(super) statement: &'static str,
    read: fn(&Row<'_>) -> Result<Record, StoreError>,
}

pub(super) static TASKS: Table = Table {
    name: "tasks",
    statement: concat!(
        "SELECT ",
        task_columns!(),
        " FROM tasks WHERE (owner, id) > (?1, ?2) ORDER BY owner, id LIMIT ?3"
    ),
    read: read_owned_task,
};
pub(super) static REQUESTS: Table = Table {
    name: "task_requests",
    statement: "SELECT owner, key, fingerprint, expires_at, result FROM task_requests
         WHERE (owner, key) > (?1, ?2) ORDER BY owner, key LIMIT ?3",
    read: read_request,
};

pub(in crate::store) struct FullScan(Arc<Sqlite>);

impl FullScan {
    pub(in crate::store) fn new(sqlite: &Arc<Sqlite>) -> Self {
        Self(Arc::clone(sqlite))
    }
}

#[async_trait]
impl CopyStore for FullScan {
    async fn read(&self, kind: &RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError> {
        let table = if *kind == TASK { &TASKS } else { &REQUESTS };
        let after = after.map_or_else(|| Ok(Key::default()), key_of)?;
        self.0
            .read(|connection| read_page(connection, table, &after))
    }

    async fn add(&self, kind: &RecordKind, record: &Record) -> Result<(), StoreError> {
        if *kind == TASK {
            let OwnedTask { owner, task } = record.content()?;
            let add = move |connection: &Connection| insert(connection, owner, &task);
            self.0.write(add).await
        } else {
            let request: ExecutedRequest = record.content()?;
            let add = move |connection: &Connection| add_request(connection, &request);
            self.0.write(add).await
        }
    }
}

/// The owner, and the identifier or the idempotency key.
pub(super) type Key = (String, String);

/// The position of a page is its last key as JSON: a key that is not Tasklane's may contain any
/// character.
fn position_of(key: &Key) -> Result<String, StoreError> {
    serde_json::to_string(key).map_err(|error| StoreError::Corrupt(error.into()))
}

pub(super) fn key_of(position: &str) -> Result<Key, StoreError> {
    serde_json::from_str(position).map_err(|error| StoreError::Corrupt(error.into()))
}

pub(super) fn read_page(
    connection: &Connection,
    table: &Table,
    (owner, key): &Key,
) -> Result<RecordPage, StoreError> {
    let mut statement = connection.prepare_cached(table.statement)?;
    let mut rows = statement.query((owner, key, PAGE))?;
    let mut page = RecordPage::default();
    let mut last = None;
    let mut found = 0;
    while let Some(row) = rows.next()? {
        let (owner, key): Key = (column(row, 0)?, column(row, 1)?);
        let name = format!("{} {owner} {key}", table.name);
        page.add(name, (table.read)(row).map(Some));
        last = Some((owner, key));
        found += 1;
    }
    let last = last.filter(|_| found == PAGE);
    page.next = last.as_ref().map(position_of).transpose()?;
    Ok(page)
}

fn read_owned_task(row: &Row<'_>) -> Result<Record, StoreError> {
    OwnedTask {
        owner: text_column(row, 0)?,
        task: read_columns(row)?,
    }
    .into_record()
}

fn read_request(row: &Row<'_>) -> Result<Record, StoreError> {
    let once = IdempotencyKey {
        key: column(row, 1)?,
        fingerprint: column(row, 2)?,
    };
    ExecutedRequest {
        owner: text_column(row, 0)?,
        once,
        expires_at: text_column(row, 3)?,
        result: column::<Json<_>>(row, 4)?.0,
    }
    .into_record()
}
