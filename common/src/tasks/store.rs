//! What a store of tasks promises.

use async_trait::async_trait;

use super::query::TaskQuery;
use super::task::{Task, TaskId, TaskPatch};
use crate::idempotency::IdempotencyKey;
use crate::paging::{Cursor, Page};
use crate::precondition::Precondition;
use crate::problem::StoreError;
use crate::time::Timestamp;
use crate::users::UserId;

/// Tasks, each in its owner's list or trash. Every method does all or nothing; somebody else's task
/// is no task; what has expired in the trash is gone.
#[async_trait]
pub trait TaskStore: Send + Sync {
    /// Adds a task. Under a key that was used before it adds nothing and gives the task as it was
    /// added then.
    async fn create(
        &self,
        owner: UserId,
        task: Task,
        once: Option<&IdempotencyKey>,
    ) -> Result<Task, StoreError>;

    /// A task that is not in the trash.
    async fn get(&self, owner: UserId, id: TaskId) -> Result<Task, StoreError>;

    /// A page of the owner's tasks. It reads a bounded number of them, so that a filtered page may
    /// be short.
    async fn list(&self, owner: UserId, query: &TaskQuery) -> Result<Page<Task>, StoreError>;

    /// Changes a task as [`TaskPatch::apply`] does, if it is at a version that `precondition`
    /// allows.
    async fn update(
        &self,
        owner: UserId,
        id: TaskId,
        patch: &TaskPatch,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<Task, StoreError>;

    /// Puts a task into the trash, if it is at a version that `precondition` allows.
    async fn trash(
        &self,
        owner: UserId,
        id: TaskId,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// A page of the owner's trash, the last deleted first.
    async fn list_trash(
        &self,
        owner: UserId,
        limit: usize,
        after: Option<&Cursor>,
        now: Timestamp,
    ) -> Result<Page<Task>, StoreError>;

    /// Takes a task out of the trash, if it is at a version that `precondition` allows. Under a key
    /// that was used before it changes nothing and gives the task as it was restored then.
    async fn restore(
        &self,
        owner: UserId,
        id: TaskId,
        precondition: &Precondition,
        once: Option<&IdempotencyKey>,
        now: Timestamp,
    ) -> Result<Task, StoreError>;

    /// Fails when the store cannot be reached.
    async fn ping(&self) -> Result<(), StoreError>;
}
