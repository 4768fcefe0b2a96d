//! What there is to copy, in words that are no store's own.

use std::fmt;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::auth::Session;
use crate::idempotency::IdempotencyKey;
use crate::problem::StoreError;
use crate::store::rows::AccountRow;
use crate::tasks::{TRASH_LIFETIME, Task};
use crate::time::Timestamp;
use crate::users::{Account, UserId};

/// A kind of record. Counters of attempts are none: they are about the last minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    Account,
    Session,
    /// Idempotency keys of password changes.
    PasswordKey,
    /// Tasks, those in the trash included.
    Task,
    /// Idempotency keys of requests for tasks, with what came of them.
    TaskKey,
}

impl RecordKind {
    /// Every kind, in the order in which they are copied: what needs an account comes after
    /// accounts.
    pub const ALL: [Self; 5] = [
        Self::Account,
        Self::Session,
        Self::PasswordKey,
        Self::Task,
        Self::TaskKey,
    ];

    /// What so many of them are called.
    pub fn counted(self, count: u64) -> String {
        let (one, many) = match self {
            Self::Account => ("account", "accounts"),
            Self::Session => ("session", "sessions"),
            Self::PasswordKey => ("key of a password change", "keys of password changes"),
            Self::Task => ("task", "tasks"),
            Self::TaskKey => ("key of a request for a task", "keys of requests for tasks"),
        };
        format!("{count} {}", if count == 1 { one } else { many })
    }

    /// The kind after this one.
    pub(super) fn next(self) -> Option<Self> {
        Self::ALL
            .into_iter()
            .skip_while(|kind| *kind != self)
            .nth(1)
    }
}

/// One thing that a store holds.
#[derive(Clone, Debug)]
pub(in crate::store) enum Record {
    /// An account; its address leads to it.
    Account(Account),
    /// A session that its account has not ended, in its account's epoch.
    Session(Session),
    /// A password change that was executed.
    PasswordKey {
        user: UserId,
        once: IdempotencyKey,
        expires_at: Timestamp,
    },
    /// A task, in the trash if it was deleted.
    Task { owner: UserId, task: Task },
    /// A request that was executed, and the task as it was then.
    TaskKey {
        owner: UserId,
        once: IdempotencyKey,
        expires_at: Timestamp,
        result: Task,
    },
}

/// A page of records of one kind.
#[derive(Default)]
pub(in crate::store) struct RecordPage {
    pub(in crate::store) records: Vec<Record>,
    pub(in crate::store) unreadable: Vec<Unreadable>,
    /// Where the next page starts; `None` on the last one.
    pub(in crate::store) next: Option<String>,
}

/// Something that does not fit the types.
pub(in crate::store) struct Unreadable {
    /// Where it is, in the store's own words.
    pub(in crate::store) key: String,
    /// Why it does not fit.
    pub(in crate::store) cause: String,
}

impl RecordPage {
    /// Adds what was read at this key: nothing, where there is nothing to copy.
    pub(in crate::store) fn add(&mut self, key: String, read: Result<Option<Record>, StoreError>) {
        match read {
            Ok(record) => self.records.extend(record),
            Err(StoreError::Corrupt(cause)) => self.unreadable.push(Unreadable {
                key,
                cause: cause.to_string(),
            }),
            Err(error) => self.unreadable.push(Unreadable {
                key,
                cause: error.to_string(),
            }),
        }
    }
}

impl Record {
    /// When it ends by itself, if it does.
    pub(super) fn ends_at(&self) -> Option<Timestamp> {
        match self {
            Self::Account(_) => None,
            Self::Session(session) => Some(session.expires_at),
            Self::Task { task, .. } => task
                .deleted_at
                .map(|deleted_at| deleted_at.plus(TRASH_LIFETIME)),
            Self::PasswordKey { expires_at, .. } | Self::TaskKey { expires_at, .. } => {
                Some(*expires_at)
            }
        }
    }

    /// A digest of everything in it; of two records that are the same in every field, the same.
    pub(super) fn digest(&self) -> Result<[u8; 32], StoreError> {
        let content = match self {
            Self::Account(account) => serde_json::to_vec(&AccountRow::from(account.clone())),
            Self::Session(session) => {
                let Session {
                    id,
                    user,
                    generation,
                    previous,
                    epoch,
                    created_at,
                    last_used_at,
                    expires_at,
                    ends_at,
                    user_agent,
                } = session;
                serde_json::to_vec(&(
                    id,
                    user,
                    generation,
                    previous,
                    epoch,
                    created_at,
                    last_used_at,
                    expires_at,
                    ends_at,
                    user_agent,
                ))
            }
            Self::PasswordKey {
                user,
                once,
                expires_at,
            } => serde_json::to_vec(&(user, &once.key, &once.fingerprint, expires_at)),
            Self::Task { owner, task } => serde_json::to_vec(&(owner, task)),
            Self::TaskKey {
                owner,
                once,
                expires_at,
                result,
            } => serde_json::to_vec(&(owner, &once.key, &once.fingerprint, expires_at, result)),
        };
        let content = content.map_err(|error| StoreError::Corrupt(error.into()))?;
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, &content).as_ref());
        Ok(bytes)
    }
}

/// Names the record: no two of a kind have the same name.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => write!(f, "account {}", account.id),
            Self::Session(session) => {
                write!(f, "session {} of account {}", session.id, session.user)
            }
            Self::PasswordKey { user, once, .. } => {
                write!(f, "key {} of a password change of account {user}", once.key)
            }
            Self::Task { owner, task } => write!(f, "task {} of account {owner}", task.id),
            Self::TaskKey { owner, once, .. } => write!(f, "key {} of account {owner}", once.key),
        }
    }
}
