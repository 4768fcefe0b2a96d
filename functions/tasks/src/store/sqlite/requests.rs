//! Requests that must be executed only once: their results by idempotency key.

use common::auth::UserId;
use common::idempotency::{IDEMPOTENCY_KEY_LIFETIME, IdempotencyKey};
use common::problem::StoreError;
use common::sqlite::{Json, Text, column};
use common::time::Timestamp;
use rusqlite::{Connection, params};

use crate::Task;
use crate::store::record::ExecutedRequest;

pub(super) const FIND_RESULT: &str = "SELECT fingerprint, result FROM task_requests
     WHERE owner = ?1 AND key = ?2 AND expires_at > ?3";
/// Replaces an expired request with the same key.
pub(super) const RECORD: &str = "INSERT OR REPLACE INTO task_requests
     (owner, key, fingerprint, result, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)";
pub(super) const ADD: &str = "INSERT INTO task_requests
     (owner, key, fingerprint, result, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)
     ON CONFLICT (owner, key) DO NOTHING";

/// Executes a request and records its result, or returns the recorded result if it was executed
/// before. A request without a key is always executed.
pub(super) fn execute_once(
    connection: &Connection,
    owner: UserId,
    once: Option<&IdempotencyKey>,
    now: Timestamp,
    execute: impl FnOnce() -> Result<Task, StoreError>,
) -> Result<Task, StoreError> {
    let Some(once) = once else { return execute() };
    if let Some(result) = find_result(connection, owner, once, now)? {
        return Ok(result);
    }
    let result = execute()?;
    let expires_at = now.plus(IDEMPOTENCY_KEY_LIFETIME).whole_seconds();
    write(connection, RECORD, owner, once, &result, expires_at)?;
    Ok(result)
}

/// Adds an executed request unless the owner has used its key.
pub(super) fn add(connection: &Connection, request: &ExecutedRequest) -> Result<(), StoreError> {
    let ExecutedRequest {
        owner,
        once,
        expires_at,
        result,
    } = request;
    write(connection, ADD, *owner, once, result, *expires_at)
}

fn find_result(
    connection: &Connection,
    owner: UserId,
    once: &IdempotencyKey,
    now: Timestamp,
) -> Result<Option<Task>, StoreError> {
    let mut statement = connection.prepare_cached(FIND_RESULT)?;
    let mut rows = statement.query((Text(owner), &once.key, Text(now)))?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    if column::<String>(row, 0)? != once.fingerprint {
        return Err(StoreError::KeyReused);
    }
    let Json(result) = column(row, 1)?;
    Ok(Some(result))
}

fn write(
    connection: &Connection,
    statement: &str,
    owner: UserId,
    once: &IdempotencyKey,
    result: &Task,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    connection.prepare_cached(statement)?.execute(params![
        Text(owner),
        once.key,
        once.fingerprint,
        Json(result),
        Text(expires_at),
    ])?;
    Ok(())
}
