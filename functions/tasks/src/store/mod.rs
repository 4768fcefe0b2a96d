//! The store of tasks, and its implementations.

mod change_time;
mod changes;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod keys;
mod list_scan;
#[cfg(feature = "mongodb")]
mod mongodb;
mod record;
#[cfg(feature = "sqlite")]
mod sqlite;
mod sqlite_schema;

use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use common::auth::UserId;
use common::config::Setting;
use common::database::Database;
use common::idempotency::IdempotencyKey;
use common::paging::{Cursor, Page};
use common::part::{Part, StartError, Starter};
use common::precondition::Precondition;
use common::problem::StoreError;
use common::schema::{Collection, Index, IndexKind};
use common::storage::Storage;
use common::storage::copy::CopyStore;
use common::time::Timestamp;

use crate::{Task, TaskId, TaskPatch, TaskQuery};

/// Tasks, each in its owner's list or trash. Every method does all or nothing. Other owners' tasks
/// and tasks that have expired from the trash count as missing.
#[async_trait]
pub trait TaskStore: Send + Sync {
    /// Adds a task. If the key was used before, adds nothing and returns the task as it was added
    /// then.
    async fn create(
        &self,
        owner: UserId,
        task: Task,
        once: Option<&IdempotencyKey>,
    ) -> Result<Task, StoreError>;

    /// Gets a task that is not in the trash.
    async fn get(&self, owner: UserId, id: TaskId) -> Result<Task, StoreError>;

    /// Lists a page of the owner's tasks. It reads a limited number of tasks, so a filtered page
    /// may be short.
    async fn list(&self, owner: UserId, query: &TaskQuery) -> Result<Page<Task>, StoreError>;

    /// Changes a task as [`TaskPatch::apply`] does, if `precondition` allows its version.
    async fn update(
        &self,
        owner: UserId,
        id: TaskId,
        patch: &TaskPatch,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<Task, StoreError>;

    /// Moves a task to the trash, if `precondition` allows its version.
    async fn trash(
        &self,
        owner: UserId,
        id: TaskId,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Lists a page of the owner's trash, last deleted first.
    async fn list_trash(
        &self,
        owner: UserId,
        limit: usize,
        after: Option<&Cursor>,
        now: Timestamp,
    ) -> Result<Page<Task>, StoreError>;

    /// Restores a task from the trash, if `precondition` allows its version. If the key was used
    /// before, changes nothing and returns the task as it was restored then.
    async fn restore(
        &self,
        owner: UserId,
        id: TaskId,
        precondition: &Precondition,
        once: Option<&IdempotencyKey>,
        now: Timestamp,
    ) -> Result<Task, StoreError>;

    /// Fails if the store is unavailable.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// The tasks of the database, as a part.
#[derive(Clone)]
pub struct Tasks(Arc<dyn TaskStore>);

impl Tasks {
    /// The tasks in this database; on DynamoDB in the table of this name.
    pub fn new(database: &Database, table: &str) -> Self {
        match database {
            #[cfg(feature = "dynamodb")]
            Database::DynamoDb(client) => {
                Self(Arc::new(dynamodb::TaskTable::new(client.clone(), table)))
            }
            #[cfg(feature = "mongodb")]
            Database::MongoDb(connection) => {
                let _ = table;
                Self(Arc::new(mongodb::TaskCollection::new(connection)))
            }
            #[cfg(feature = "sqlite")]
            Database::Sqlite(sqlite) => {
                let _ = table;
                Self(Arc::new(sqlite::SqliteTasks::new(sqlite)))
            }
        }
    }
}

impl From<Arc<dyn TaskStore>> for Tasks {
    /// Tasks in a store other than a database.
    fn from(store: Arc<dyn TaskStore>) -> Self {
        Self(store)
    }
}

impl Deref for Tasks {
    type Target = dyn TaskStore;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}

impl Part for Tasks {
    fn settings() -> Vec<Setting> {
        [Database::settings(), vec![STORAGE.table]].concat()
    }

    async fn start(starter: &Starter<'_>) -> Result<Self, StartError> {
        let table = starter.environment.text(&STORAGE.table)?;
        Ok(Self::new(&starter.part().await?, &table))
    }
}

/// Tasks, including those in the trash.
const TASKS: &str = "tasks";
/// Requests with an idempotency key.
const REQUESTS: &str = "requests";

pub static STORAGE: Storage = Storage {
    table: Setting::new("TASKLANE_TASKS_TABLE", "tasklane-tasks"),
    // `by_rank` is reserved for lists with a manual order.
    indexes: &[
        "by_created",
        "by_updated",
        "by_due",
        "by_priority",
        "by_rank",
    ],
    collections: &[
        Collection {
            name: TASKS,
            indexes: &[
                Index::new("by_created", &["owner", "by_created"], IndexKind::Plain),
                Index::new("by_updated", &["owner", "by_updated"], IndexKind::Plain),
                Index::new("by_due", &["owner", "by_due"], IndexKind::Plain),
                Index::new("by_priority", &["owner", "by_priority"], IndexKind::Plain),
                Index::new(
                    "trash_by_updated",
                    &["trash_of", "by_updated"],
                    IndexKind::Sparse,
                ),
                Index::new("expiry", &["purge_at"], IndexKind::Expiry),
            ],
        },
        Collection {
            name: REQUESTS,
            indexes: &[Index::new("expiry", &["expires_at"], IndexKind::Expiry)],
        },
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
