//! Tasks: one document each. A live task has an `owner`; a task in the trash has `trash_of`
//! instead, so that no list and no change of live tasks finds it, and restoring changes no other
//! document.

mod full_scan;
mod requests;

use std::sync::Arc;

use async_trait::async_trait;
use common::auth::UserId;
use common::idempotency::IdempotencyKey;
use common::mongodb::{
    ATTEMPTS, Connection, Documents, at_version, date, read, read_raw, text_of, value, version_of,
    write,
};
use common::paging::{Cursor, Page};
use common::precondition::Precondition;
use common::problem::StoreError;
use common::races::{lost, pause};
use common::time::Timestamp;
use mongodb::bson::{Document, doc};

use crate::problems::NOT_IN_THE_TRASH;
use crate::store::change_time::{CHANGE_ATTEMPTS, ChangeTime};
use crate::store::changes::{FieldChange, changes};
use crate::store::keys::{
    GONE, created_key, due_key, gone_key, kept_since, live_key, priority_key,
};
use crate::store::list_scan::{KeyRange, ListScan, Read, TaskReader};
use crate::store::{REQUESTS, TASKS};
use crate::{TRASH_LIFETIME, Task, TaskId, TaskPatch, TaskQuery, TaskStore};
pub(super) use full_scan::FullScan;
use requests::{Claim, Requests};

#[derive(Clone)]
pub(super) struct TaskCollection {
    tasks: Documents,
    requests: Requests,
}

impl TaskCollection {
    pub(super) fn new(connection: &Arc<Connection>) -> Self {
        Self {
            tasks: Documents::new(connection, TASKS),
            requests: Requests::new(Documents::new(connection, REQUESTS)),
        }
    }

    fn of(&self, owner: UserId) -> OwnersTasks<'_> {
        OwnersTasks {
            tasks: &self.tasks,
            owner,
        }
    }

    /// Changes a task at this time, or just after its last change if that was later, with the first
    /// update whose filter matches the task. If none matches, `explain` returns the reason for the
    /// current task. Without a reason, the time was too early or the task has changed meanwhile,
    /// and everything is tried again.
    async fn change(
        &self,
        name: &str,
        now: Timestamp,
        updates: impl Fn(Timestamp) -> Result<Vec<(Document, Document)>, StoreError>,
        explain: impl Fn(&Document) -> Option<StoreError>,
    ) -> Result<Document, StoreError> {
        let mut time = ChangeTime::new(now);
        for _ in 0..CHANGE_ATTEMPTS {
            for (mut filter, update) in updates(time.at)? {
                filter.insert("updated_at", doc! {"$lt": time.at.to_string()});
                if let Some(document) = self.tasks.update(filter, update).await? {
                    return Ok(document);
                }
            }
            time.wait().await;
            let document = self
                .tasks
                .find_one(doc! {"_id": name})
                .await?
                .unwrap_or_default();
            if let Some(reason) = explain(&document) {
                return Err(reason);
            }
            time.move_past(text_of(&document, "updated_at"));
        }
        Err(lost())
    }

    /// Restores a task with an idempotency key. docs/data-model.md explains why it is executed only
    /// once, wherever it is interrupted.
    async fn restore_once(
        &self,
        owner: UserId,
        id: TaskId,
        precondition: &Precondition,
        once: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Task, StoreError> {
        for attempt in 0..ATTEMPTS {
            let document = self
                .tasks
                .find_one(doc! {"_id": name_of(owner, id)})
                .await?
                .unwrap_or_default();
            // The key is claimed after the task was read: so all earlier changes of the task by
            // others are visible.
            let request = match self.requests.claim(owner, once, None, now).await? {
                Claim::Executed(task) => return Ok(task),
                Claim::Open(request) => request,
            };
            if let Ok(last) = document.get_document("restored") {
                // The result of the last request that restored the task is saved to its request
                // before this restoration overwrites it.
                if let Some(task) = self.requests.complete(last, &request, once, now).await? {
                    return Ok(task);
                }
            }
            if let Some(reason) = why_not_restorable(&document, precondition, now) {
                self.requests.give_up(&request, once).await?;
                return Err(reason);
            }
            let task: Task = read(document)?;
            let restored = task.restored(now);
            let record = Requests::record(&request, once, &restored, now)?;
            let mut update = restoration(owner, id, restored.updated_at);
            update
                .get_document_mut("$set")
                .map_err(|error| StoreError::Corrupt(error.into()))?
                .insert("restored", record.clone());
            let filter = restorable(owner, id, &Precondition::OneOf(vec![task.version]), now);
            if self.tasks.update(filter, update).await?.is_some() {
                self.requests.complete(&record, &request, once, now).await?;
                return Ok(restored);
            }
            pause(attempt).await;
        }
        Err(StoreError::StillRunning)
    }
}

