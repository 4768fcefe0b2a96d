//! Accounts and sessions: a table each. Every method is one transaction.

mod accounts;
mod full_scan;
mod sessions;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use common::auth::{PasswordHash, SessionId, UserId};
use common::fields::Change;
use common::idempotency::{IDEMPOTENCY_KEY_LIFETIME, IdempotencyKey};
use common::paging::{Cursor, Page};
use common::precondition::Precondition;
use common::problem::StoreError;
use common::sqlite::{Sqlite, in_row};
use common::time::Timestamp;
use rusqlite::{Connection, Row};

use crate::problems::{THE_ADDRESS_IS_TAKEN, THE_PASSWORD_WAS_CHANGED, THE_SESSION_HAS_ENDED};
use crate::{
    Account, Email, LiveSession, Name, PasswordUpdate, Rotation, Session, User, UserStore, Verdict,
};
use accounts::{
    find_account, find_by_email, insert_account, is_taken, remember, repeats, replace_hash,
    update_name,
};
pub(super) use full_scan::FullScan;
use sessions::{
    end_least_used, end_others, end_session, find_session, insert_session, list, update_session,
};

pub(super) struct SqliteUsers(Arc<Sqlite>);

impl SqliteUsers {
    pub(super) fn new(sqlite: &Arc<Sqlite>) -> Self {
        Self(Arc::clone(sqlite))
    }
}

#[async_trait]
impl UserStore for SqliteUsers {
    async fn register(&self, account: &Account, session: &Session) -> Result<(), StoreError> {
        let (account, session) = (account.clone(), session.clone());
        self.0
            .write(move |connection| {
                let taken =
                    is_taken(connection, &account.email)? || !insert_account(connection, &account)?;
                if taken {
                    return Err(StoreError::Refused(THE_ADDRESS_IS_TAKEN));
                }
                insert_session(connection, &session)
            })
            .await
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        self.0.read(|connection| find_by_email(connection, email))
    }

