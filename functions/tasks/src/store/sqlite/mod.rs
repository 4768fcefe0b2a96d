//! Tasks: one row each, in one table for the lists or in another for the trash. Each change reads
//! the row, checks it and writes it in one transaction, and no other write runs meanwhile.

mod full_scan;
mod pages;
mod requests;
mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use common::auth::UserId;
use common::idempotency::IdempotencyKey;
use common::paging::{Cursor, Page};
use common::precondition::Precondition;
use common::problem::StoreError;
use common::sqlite::Sqlite;
use common::time::Timestamp;
use rusqlite::Connection;

use crate::problems::NOT_IN_THE_TRASH;
use crate::store::list_scan::ListScan;
use crate::{TRASH_LIFETIME, Task, TaskId, TaskPatch, TaskQuery, TaskStore};
pub(super) use full_scan::FullScan;
use pages::OwnersTasks;
use requests::execute_once;
use rows::{find, find_in_trash, insert, move_task, replace};

const PING: &str = "SELECT EXISTS (SELECT 1 FROM tasks)";

pub(super) struct SqliteTasks(Arc<Sqlite>);

impl SqliteTasks {
    pub(super) fn new(sqlite: &Arc<Sqlite>) -> Self {
        Self(Arc::clone(sqlite))
    }

    fn of(&self, owner: UserId) -> OwnersTasks<'_> {
        OwnersTasks {
            sqlite: &self.0,
            owner,
        }
    }

    /// Changes a task that is not in the trash, if `precondition` allows its version, and stores it
    /// with `store`.
    async fn change(
        &self,
        owner: UserId,
        id: TaskId,
        precondition: &Precondition,
        change: impl FnOnce(&Task) -> Task + Send + 'static,
        store: fn(&Connection, UserId, &Task) -> Result<(), StoreError>,
    ) -> Result<Task, StoreError> {
        let precondition = precondition.clone();
        self.0
            .write(move |connection| {
                let task = live(connection, owner, id)?;
                precondition.check(task.version)?;
                let changed = change(&task);
                store(connection, owner, &changed)?;
                Ok(changed)
            })
            .await
    }
}

#[async_trait]
impl TaskStore for SqliteTasks {
    async fn create(
        &self,
        owner: UserId,
        task: Task,
        once: Option<&IdempotencyKey>,
    ) -> Result<Task, StoreError> {
        let once = once.cloned();
        self.0
            .write(move |connection| {
                let now = task.created_at;
                execute_once(connection, owner, once.as_ref(), now, || {
                    insert(connection, owner, &task)?;
                    Ok(task)
                })
            })
            .await
    }

    async fn get(&self, owner: UserId, id: TaskId) -> Result<Task, StoreError> {
        self.0.read(|connection| live(connection, owner, id))
    }

    async fn list(&self, owner: UserId, query: &TaskQuery) -> Result<Page<Task>, StoreError> {
        ListScan::through_list(query).page(&self.of(owner)).await
    }

    async fn update(
        &self,
        owner: UserId,
        id: TaskId,
        patch: &TaskPatch,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<Task, StoreError> {
        if patch.is_empty() {
            let task = self.get(owner, id).await?;
            return precondition.check(task.version).map(|()| task);
        }
        let patch = patch.clone();
        let change = move |task: &Task| patch.apply(task, now);
        self.change(owner, id, precondition, change, replace).await
    }

    async fn trash(
        &self,
        owner: UserId,
        id: TaskId,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let change = move |task: &Task| task.deleted(now);
        self.change(owner, id, precondition, change, move_task)
            .await
            .map(drop)
    }

    async fn list_trash(
        &self,
        owner: UserId,
        limit: usize,
        after: Option<&Cursor>,
        now: Timestamp,
    ) -> Result<Page<Task>, StoreError> {
        ListScan::through_trash(limit, after, now)
            .page(&self.of(owner))
            .await
    }

    async fn restore(
        &self,
        owner: UserId,
        id: TaskId,
        precondition: &Precondition,
        once: Option<&IdempotencyKey>,
        now: Timestamp,
    ) -> Result<Task, StoreError> {
        let (precondition, once) = (precondition.clone(), once.cloned());
        self.0
            .write(move |connection| {
                execute_once(connection, owner, once.as_ref(), now, || {
                    let task = in_trash(connection, owner, id, now)?;
                    precondition.check(task.version)?;
                    let restored = task.restored(now);
                    move_task(connection, owner, &restored)?;
                    Ok(restored)
                })
            })
            .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.0.read(|connection| {
            let mut statement = connection.prepare_cached(PING)?;
            Ok(statement.query_row([], |_| Ok(()))?)
        })
    }
}

fn live(connection: &Connection, owner: UserId, id: TaskId) -> Result<Task, StoreError> {
    find(connection, owner, id)?.ok_or(StoreError::NotFound("task"))
}

/// The task if it is in the trash and has not expired.
fn in_trash(
    connection: &Connection,
    owner: UserId,
    id: TaskId,
    now: Timestamp,
) -> Result<Task, StoreError> {
    let Some(task) = find_in_trash(connection, owner, id)? else {
        live(connection, owner, id)?;
        return Err(StoreError::Refused(NOT_IN_THE_TRASH));
    };
    let expired = now.minus(TRASH_LIFETIME);
    task.deleted_at
        .is_some_and(|deleted_at| deleted_at > expired)
        .then_some(task)
        .ok_or(StoreError::NotFound("task"))
}
