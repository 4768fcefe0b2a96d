//! Reads the whole tables of tasks and their requests, for the command that copies them.

use std::sync::Arc;

use async_trait::async_trait;
use common::idempotency::IdempotencyKey;
use common::problem::StoreError;
use common::sqlite::{Json, Sqlite, column, text_column};
use common::storage::copy::{CopiedTable, CopyStore, Record, RecordKind, RecordPage, read_tables};
use rusqlite::{Connection, Row};

use super::requests::add as add_request;
use super::rows::{insert, read_columns, selected, task_columns};
use crate::store::record::{ExecutedRequest, OwnedTask, TASK};

macro_rules! scan {
    ($table:ident) => {
        CopiedTable {
            name: stringify!($table),
            statement: concat!(
                "SELECT ",
                selected!($table),
                " FROM ",
                stringify!($table),
                " WHERE (owner, id) > (?1, ?2) ORDER BY owner, id LIMIT ?3"
            ),
            read: read_owned_task,
        }
    };
}

pub(super) static TASKS: [CopiedTable; 2] = [scan!(tasks), scan!(trash)];
pub(super) static REQUESTS: [CopiedTable; 1] = [CopiedTable {
    name: "task_requests",
    statement: "SELECT owner, key, fingerprint, expires_at, result FROM task_requests
         WHERE (owner, key) > (?1, ?2) ORDER BY owner, key LIMIT ?3",
    read: read_request,
}];

pub(in crate::store) struct FullScan(Arc<Sqlite>);

impl FullScan {
    pub(in crate::store) fn new(sqlite: &Arc<Sqlite>) -> Self {
        Self(Arc::clone(sqlite))
    }
}

#[async_trait]
impl CopyStore for FullScan {
    async fn read(&self, kind: &RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError> {
        let tables: &[CopiedTable] = if *kind == TASK { &TASKS } else { &REQUESTS };
        self.0
            .read(|connection| read_tables(connection, tables, after))
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

fn read_owned_task(_: &Connection, row: &Row<'_>) -> Result<Record, StoreError> {
    OwnedTask {
        owner: text_column(row, 0)?,
        task: read_columns(row)?,
    }
    .into_record()
}

fn read_request(_: &Connection, row: &Row<'_>) -> Result<Record, StoreError> {
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