    async fn account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        self.0.read(|connection| find_account(connection, user))
    }

    async fn live_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<LiveSession, StoreError> {
        self.0.read_snapshot(|connection| {
            let (account, session) = live(connection, user, session, now)?;
            Ok(LiveSession {
                session,
                user: account.into(),
            })
        })
    }

    async fn rename(
        &self,
        user: &User,
        name: &Change<Name>,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<User, StoreError> {
        let name = match name {
            Change::Keep => {
                return precondition.check(user.version).map(|()| user.clone());
            }
            Change::Clear => None,
            Change::Set(name) => Some(name.clone()),
        };
        let (user, precondition) = (user.id, precondition.clone());
        self.0
            .write(move |connection| {
                let account =
                    find_account(connection, user)?.ok_or(StoreError::NotFound("account"))?;
                precondition.check(account.version)?;
                let renamed = Account {
                    name,
                    updated_at: now,
                    version: account.version + 1,
                    ..account
                };
                update_name(connection, &renamed)?;
                Ok(renamed.into())
            })
            .await
    }

    async fn replace_hash(
        &self,
        user: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), StoreError> {
        let (old, new) = (old.clone(), new.clone());
        self.0
            .write(move |connection| replace_hash(connection, user, &old, &new))
            .await
    }

    async fn password_change_repeated(
        &self,
        user: UserId,
        once: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.0
            .read(|connection| repeats(connection, user, once, now))
    }

    async fn change_password(
        &self,
        update: PasswordUpdate<'_>,
        once: Option<&IdempotencyKey>,
    ) -> Result<Session, StoreError> {
        let PasswordUpdate { epoch, now, .. } = update;
        let (user, session) = (update.session.user, update.session.id);
        let (verified, new) = (update.verified.clone(), update.new.clone());
        let once = once.cloned();
        self.0
            .write(move |connection| {
                // A key that was used with another request is refused first.
                let repeated = match &once {
                    Some(once) => repeats(connection, user, once, now)?,
                    None => false,
                };
                let (account, session) = live(connection, user, session, now)?;
                if repeated {
                    return Ok(session);
                }
                if account.epoch != epoch || account.password_hash != verified {
                    return Err(StoreError::Refused(THE_PASSWORD_WAS_CHANGED));
                }
                replace_hash(connection, user, &verified, &new)?;
                end_others(connection, user, session.id)?;
                if let Some(once) = &once {
                    remember(connection, user, once, now.plus(IDEMPOTENCY_KEY_LIFETIME))?;
                }
                let renewed = Session {
                    generation: session.generation + 1,
                    previous: None,
                    epoch: epoch + 1,
                    ..session
                };
                update_session(connection, &renewed)?;
                Ok(renewed)
            })
            .await
    }

    async fn start_session(&self, session: &Session) -> Result<(), StoreError> {
        let session = session.clone();
        self.0
            .write(move |connection| insert_session(connection, &session))
            .await
    }

    async fn end_least_used_sessions(
        &self,
        session: &Session,
        most: usize,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let session = session.clone();
        self.0
            .write(move |connection| {
                account_of_session(connection, session.user)?;
                end_least_used(connection, &session, most, now)
            })
            .await
    }

    async fn rotate(
        &self,
        user: UserId,
        session: SessionId,
        generation: u32,
        idle: Duration,
        now: Timestamp,
    ) -> Result<Rotation, StoreError> {
        self.0
            .write(move |connection| {
                let Some((account, session)) = find_live(connection, user, session, now)? else {
                    return Ok(Rotation::Ended);
                };
                if session.takes(generation, now) {
                    let rotated = Session {
                        generation: session.generation + 1,
                        previous: Some(generation),
                        last_used_at: now,
                        expires_at: now.plus(idle).whole_seconds().earlier_of(session.ends_at),
                        ..session
                    };
                    update_session(connection, &rotated)?;
                    return Ok(Rotation::Rotated(rotated, account.role));
                }
                Ok(match session.verdict(generation, now) {
                    Verdict::Ended => Rotation::Ended,
                    Verdict::Repeated => Rotation::Repeated(session, account.role),
                    Verdict::Reused => {
                        end_session(connection, user, session.id, now)?;
                        Rotation::Stolen
                    }
                })
            })
            .await
    }

    async fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.0
            .write(move |connection| end_session(connection, user, session, now))
            .await
    }

    async fn end_other_sessions(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.0
            .write(move |connection| {
                live(connection, user, session, now)?;
                end_others(connection, user, session)
            })
            .await
    }

    async fn sessions(
        &self,
        user: UserId,
        limit: usize,
        after: Option<&Cursor>,
        now: Timestamp,
    ) -> Result<Page<Session>, StoreError> {
        // Only the identifier of a session is a valid position.
        let after = after.and_then(|cursor| cursor.position.parse().ok());
        self.0.read_snapshot(|connection| {
            let account = account_of_session(connection, user)?;
            list(connection, &account, limit, after, now)
        })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.0.read(|connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM accounts)";
            Ok(connection.prepare_cached(sql)?.query_row([], |_| Ok(()))?)
        })
    }
}

/// The account of a session that a caller has presented.
fn account_of_session(connection: &Connection, user: UserId) -> Result<Account, StoreError> {
    find_account(connection, user)?.ok_or(StoreError::Refused(THE_SESSION_HAS_ENDED))
}

/// A session that has not ended, and its account.
fn find_live(
    connection: &Connection,
    user: UserId,
    session: SessionId,
    now: Timestamp,
) -> Result<Option<(Account, Session)>, StoreError> {
    let Some(account) = find_account(connection, user)? else {
        return Ok(None);
    };
    let session = find_session(connection, &account, session, now)?;
    Ok(session.map(|session| (account, session)))
}

fn live(
    connection: &Connection,
    user: UserId,
    session: SessionId,
    now: Timestamp,
) -> Result<(Account, Session), StoreError> {
    find_live(connection, user, session, now)?.ok_or(StoreError::Refused(THE_SESSION_HAS_ENDED))
}

/// Reads a row of a table whose key is `id`. An error names the row.
fn named<T>(
    table: &str,
    row: &Row<'_>,
    read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    read(row).map_err(|error| {
        let id: String = row.get("id").unwrap_or_default();
        in_row(table, id, error)
    })
}
