//! The rows of sessions. They have no epoch: ending a session deletes its row.

use common::auth::{SessionId, UserId};
use common::paging::Page;
use common::problem::StoreError;
use common::sqlite::{Text, column, text_column};
use common::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::named;
use crate::store::session_page;
use crate::{Account, Session};

pub(super) const SESSIONS: &str = "sessions";

/// Reads a session of an account that has this epoch.
pub(super) fn read_session(row: &Row<'_>, epoch: u32) -> Result<Session, StoreError> {
    Ok(Session {
        id: text_column(row, "id")?,
        user: text_column(row, "account")?,
        generation: column(row, "generation")?,
        previous: column(row, "previous")?,
        epoch,
        created_at: text_column(row, "created_at")?,
        last_used_at: text_column(row, "last_used_at")?,
        expires_at: text_column(row, "expires_at")?,
        ends_at: text_column(row, "ends_at")?,
        user_agent: column(row, "user_agent")?,
    })
}

/// Finds a session of this account that has not expired.
pub(super) fn find_session(
    connection: &Connection,
    account: &Account,
    session: SessionId,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let sql = "SELECT * FROM sessions WHERE id = ?1 AND account = ?2 AND expires_at > ?3";
    connection
        .prepare_cached(sql)?
        .query_row(params![Text(session), Text(account.id), Text(now)], |row| {
            Ok(named(SESSIONS, row, |row| read_session(row, account.epoch)))
        })
        .optional()?
        .transpose()
}

/// Lists the sessions of this account that have not expired.
pub(super) fn list(
    connection: &Connection,
    account: &Account,
    limit: usize,
    after: Option<SessionId>,
    now: Timestamp,
) -> Result<Page<Session>, StoreError> {
    let sql = "SELECT * FROM sessions WHERE account = ?1 AND id > ?2 AND expires_at > ?3
        ORDER BY id";
    let after = after.map(|session| session.to_string()).unwrap_or_default();
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![Text(account.id), after, Text(now)])?;
    let mut found = Vec::new();
    let mut readable = 0;
    while readable <= limit
        && let Some(row) = rows.next()?
    {
        let session = named(SESSIONS, row, |row| read_session(row, account.epoch));
        readable += usize::from(session.is_ok());
        found.push(session);
    }
    Ok(session_page(found.into_iter(), limit, None))
}

/// Adds a session unless its identifier exists, or its account has ended it: the account has
/// another epoch by now, or does not exist.
pub(super) fn insert_session(connection: &Connection, session: &Session) -> Result<(), StoreError> {
    let sql = "INSERT INTO sessions (id, account, generation, previous, created_at, last_used_at,
        expires_at, ends_at, user_agent)
        SELECT ?1, id, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM accounts WHERE id = ?2 AND epoch = ?3
        ON CONFLICT (id) DO NOTHING";
    connection.prepare_cached(sql)?.execute(params![
        Text(session.id),
        Text(session.user),
        session.epoch,
        session.generation,
        session.previous,
        Text(session.created_at),
        Text(session.last_used_at),
        Text(session.expires_at.whole_seconds()),
        Text(session.ends_at.whole_seconds()),
        session.user_agent,
    ])?;
    Ok(())
}

/// Stores the generations and times of a session that was refreshed.
pub(super) fn update_session(connection: &Connection, session: &Session) -> Result<(), StoreError> {
    let sql = "UPDATE sessions SET generation = ?2, previous = ?3, last_used_at = ?4,
        expires_at = ?5 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![
        Text(session.id),
        session.generation,
        session.previous,
        Text(session.last_used_at),
        Text(session.expires_at),
    ])?;
    Ok(())
}

/// Ends a session that has not expired; returns whether there was one.
pub(super) fn end_session(
    connection: &Connection,
    user: UserId,
    session: SessionId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM sessions WHERE id = ?1 AND account = ?2 AND expires_at > ?3";
    let deleted =
        connection
            .prepare_cached(sql)?
            .execute(params![Text(session), Text(user), Text(now)])?;
    Ok(deleted > 0)
}

/// Ends every session of an account but this one. The next epoch prevents a login that has read
/// the account before from starting a session.
pub(super) fn end_others(
    connection: &Connection,
    user: UserId,
    kept: SessionId,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM sessions WHERE account = ?1 AND id <> ?2")?
        .execute(params![Text(user), Text(kept)])?;
    connection
        .prepare_cached("UPDATE accounts SET epoch = epoch + 1 WHERE id = ?1")?
        .execute([Text(user)])?;
    Ok(())
}

/// Ends the least recently used sessions, so that at most `most` are left with this one.
pub(super) fn end_least_used(
    connection: &Connection,
    kept: &Session,
    most: usize,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM sessions WHERE id IN (
        SELECT id FROM sessions WHERE account = ?1 AND id <> ?2 AND expires_at > ?3
        ORDER BY last_used_at DESC, id DESC LIMIT -1 OFFSET ?4)";
    connection.prepare_cached(sql)?.execute(params![
        Text(kept.user),
        Text(kept.id),
        Text(now),
        most.saturating_sub(1),
    ])?;
    Ok(())
}
