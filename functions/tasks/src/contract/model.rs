//! The model: a simple implementation of a store. Histories and lists are compared with it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use common::idempotency::{IDEMPOTENCY_KEY_LIFETIME, IdempotencyKey};
use common::precondition::Precondition;
use common::time::Timestamp;
use contract::fixtures::check_version;

use crate::{SortField, TRASH_LIFETIME, Task, TaskFilter, TaskId, TaskPatch, TaskSort};

#[derive(Debug, Default)]
pub(super) struct Model {
    tasks: BTreeMap<TaskId, Task>,
    executed: HashMap<String, Executed>,
}

#[derive(Debug)]
struct Executed {
    fingerprint: String,
    result: Task,
    expires_at: Timestamp,
}

type Answer<T> = Result<T, String>;

fn not_found<T>() -> Answer<T> {
    Err("NotFound(\"task\")".to_owned())
}

fn is_gone(task: &Task, now: Timestamp) -> bool {
    task.deleted_at
        .is_some_and(|deleted_at| deleted_at.plus(TRASH_LIFETIME) <= now)
}

impl Model {
    pub(super) fn create(&mut self, task: Task, once: Option<&IdempotencyKey>) -> Answer<Task> {
        let now = task.created_at;
        if let Some(result) = self.replay(once, now)? {
            return Ok(result);
        }
        self.tasks.insert(task.id, task.clone());
        self.record(once, &task, now);
        Ok(task)
    }

    pub(super) fn get(&self, id: TaskId) -> Answer<Task> {
        self.tasks
            .get(&id)
            .filter(|task| task.deleted_at.is_none())
            .cloned()
            .map_or_else(not_found, Ok)
    }

    pub(super) fn update(
        &mut self,
        id: TaskId,
        patch: &TaskPatch,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Answer<Task> {
        let task = self.get(id)?;
        check_version(task.version, precondition)?;
        let changed = if patch.is_empty() {
            task
        } else {
            patch.apply(&task, now)
        };
        self.tasks.insert(id, changed.clone());
        Ok(changed)
    }

    pub(super) fn trash(
        &mut self,
        id: TaskId,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Answer<()> {
        let task = self.get(id)?;
        check_version(task.version, precondition)?;
        self.tasks.insert(id, task.deleted(now));
        Ok(())
    }

    pub(super) fn restore(
        &mut self,
        id: TaskId,
        precondition: &Precondition,
        once: Option<&IdempotencyKey>,
        now: Timestamp,
    ) -> Answer<Task> {
        if let Some(result) = self.replay(once, now)? {
            return Ok(result);
        }
        let Some(task) = self.tasks.get(&id).filter(|task| !is_gone(task, now)) else {
            return not_found();
        };
        if task.deleted_at.is_none() {
            return Err("Refused(the task is not in the trash)".to_owned());
        }
        check_version(task.version, precondition)?;
        let restored = task.restored(now);
        self.tasks.insert(id, restored.clone());
        self.record(once, &restored, now);
        Ok(restored)
    }

    /// The matching tasks, in order.
    pub(super) fn list(&self, filter: &TaskFilter, sort: TaskSort) -> Vec<Task> {
        let mut wanted: Vec<Task> = self
            .tasks
            .values()
            .filter(|task| task.deleted_at.is_none() && filter.matches(task))
            .cloned()
            .collect();
        wanted.sort_by(|a, b| compare(a, b, sort));
        wanted
    }

    /// The trash, the last deleted first.
    pub(super) fn list_trash(&self, now: Timestamp) -> Vec<Task> {
        let mut trash: Vec<Task> = self
            .tasks
            .values()
            .filter(|task| task.deleted_at.is_some() && !is_gone(task, now))
            .cloned()
            .collect();
        trash.sort_by_key(|task| std::cmp::Reverse((task.deleted_at, task.id)));
        trash
    }

    fn replay(&self, once: Option<&IdempotencyKey>, now: Timestamp) -> Answer<Option<Task>> {
        let Some(once) = once else { return Ok(None) };
        match self
            .executed
            .get(&once.key)
            .filter(|executed| executed.expires_at > now)
        {
            None => Ok(None),
            Some(executed) if executed.fingerprint == once.fingerprint => {
                Ok(Some(executed.result.clone()))
            }
            Some(_) => Err("KeyReused".to_owned()),
        }
    }

    fn record(&mut self, once: Option<&IdempotencyKey>, result: &Task, now: Timestamp) {
        if let Some(IdempotencyKey { key, fingerprint }) = once.cloned() {
            self.executed.insert(
                key,
                Executed {
                    fingerprint,
                    result: result.clone(),
                    expires_at: now.plus(IDEMPOTENCY_KEY_LIFETIME),
                },
            );
        }
    }
}

/// Compares two tasks. Ties are broken by identifier, in the same direction. Tasks without a due
/// date come last in both directions.
fn compare(a: &Task, b: &Task, sort: TaskSort) -> Ordering {
    let undated_last = if sort.field == SortField::Due {
        a.due.is_none().cmp(&b.due.is_none())
    } else {
        Ordering::Equal
    };
    let ascending = match sort.field {
        SortField::Created => a.id.cmp(&b.id),
        SortField::Updated => a.updated_at.cmp(&b.updated_at),
        SortField::Due => a
            .due
            .map(crate::Due::sort_key)
            .cmp(&b.due.map(crate::Due::sort_key)),
        SortField::Priority => a.priority.cmp(&b.priority),
    }
    .then(a.id.cmp(&b.id));
    undated_last.then(if sort.descending {
        ascending.reverse()
    } else {
        ascending
    })
}
