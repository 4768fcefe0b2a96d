//! The rows of accounts, and of password changes with an idempotency key.

use common::auth::{PasswordHash, UserId};
use common::idempotency::IdempotencyKey;
use common::problem::StoreError;
use common::sqlite::{JsonText, Text, column, text_column};
use common::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::named;
use crate::store::record::ExecutedChange;
use crate::{Account, Email, Name};

pub(super) const ACCOUNTS: &str = "accounts";

pub(super) fn read_account(row: &Row<'_>) -> Result<Account, StoreError> {
    let name: Option<JsonText<Name>> = column(row, "name")?;
    Ok(Account {
        id: text_column(row, "id")?,
        email: column::<JsonText<_>>(row, "email")?.0,
        name: name.map(|JsonText(name)| name),
        role: column::<JsonText<_>>(row, "role")?.0,
        password_hash: column::<JsonText<_>>(row, "password_hash")?.0,
        epoch: column(row, "epoch")?,
        created_at: text_column(row, "created_at")?,
        updated_at: text_column(row, "updated_at")?,
        version: column(row, "version")?,
    })
}

pub(super) fn find_account(
    connection: &Connection,
    user: UserId,
) -> Result<Option<Account>, StoreError> {
    find(
        connection,
        "SELECT * FROM accounts WHERE id = ?1",
        [Text(user)],
    )
}

pub(super) fn find_by_email(
    connection: &Connection,
    email: &Email,
) -> Result<Option<Account>, StoreError> {
    find(
        connection,
        "SELECT * FROM accounts WHERE email_canonical = ?1",
        [email.canonical()],
    )
}

fn find(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<Option<Account>, StoreError> {
    connection
        .prepare_cached(sql)?
        .query_row(params, |row| Ok(named(ACCOUNTS, row, read_account)))
        .optional()?
        .transpose()
}

/// Whether an account has this address, even one that cannot be read.
pub(super) fn is_taken(connection: &Connection, email: &Email) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM accounts WHERE email_canonical = ?1)";
    let taken = connection
        .prepare_cached(sql)?
        .query_row([email.canonical()], |row| row.get(0))?;
    Ok(taken)
}

/// Adds an account unless its identifier exists; returns whether it was added.
pub(super) fn insert_account(
    connection: &Connection,
    account: &Account,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO accounts (id, email, email_canonical, name, role, password_hash, epoch,
        version, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
        ON CONFLICT (id) DO NOTHING";
    let added = connection.prepare_cached(sql)?.execute(params![
        Text(account.id),
        JsonText(&account.email),
        account.email.canonical(),
        account.name.as_ref().map(JsonText),
        JsonText(account.role),
        JsonText(&account.password_hash),
        account.epoch,
        account.version,
        Text(account.created_at),
        Text(account.updated_at),
    ])?;
    Ok(added > 0)
}

/// Stores the name, version and time of the last change.
pub(super) fn update_name(connection: &Connection, account: &Account) -> Result<(), StoreError> {
    let sql = "UPDATE accounts SET name = ?2, version = ?3, updated_at = ?4 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![
        Text(account.id),
        account.name.as_ref().map(JsonText),
        account.version,
        Text(account.updated_at),
    ])?;
    Ok(())
}

/// Replaces the hash if it is still the old one.
pub(super) fn replace_hash(
    connection: &Connection,
    user: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> Result<(), StoreError> {
    let sql = "UPDATE accounts SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2";
    connection
        .prepare_cached(sql)?
        .execute(params![Text(user), JsonText(old), JsonText(new)])?;
    Ok(())
}

/// Whether this password change was executed before.
pub(super) fn repeats(
    connection: &Connection,
    user: UserId,
    once: &IdempotencyKey,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "SELECT fingerprint FROM password_changes
        WHERE account = ?1 AND key = ?2 AND expires_at > ?3";
    let fingerprint: Option<String> = connection
        .prepare_cached(sql)?
        .query_row(params![Text(user), once.key, Text(now)], |row| row.get(0))
        .optional()?;
    match fingerprint {
        Some(fingerprint) if fingerprint == once.fingerprint => Ok(true),
        Some(_) => Err(StoreError::KeyReused),
        None => Ok(false),
    }
}

/// Remembers a password change in place of an expired one under the same key.
pub(super) fn remember(
    connection: &Connection,
    user: UserId,
    once: &IdempotencyKey,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO password_changes (account, key, fingerprint, expires_at)
        VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(sql)?.execute(params![
        Text(user),
        once.key,
        once.fingerprint,
        Text(expires_at.whole_seconds()),
    ])?;
    Ok(())
}

pub(super) fn read_change(row: &Row<'_>) -> Result<ExecutedChange, StoreError> {
    Ok(ExecutedChange {
        user: text_column(row, "account")?,
        once: IdempotencyKey {
            key: column(row, "key")?,
            fingerprint: column(row, "fingerprint")?,
        },
        expires_at: text_column(row, "expires_at")?,
    })
}

/// Adds a password change that was executed on another store, unless its key exists or its account
/// does not.
pub(super) fn insert_change(
    connection: &Connection,
    change: &ExecutedChange,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO password_changes (account, key, fingerprint, expires_at)
        SELECT id, ?2, ?3, ?4 FROM accounts WHERE id = ?1 ON CONFLICT (account, key) DO NOTHING";
    connection.prepare_cached(sql)?.execute(params![
        Text(change.user),
        change.once.key,
        change.once.fingerprint,
        Text(change.expires_at.whole_seconds()),
    ])?;
    Ok(())
}
