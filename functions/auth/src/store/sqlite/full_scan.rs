//! Reads the whole tables of accounts and sessions, for the command that copies them.

use std::sync::Arc;

use async_trait::async_trait;
use common::problem::StoreError;
use common::schema::PAGE;
use common::sqlite::{Sqlite, Text, column};
use common::storage::copy::{CopyStore, Record, RecordKind, RecordPage};
use rusqlite::{Connection, Params, Row, params};

use super::accounts::{
    ACCOUNTS, find_account, insert_account, insert_change, read_account, read_change,
};
use super::sessions::{SESSIONS, insert_session, read_session};
use crate::store::record::{ACCOUNT, SESSION, account_record, session_record};
use crate::{Account, Session};

const PASSWORD_CHANGES: &str = "password_changes";

pub(in crate::store) struct FullScan(Arc<Sqlite>);

impl FullScan {
    pub(in crate::store) fn new(sqlite: &Arc<Sqlite>) -> Self {
        Self(Arc::clone(sqlite))
    }
}

#[async_trait]
impl CopyStore for FullScan {
    async fn read(&self, kind: &RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError> {
        let after = after.unwrap_or_default();
        self.0.read(|connection| {
            let connection = &connection.unchecked_transaction()?;
            if *kind == ACCOUNT {
                read_accounts(connection, after)
            } else if *kind == SESSION {
                read_sessions(connection, after)
            } else {
                read_changes(connection, after)
            }
        })
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

pub(super) fn read_accounts(
    connection: &Connection,
    after: &str,
) -> Result<RecordPage, StoreError> {
    let sql = "SELECT *, id AS position FROM accounts WHERE id > ?1 ORDER BY id LIMIT ?2";
    read_page(connection, ACCOUNTS, sql, params![after, PAGE], |row| {
        account_record(&read_account(row)?)
    })
}

pub(super) fn read_sessions(
    connection: &Connection,
    after: &str,
) -> Result<RecordPage, StoreError> {
    let sql = "SELECT *, id AS position FROM sessions WHERE id > ?1 ORDER BY id LIMIT ?2";
    read_page(connection, SESSIONS, sql, params![after, PAGE], |row| {
        let account = account_of(connection, row)?;
        session_record(&read_session(row, account.epoch)?)
    })
}

pub(super) fn read_changes(connection: &Connection, after: &str) -> Result<RecordPage, StoreError> {
    let (account, key) = after.split_once(' ').unwrap_or((after, ""));
    let sql = "SELECT *, account || ' ' || key AS position FROM password_changes
        WHERE (account, key) > (?1, ?2) ORDER BY account, key LIMIT ?3";
    let params = params![account, key, PAGE];
    read_page(connection, PASSWORD_CHANGES, sql, params, |row| {
        account_of(connection, row)?;
        read_change(row)?.into_record()
    })
}

/// Reads the rows of a page. Its query returns the text of each key as `position`.
fn read_page(
    connection: &Connection,
    table: &str,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<Record, StoreError>,
) -> Result<RecordPage, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut page = RecordPage::default();
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let position: String = row.get("position")?;
        page.add(format!("{table} {position}"), read(row).map(Some));
        count += 1;
        page.next = (count == PAGE).then_some(position);
    }
    Ok(page)
}

/// The account of a session or of a password change.
fn account_of(connection: &Connection, row: &Row<'_>) -> Result<Account, StoreError> {
    let Text(user) = column(row, "account")?;
    let account = find_account(connection, user).ok().flatten();
    account.ok_or_else(|| StoreError::Corrupt("its account cannot be read".into()))
}
