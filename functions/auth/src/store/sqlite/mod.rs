//! Stub.
#![allow(unused, clippy::all)]
use super::*;
use crate::UserStore;
use async_trait::async_trait;
use common::sqlite::Sqlite;
use std::sync::Arc;

pub(super) struct SqliteUsers(Arc<Sqlite>);
impl SqliteUsers {
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
impl UserStore for SqliteUsers {
    async fn register(&self, account: &Account, session: &Session) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn find_by_email(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        unimplemented!()
    }

    async fn account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        unimplemented!()
    }
    async fn live_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<LiveSession, StoreError> {
        unimplemented!()
    }
    async fn rename(
        &self,
        user: &User,
        name: &Change<Name>,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<User, StoreError> {
        unimplemented!()
    }
    async fn replace_hash(
        &self,
        user: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn password_change_repeated(
        &self,
        user: UserId,
        once: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        unimplemented!()
    }
    async fn change_password(
        &self,
        update: PasswordUpdate<'_>,
        once: Option<&IdempotencyKey>,
    ) -> Result<Session, StoreError> {
        unimplemented!()
    }

    async fn start_session(&self, session: &Session) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn end_least_used_sessions(
        &self,
        session: &Session,
        most: usize,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn rotate(
        &self,
        user: UserId,
        session: SessionId,
        generation: u32,
        idle: std::time::Duration,
        now: Timestamp,
    ) -> Result<Rotation, StoreError> {
        unimplemented!()
    }
    async fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        unimplemented!()
    }
    async fn end_other_sessions(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn sessions(
        &self,
        user: UserId,
        limit: usize,
        after: Option<&Cursor>,
        now: Timestamp,
    ) -> Result<Page<Session>, StoreError> {
        unimplemented!()
    }
    async fn ping(&self) -> Result<(), StoreError> {
        unimplemented!()
    }
}
