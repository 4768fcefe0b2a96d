//! The store of accounts and sessions, and its implementations.

#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "mongodb")]
mod mongodb;
mod record;
#[cfg(feature = "sqlite")]
mod sqlite;
mod sqlite_schema;

use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use common::auth::{PasswordHash, SessionId, UserId};
use common::config::Setting;
use common::database::Database;
use common::fields::Change;
use common::idempotency::IdempotencyKey;
use common::paging::{Cursor, Page};
use common::part::{Part, StartError, Starter};
use common::precondition::Precondition;
use common::problem::StoreError;
use common::records::{self, CounterStore};
use common::schema::{Collection, Index, IndexKind};
use common::storage::Storage;
use common::storage::copy::CopyStore;
use common::time::Timestamp;

use crate::{Account, Email, LiveSession, Name, Rotation, SESSION_ORDER, Session, User};
pub use record::ACCOUNT;

/// A password change, with the old password verified and the new one hashed.
#[derive(Debug)]
pub struct PasswordUpdate<'a> {
    /// The caller's session, which continues with a new refresh token; all others end.
    pub session: &'a Session,
    /// The account's epoch when the password was verified.
    pub epoch: u32,
    /// The hash that the current password was verified against.
    pub verified: &'a PasswordHash,
    /// The hash of the new password.
    pub new: &'a PasswordHash,
    pub now: Timestamp,
}

/// Accounts and sessions. Every method does all or nothing. Expired data counts as deleted.
#[async_trait]
pub trait UserStore: Send + Sync {
    /// Adds an account and its first session, unless the address is taken.
    async fn register(&self, account: &Account, session: &Session) -> Result<(), StoreError>;

    /// Finds the account with this address, ignoring case.
    async fn find_by_email(&self, email: &Email) -> Result<Option<Account>, StoreError>;

    async fn account(&self, user: UserId) -> Result<Option<Account>, StoreError>;

    /// A session that has not ended, and its account's owner.
    async fn live_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<LiveSession, StoreError>;