#[async_trait]
impl TaskStore for TaskCollection {
    async fn create(
        &self,
        owner: UserId,
        task: Task,
        once: Option<&IdempotencyKey>,
    ) -> Result<Task, StoreError> {
        let task = match once {
            None => task,
            Some(once) => {
                let now = task.created_at;
                match self.requests.claim(owner, once, Some(task), now).await? {
                    Claim::Executed(task) => task,
                    Claim::Open(_) => return Err(StoreError::StillRunning),
                }
            }
        };
        // If it exists, an earlier attempt of the same request stored it.
        self.tasks
            .insert(task_document(owner, &task)?)
            .await
            .map(|_| task)
    }

    async fn get(&self, owner: UserId, id: TaskId) -> Result<Task, StoreError> {
        read(
            self.tasks
                .find_one(live(owner, id))
                .await?
                .ok_or(StoreError::NotFound("task"))?,
        )
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
        let updates = |at| {
            patch_updates(
                &at_version(live(owner, id), precondition),
                id,
                patch,
                now,
                at,
            )
        };
        read(
            self.change(&name_of(owner, id), now, updates, |document| {
                why_not_live(document, precondition)
            })
            .await?,
        )
    }

    async fn trash(
        &self,
        owner: UserId,
        id: TaskId,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let updates = |at: Timestamp| {
            let mut set = in_trash(owner, id, at);
            set.insert("updated_at", at.to_string());
            let update = doc! {"$set": set, "$unset": {"owner": ""}, "$inc": {"version": 1_i64}};
            Ok(vec![(at_version(live(owner, id), precondition), update)])
        };
        self.change(&name_of(owner, id), now, updates, |document| {
            why_not_live(document, precondition)
        })
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
        if let Some(once) = once {
            return self.restore_once(owner, id, precondition, once, now).await;
        }
        let updates = |at| {
            Ok(vec![(
                restorable(owner, id, precondition, now),
                restoration(owner, id, at),
            )])
        };
        read(
            self.change(&name_of(owner, id), now, updates, |document| {
                why_not_restorable(document, precondition, now)
            })
            .await?,
        )
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.tasks.find_one(doc! {"_id": "ping"}).await.map(drop)
    }
}

struct OwnersTasks<'t> {
    tasks: &'t Documents,
    owner: UserId,
}

impl TaskReader for OwnersTasks<'_> {
    async fn read(
        &self,
        scan: &ListScan<'_>,
        key_range: &KeyRange,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Read, StoreError> {
        let whose = if key_range.from.starts_with(GONE) {
            "trash_of"
        } else {
            "owner"
        };
        let mut range = doc! {"$gte": &key_range.from, "$lte": &key_range.to};
        if let Some(after) = after {
            let (begins, bound) = if scan.descending {
                ("$lte", "$lt")
            } else {
                ("$gte", "$gt")
            };
            range.remove(begins);
            range.insert(bound, after);
        }
        let direction = if scan.descending { -1 } else { 1 };
        let order = doc! {whose: direction, scan.index: direction};
        let filter = doc! {whose: self.owner.to_string(), scan.index: range};
        let tasks = self.tasks.find_read(filter, order, limit, |document| {
            let position = document.get_str(scan.index).unwrap_or_default().to_owned();
            (position, read_raw(document))
        });
        let tasks: Vec<(String, Result<Task, StoreError>)> = tasks.await?;
        let full = tasks.len() == limit;
        let rest = tasks
            .last()
            .filter(|_| full)
            .map(|(position, _)| position.clone());
        Ok(Read { tasks, rest })
    }
}

pub(super) fn task_document(owner: UserId, task: &Task) -> Result<Document, StoreError> {
    let mut document = write(task)?;
    document.extend(doc! {
        "_id": name_of(owner, task.id),
        "id": task.id.to_string(),
        "by_created": created_key(task.id),
        "by_updated": live_key(task.updated_at, task.id),
        "by_due": due_key(task.due, task.id),
        "by_priority": priority_key(task.priority, task.id),
    });
    document.extend(match task.deleted_at {
        None => doc! {"owner": owner.to_string()},
        Some(deleted_at) => in_trash(owner, task.id, deleted_at),
    });
    Ok(document)
}

/// The fields of a task in the trash, instead of its `owner`.
fn in_trash(owner: UserId, id: TaskId, deleted_at: Timestamp) -> Document {
    doc! {
        "trash_of": owner.to_string(),
        "deleted_at": deleted_at.to_string(),
        "by_updated": gone_key(deleted_at, id),
        "purge_at": date(deleted_at.plus(TRASH_LIFETIME)),
    }
}

/// The `_id` of a task's document: two owners may have tasks with the same identifier.
pub(super) fn name_of(owner: UserId, id: TaskId) -> String {
    format!("{owner}#{id}")
}

/// The filter for a task that is not in the trash.
fn live(owner: UserId, id: TaskId) -> Document {
    doc! {"_id": name_of(owner, id), "owner": owner.to_string()}
}

