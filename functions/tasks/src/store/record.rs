//! The kinds of records that are copied between stores.

use common::auth::UserId;
use common::idempotency::IdempotencyKey;
use common::problem::StoreError;
use common::storage::copy::{Record, RecordKind};
use common::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{TRASH_LIFETIME, Task};

/// Tasks, including those in the trash.
pub(super) const TASK: RecordKind = RecordKind::new("task", "task", "tasks");
/// Idempotency keys of requests for tasks, with the task as it was then.
pub(super) const TASK_KEY: RecordKind = RecordKind::new(
    "task_key",
    "key of a request for a task",
    "keys of requests for tasks",
);

pub(super) const KINDS: &[RecordKind] = &[TASK, TASK_KEY];

#[derive(Serialize, Deserialize)]
pub(super) struct OwnedTask {
    pub(super) owner: UserId,
    pub(super) task: Task,
}

/// An executed request, and the task as it was then.
#[derive(Serialize, Deserialize)]
pub(super) struct ExecutedRequest {
    pub(super) owner: UserId,
    pub(super) once: IdempotencyKey,
    pub(super) expires_at: Timestamp,
    pub(super) result: Task,
}

impl OwnedTask {
    pub(super) fn into_record(self) -> Result<Record, StoreError> {
        let name = format!("task {} of account {}", self.task.id, self.owner);
        let ends_at = self
            .task
            .deleted_at
            .map(|deleted_at| deleted_at.plus(TRASH_LIFETIME));
        Record::new(name, ends_at, &self)
    }
}

impl ExecutedRequest {
    pub(super) fn into_record(self) -> Result<Record, StoreError> {
        let name = format!("key {} of account {}", self.once.key, self.owner);
        Record::new(name, Some(self.expires_at), &self)
    }
}
