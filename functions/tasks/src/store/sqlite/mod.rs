//! Stub.
#![allow(unused, clippy::all)]
use super::*;
use crate::TaskStore;
use async_trait::async_trait;
use common::sqlite::Sqlite;
use std::sync::Arc;

pub(super) struct SqliteTasks(Arc<Sqlite>);
impl SqliteTasks {
    pub(super) fn new(sqlite: &Arc<Sqlite>) -> Self {
        Self(Arc::clone(sqlite))
    }
}
pub(super) struct FullScan(Arc<Sqlite>);
impl FullScan {
    pub(super) fn new(sqlite: &Arc<Sqlite>) -> Self {
        Self(Arc::clone(sqlite))
    }
}
#[async_trait]
impl CopyStore for FullScan {
    async fn read(
        &self,
        kind: &common::storage::copy::RecordKind,
        after: Option<&str>,
    ) -> Result<common::storage::copy::RecordPage, StoreError> {
        unimplemented!()
    }
    async fn add(
        &self,
        kind: &common::storage::copy::RecordKind,
        record: &common::storage::copy::Record,
    ) -> Result<(), StoreError> {
        unimplemented!()
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
        unimplemented!()
    }
    async fn get(&self, owner: UserId, id: TaskId) -> Result<Task, StoreError> {
        unimplemented!()
    }
    async fn list(&self, owner: UserId, query: &TaskQuery) -> Result<Page<Task>, StoreError> {
        unimplemented!()
    }
    async fn update(
        &self,
        owner: UserId,
        id: TaskId,
        patch: &TaskPatch,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<Task, StoreError> {
        unimplemented!()
    }
    async fn trash(
        &self,
        owner: UserId,
        id: TaskId,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn list_trash(
        &self,
        owner: UserId,
        limit: usize,
        after: Option<&Cursor>,
        now: Timestamp,
    ) -> Result<Page<Task>, StoreError> {
        unimplemented!()
    }
    async fn restore(
        &self,
        owner: UserId,
        id: TaskId,
        precondition: &Precondition,
        once: Option<&IdempotencyKey>,
        now: Timestamp,
    ) -> Result<Task, StoreError> {
        unimplemented!()
    }
    async fn ping(&self) -> Result<(), StoreError> {
        unimplemented!()
    }
}