    /// Changes the name of an owner, as read before, if `precondition` allows the account's
    /// version.
    async fn rename(
        &self,
        user: &User,
        name: &Change<Name>,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<User, StoreError>;

    /// Replaces a hash by one of the same password with other parameters. Does nothing if the
    /// password was changed meanwhile.
    async fn replace_hash(
        &self,
        user: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), StoreError>;

    /// Whether this password change was already executed under this key.
    async fn password_change_repeated(
        &self,
        user: UserId,
        once: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Sets the new password, ends every session except the caller's, and gives that one a new
    /// refresh token; all its earlier ones become void. Returns the updated session. Changes
    /// nothing if the key was used before.
    async fn change_password(
        &self,
        update: PasswordUpdate<'_>,
        once: Option<&IdempotencyKey>,
    ) -> Result<Session, StoreError>;

    async fn start_session(&self, session: &Session) -> Result<(), StoreError>;

    /// If more than `most` sessions live, ends the least recently used ones. Keeps this session,
    /// which has just started.
    async fn end_least_used_sessions(
        &self,
        session: &Session,
        most: usize,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Exchanges a session's refresh token of this generation. Of several simultaneous exchanges
    /// only one rotates the session. The previous token gets the current one again or, after
    /// [`GRACE`], a new one in its place; an older or void token ends the session. A session is
    /// only returned if its account has not ended it.
    ///
    /// [`GRACE`]: crate::GRACE
    async fn rotate(
        &self,
        user: UserId,
        session: SessionId,
        generation: u32,
        idle: std::time::Duration,
        now: Timestamp,
    ) -> Result<Rotation, StoreError>;

    /// Ends a session; returns whether it existed.
    async fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Ends every session but this one.
    async fn end_other_sessions(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Lists the sessions that have not ended, oldest first.
    async fn sessions(
        &self,
        user: UserId,
        limit: usize,
        after: Option<&Cursor>,
        now: Timestamp,
    ) -> Result<Page<Session>, StoreError>;

    /// Fails if the store is unavailable.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// The accounts and sessions of the database, as a part.
#[derive(Clone)]
pub struct Users(Arc<dyn UserStore>);

impl Users {
    /// The accounts in this database; on DynamoDB in the table of this name.
    pub fn new(database: &Database, table: &str) -> Self {
        match database {
            #[cfg(feature = "dynamodb")]
            Database::DynamoDb(client) => {
                Self(Arc::new(dynamodb::UserTable::new(client.clone(), table)))
            }
            #[cfg(feature = "mongodb")]
            Database::MongoDb(connection) => {
                let _ = table;
                Self(Arc::new(mongodb::UserCollections::new(connection)))
            }
            #[cfg(feature = "sqlite")]
            Database::Sqlite(sqlite) => {
                let _ = table;
                Self(Arc::new(sqlite::SqliteUsers::new(sqlite)))
            }
        }
    }
}

impl Deref for Users {
    type Target = dyn UserStore;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}

impl Part for Users {
    fn settings() -> Vec<Setting> {
        [Database::settings(), vec![STORAGE.table]].concat()
    }

    async fn start(starter: &Starter<'_>) -> Result<Self, StartError> {
        let table = starter.environment.text(&STORAGE.table)?;
        Ok(Self::new(&starter.part().await?, &table))
    }
}

/// The counters of attempts, as a part.
#[derive(Clone)]
pub struct Counters(Arc<dyn CounterStore>);

impl Counters {
    /// The counters in this database; on DynamoDB in the table of this name.
    pub fn new(database: &Database, table: &str) -> Self {
        Self(records::counters(database, table, COUNTERS))
    }
}

impl Deref for Counters {
    type Target = dyn CounterStore;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}

impl Part for Counters {
    fn settings() -> Vec<Setting> {
        Users::settings()
    }

    async fn start(starter: &Starter<'_>) -> Result<Self, StartError> {
        let table = starter.environment.text(&STORAGE.table)?;
        Ok(Self::new(&starter.part().await?, &table))
    }
}

const USERS: &str = "users";
const SESSIONS: &str = "sessions";
const COUNTERS: &str = "counters";

pub static STORAGE: Storage = Storage {
    table: Setting::new("TASKLANE_USERS_TABLE", "tasklane-users"),
    indexes: &[],
    collections: &[
        Collection {
            name: USERS,
            indexes: &[Index::new(
                "address",
                &["email_canonical"],
                IndexKind::Unique,
            )],
        },
        Collection {
            name: SESSIONS,
            indexes: &[
                Index::new("of_user", &["user", "_id"], IndexKind::Plain),
                Index::new("expiry", &["expires_at"], IndexKind::Expiry),
            ],
        },
        records::collection(COUNTERS),
    ],
    sqlite: &sqlite_schema::SCHEMA,
    kinds: record::KINDS,
    open: open_for_copy,
};

fn open_for_copy(database: &Database, table: &str) -> Box<dyn CopyStore> {
    match database {
        #[cfg(feature = "dynamodb")]
        Database::DynamoDb(client) => Box::new(dynamodb::FullScan::new(client.clone(), table)),
        #[cfg(feature = "mongodb")]
        Database::MongoDb(connection) => {
            let _ = table;
            Box::new(mongodb::FullScan::new(connection))
        }
        #[cfg(feature = "sqlite")]
        Database::Sqlite(sqlite) => {
            let _ = table;
            Box::new(sqlite::FullScan::new(sqlite))
        }
    }
}

/// A page of the sessions that were read. An unreadable session is skipped, so that it does not
/// hide the others. `rest` is the session after which to continue, if reading stopped before the
/// end.
fn session_page(
    sessions: impl Iterator<Item = Result<Session, StoreError>>,
    limit: usize,
    rest: Option<String>,
) -> Page<Session> {
    let mut items = Vec::new();
    for session in sessions {
        match session {
            Ok(session) => items.push(session),
            Err(error) => tracing::error!(cause = %error, "unreadable_session"),
        }
    }
    let next = if items.len() > limit {
        items.truncate(limit);
        items.last().map(|session| session.id.to_string())
    } else {
        rest
    };
    Page {
        items,
        next: next.map(|position| Cursor::new(SESSION_ORDER, &position)),
    }
}