/// The filter for a task that can be restored.
fn restorable(owner: UserId, id: TaskId, precondition: &Precondition, now: Timestamp) -> Document {
    let filter = doc! {"_id": name_of(owner, id), "trash_of": owner.to_string(), "deleted_at": {"$gt": kept_since(now)}};
    at_version(filter, precondition)
}

fn restoration(owner: UserId, id: TaskId, now: Timestamp) -> Document {
    doc! {
        "$set": {"owner": owner.to_string(), "updated_at": now.to_string(), "by_updated": live_key(now, id)},
        "$unset": {"trash_of": "", "deleted_at": "", "purge_at": ""},
        "$inc": {"version": 1_i64},
    }
}

/// A patch as several updates, of which one matches the task: in MongoDB an update cannot depend on
/// whether a field exists. The change is made at `at`.
fn patch_updates(
    filter: &Document,
    id: TaskId,
    patch: &TaskPatch,
    now: Timestamp,
    at: Timestamp,
) -> Result<Vec<(Document, Document)>, StoreError> {
    let mut set = doc! {"updated_at": at.to_string(), "by_updated": live_key(at, id)};
    let (mut unset, mut completes) = (Document::new(), false);
    for change in changes(id, patch)? {
        match change {
            FieldChange::Set(field, new) => drop(set.insert(field, value(&new)?)),
            FieldChange::Remove(field) => drop(unset.insert(field, "")),
            FieldChange::Complete => completes = true,
        }
    }
    let update = |set: Document| {
        let mut update = doc! {"$set": set, "$inc": {"version": 1_i64}};
        if !unset.is_empty() {
            update.insert("$unset", unset.clone());
        }
        update
    };
    if !completes {
        return Ok(vec![(filter.clone(), update(set))]);
    }
    let [mut open, mut completed] = [filter.clone(), filter.clone()];
    open.insert("completed_at", doc! {"$exists": false});
    completed.insert("completed_at", doc! {"$exists": true});
    let mut completing = set.clone();
    completing.insert("completed_at", now.to_string());
    Ok(vec![(open, update(completing)), (completed, update(set))])
}

/// Why a task was not changed: it does not exist, or it has another version.
fn why_not_live(document: &Document, precondition: &Precondition) -> Option<StoreError> {
    match version_of(document).filter(|_| document.contains_key("owner")) {
        None => Some(StoreError::NotFound("task")),
        Some(current) => precondition.check(current).err(),
    }
}

fn why_not_restorable(
    document: &Document,
    precondition: &Precondition,
    now: Timestamp,
) -> Option<StoreError> {
    let Some(current) = version_of(document) else {
        return Some(StoreError::NotFound("task"));
    };
    if document.contains_key("owner") {
        return Some(StoreError::Refused(NOT_IN_THE_TRASH));
    }
    if text_of(document, "deleted_at")
        .is_none_or(|deleted_at| deleted_at <= kept_since(now).as_str())
    {
        return Some(StoreError::NotFound("task"));
    }
    precondition.check(current).err()
}

#[cfg(test)]
mod tests {
    use common::fields::Change;

    use super::*;
    use crate::Status;

    fn updates(patch: &TaskPatch) -> Vec<(Document, Document)> {
        let id = TaskId::from_uuid(uuid::Uuid::nil());
        let now = Timestamp::from_millisecond(0);
        patch_updates(&doc! {"_id": "a task"}, id, patch, now, now).expect("updates")
    }

    #[test]
    fn a_task_that_is_completed_again_keeps_its_first_time() {
        let patch = TaskPatch {
            status: Change::Set(Status::Done),
            ..TaskPatch::default()
        };

        let [(open, completing), (completed, keeping)] =
            updates(&patch).try_into().expect("two updates");

        assert_eq!(
            open.get_document("completed_at").expect("a condition"),
            &doc! {"$exists": false}
        );
        assert_eq!(
            completed.get_document("completed_at").expect("a condition"),
            &doc! {"$exists": true}
        );
        assert!(
            completing
                .get_document("$set")
                .expect("a change")
                .contains_key("completed_at")
        );
        assert!(
            !keeping
                .get_document("$set")
                .expect("a change")
                .contains_key("completed_at")
        );
    }

    #[test]
    fn a_field_is_never_both_set_and_unset() {
        let patch = TaskPatch {
            notes: Change::Clear,
            status: Change::Clear,
            due: Change::Clear,
            labels: Change::Clear,
            ..TaskPatch::default()
        };

        for (_, update) in updates(&patch) {
            let set = update.get_document("$set").expect("set");
            let unset = update.get_document("$unset").expect("unset");

            assert!(
                unset.keys().all(|field| !set.contains_key(field)),
                "{update}"
            );
            assert_eq!(
                unset.keys().collect::<Vec<_>>(),
                ["notes", "completed_at", "due"]
            );
        }
    }
}
