//! Reads the whole tables of accounts and sessions, for the command that copies them.

use std::sync::Arc;

use async_trait::async_trait;
use common::problem::StoreError;
use common::sqlite::{Sqlite, Text, column};
use common::storage::copy::{CopiedTable, CopyStore, Record, RecordKind, RecordPage, read_tables};
use rusqlite::{Connection, Row};

use super::accounts::{
    ACCOUNTS, find_account, insert_account, insert_change, read_account, read_change,
};
use super::sessions::{SESSIONS, insert_session, read_session};
use crate::store::record::{ACCOUNT, SESSION, account_record, session_record};
use crate::{Account, Session};

pub(super) static ACCOUNT_TABLES: [CopiedTable; 1] = [CopiedTable {
    name: ACCOUNTS,
    statement: "SELECT * FROM accounts WHERE id > ?1 ORDER BY id LIMIT ?2",
    read: read_account_record,
}];
pub(super) static SESSION_TABLES: [CopiedTable; 1] = [CopiedTable {
    name: SESSIONS,
    statement: "SELECT * FROM sessions WHERE id > ?1 ORDER BY id LIMIT ?2",
    read: read_session_record,
}];
pub(super) static CHANGE_TABLES: [CopiedTable; 1] = [CopiedTable {
    name: "password_changes",
    statement: "SELECT * FROM password_changes WHERE (account, key) > (?1, ?2)
        ORDER BY account, key LIMIT ?3",
    read: read_change_record,
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
        let tables = if *kind == ACCOUNT {
            &ACCOUNT_TABLES
        } else if *kind == SESSION {
            &SESSION_TABLES
        } else {
            &CHANGE_TABLES
        };
        self.0
            .read_snapshot(|connection| read_tables(connection, tables, after))
    }

    async fn add(&self, kind: &RecordKind, record: &Record) -> Result<(), StoreError> {
        if *kind == ACCOUNT {
            let account: Account = record.content()?;
            let add = move |connection: &Connection| insert_account(connection, &account);
            return self.0.write(add).await.map(drop);
        }
        if *kind == SESSION {
            let session: Session = record.content()?;
            let add = move |connection: &Connection| insert_session(connection, &session);
            return self.0.write(add).await;
        }
        let change = record.content()?;
        let add = move |connection: &Connection| insert_change(connection, &change);
        self.0.write(add).await
    }
}

fn read_account_record(_: &Connection, row: &Row<'_>) -> Result<Record, StoreError> {
    account_record(&read_account(row)?)
}

fn read_session_record(connection: &Connection, row: &Row<'_>) -> Result<Record, StoreError> {
    let account = account_of(connection, row)?;
    session_record(&read_session(row, account.epoch)?)
}

fn read_change_record(connection: &Connection, row: &Row<'_>) -> Result<Record, StoreError> {
    account_of(connection, row)?;
    read_change(row)?.into_record()
}

/// The account of a session or of a password change.
fn account_of(connection: &Connection, row: &Row<'_>) -> Result<Account, StoreError> {
    let Text(user) = column(row, "account")?;
    let account = find_account(connection, user).ok().flatten();
    account.ok_or_else(|| StoreError::Corrupt("its account cannot be read".into()))
}
