//! Tasks: one item each, in the collection of their owner.

mod full_scan;
mod pages;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use common::auth::UserId;
use common::dynamodb::{
    Expression, Item, Transaction, call, failed, first_item, key, number, number_of, once_key,
    once_put, once_record, put, read, refused_item, replay, text, text_of, transact, update, write,
};
use common::idempotency::{IDEMPOTENCY_KEY_LIFETIME, IdempotencyKey};
use common::paging::{Cursor, Page};
use common::precondition::Precondition;
use common::problem::StoreError;
use common::races::lost;
use common::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::problems::NOT_IN_THE_TRASH;
use crate::store::change_time::{CHANGE_ATTEMPTS, ChangeTime};
use crate::store::changes::{FieldChange, changes};
use crate::store::keys::{created_key, due_key, gone_key, kept_since, live_key, priority_key};
use crate::store::list_scan::ListScan;
use crate::{TRASH_LIFETIME, Task, TaskId, TaskPatch, TaskQuery, TaskStore};
pub(super) use full_scan::FullScan;
use pages::OwnersTasks;

/// How often restoring with an idempotency key is retried after losing to another writer.
const ATTEMPTS: u32 = 3;

#[derive(Clone, Debug)]
pub(super) struct TaskTable {
    client: Client,
    table: String,
}

pub(super) fn task_key(id: TaskId) -> String {
    format!("task#{id}")
}

impl TaskTable {
    pub(super) fn new(client: Client, table: &str) -> Self {
        Self {
            client,
            table: table.to_owned(),
        }
    }

    fn of(&self, owner: UserId) -> OwnersTasks<'_> {
        OwnersTasks {
            client: &self.client,
            table: &self.table,
            owner,
        }
    }

    /// Changes a task at this time, or just after its last change if that was later. `change`
    /// returns the expression and its condition. If the condition fails, `explain` returns the
    /// reason for the current task, or `None` if only the time was too early.
    async fn change(
        &self,
        owner: UserId,
        id: TaskId,
        now: Timestamp,
        change: impl Fn(Timestamp) -> Result<(Expression, String), StoreError> + Send + Sync,
        explain: impl Fn(&Item) -> Option<StoreError> + Send + Sync,
    ) -> Result<Task, StoreError> {
        let mut time = ChangeTime::new(now);
        for _ in 0..CHANGE_ATTEMPTS {
            let (mut expression, condition) = change(time.at)?;
            let (updated, at) = (
                expression.name("updated_at"),
                expression.value(text(time.at)),
            );
            match self
                .update_item(
                    owner,
                    id,
                    expression,
                    &format!("{condition} AND {updated} < {at}"),
                )
                .await
            {
                Ok(item) => return read(item),
                Err(UpdateError::Failed(error)) => return Err(error),
                Err(UpdateError::Condition(item)) => {
                    if let Some(reason) = explain(&item) {
                        return Err(reason);
                    }
                    time.wait().await;
                    time.move_past(text_of(&item, "updated_at"));
                }
            }
        }
        Err(lost())
    }

    /// Updates a task if `condition` holds. Every update writes a unique mark to the item. If a
    /// repeated attempt finds its own mark, the first one was executed and only its answer was
    /// lost.
    async fn update_item(
        &self,
        owner: UserId,
        id: TaskId,
        mut expression: Expression,
        condition: &str,
    ) -> Result<Item, UpdateError> {
        let mark = text(Uuid::new_v4());
        expression.set("write", mark.clone());
        let (pk, write) = (expression.name("pk"), expression.name("write"));
        let mine = expression.value(mark.clone());
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(owner, task_key(id))))
            .update_expression(expression.update())
            .condition_expression(format!(
                "attribute_exists({pk}) AND {write} <> {mine} AND {condition}"
            ))
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match call("UpdateItem", request.send()).await {
            Ok(output) => Ok(output.attributes.unwrap_or_default()),
            Err(error) => match refused_item(&error) {
                Some(item) if item.get("write") == Some(&mark) => Ok(item),
                Some(item) => Err(UpdateError::Condition(item)),
                None => Err(UpdateError::Failed(failed(error))),
            },
        }
    }

    /// Restores a task with an idempotency key. The key's record and the task are read together,
    /// then written together if the task still has the version that was read. After losing to
    /// another writer, both are read again.
    async fn restore_once(
        &self,
        owner: UserId,
        id: TaskId,
        precondition: &Precondition,
        once: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Task, StoreError> {
        for _ in 0..ATTEMPTS {
            let (record, task) = self.record_and_task(owner, id, once).await?;
            if let Some(result) = record
                .map(|record| replay(record, once, now))
                .transpose()?
                .flatten()
            {
                return read(result);
            }
            let item = task.ok_or(StoreError::NotFound("task"))?;
            check_restorable(&item, precondition, now)?;
            let task: Task = read(item)?;
            let restored = task.restored(now);

            let mut expression = restore_expression(&restored);
            expression.set("write", text(Uuid::new_v4()));
            let (version, deleted) = (expression.name("version"), expression.name("deleted_at"));
            let read_version = expression.value(number(task.version));
            let condition = format!("{version} = {read_version} AND attribute_exists({deleted})");
            let update = update(
                &self.table,
                key(owner, task_key(id)),
                &condition,
                expression,
            )?;
            let record = once_put(
                &self.table,
                once_record(
                    owner,
                    once,
                    Some(write(&restored)?),
                    now.plus(IDEMPOTENCY_KEY_LIFETIME),
                ),
                now,
            )?;
            if let Transaction::Done = transact(&self.client, vec![record, update]).await? {
                return Ok(restored);
            }
        }
        Err(StoreError::StillRunning)
    }

    async fn record_and_task(
        &self,
        owner: UserId,
        id: TaskId,
        once: &IdempotencyKey,
    ) -> Result<(Option<Item>, Option<Item>), StoreError> {
        let keys = KeysAndAttributes::builder()
            .keys(key(owner, once_key(once)))
            .keys(key(owner, task_key(id)))
            .consistent_read(true)
            .build()
            .map_err(|error| StoreError::Corrupt(error.into()))?;
        let output = call(
            "BatchGetItem",
            self.client
                .batch_get_item()
                .request_items(&self.table, keys)
                .send(),
        )
        .await
        .map_err(failed)?;
        if output.unprocessed_keys.is_some_and(|keys| !keys.is_empty()) {
            return Err(StoreError::Unavailable(
                "BatchGetItem left keys unprocessed".into(),
            ));
        }
        let mut items = output
            .responses
            .and_then(|mut responses| responses.remove(&self.table))
            .unwrap_or_default();
        let mut take = |sk: String| {
            items
                .iter()
                .position(|item| text_of(item, "sk") == Some(&sk))
                .map(|at| items.swap_remove(at))
        };
        Ok((take(once_key(once)), take(task_key(id))))
    }
}

enum UpdateError {
    /// The condition failed for this item; empty if it does not exist.
    Condition(Item),
    Failed(StoreError),
}

#[async_trait]
impl TaskStore for TaskTable {
    async fn create(
        &self,
        owner: UserId,
        task: Task,
        once: Option<&IdempotencyKey>,
    ) -> Result<Task, StoreError> {
        let item = task_item(owner, &task)?;
        let Some(once) = once else {
            let request = self
                .client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(pk)");
            return match call("PutItem", request.send()).await {
                Ok(_) => Ok(task),
                // The identifier is new, so only an earlier attempt of this call, whose answer was
                // lost, can have stored it.
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
                {
                    Ok(task)
                }
                Err(error) => Err(failed(error)),
            };
        };
        let now = task.created_at;
        let record = once_put(
            &self.table,
            once_record(
                owner,
                once,
                Some(write(&task)?),
                now.plus(IDEMPOTENCY_KEY_LIFETIME),
            ),
            now,
        )?;
        let put = put(&self.table, item, None)?;
        match transact(&self.client, vec![record, put]).await? {
            Transaction::Done => Ok(task),
            Transaction::Refused(reasons) => {
                let record = first_item(&reasons).ok_or(StoreError::StillRunning)?;
                read(replay(record, once, now)?.ok_or(StoreError::StillRunning)?)
            }
        }
    }

    async fn get(&self, owner: UserId, id: TaskId) -> Result<Task, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(owner, task_key(id))))
            .consistent_read(true);
        let item = call("GetItem", request.send()).await.map_err(failed)?.item;
        let live = item.filter(|item| !item.contains_key("deleted_at"));
        read(live.ok_or(StoreError::NotFound("task"))?)
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
        let change = |at| {
            let mut expression = patch_expression(id, patch, now)?;
            expression.set("updated_at", text(at));
            expression.set("by_updated", text(live_key(at, id)));
            let condition = live(&mut expression, precondition);
            Ok((expression, condition))
        };
        self.change(owner, id, now, change, |item| {
            why_not_live(item, precondition)
        })
        .await
    }

    async fn trash(
        &self,
        owner: UserId,
        id: TaskId,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let change = |at: Timestamp| {
            let mut expression = Expression::default();
            expression.set("deleted_at", text(at));
            expression.set("updated_at", text(at));
            expression.set("expires_at", number(at.plus(TRASH_LIFETIME).as_second()));
            expression.set("by_updated", text(gone_key(at, id)));
            expression.increase("version", 1);
            expression.remove("by_created");
            // Kept in the item, so that restoring need not read the task first.
            expression.rename("by_due", "trashed_due");
            expression.rename("by_priority", "trashed_priority");
            let condition = live(&mut expression, precondition);
            Ok((expression, condition))
        };
        self.change(owner, id, now, change, |item| {
            why_not_live(item, precondition)
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
        let change = |at| {
            let mut expression = Expression::default();
            expression.set("updated_at", text(at));
            expression.set("by_created", text(created_key(id)));
            expression.set("by_updated", text(live_key(at, id)));
            expression.increase("version", 1);
            expression.rename("trashed_due", "by_due");
            expression.rename("trashed_priority", "by_priority");
            expression.remove("deleted_at");
            expression.remove("expires_at");
            let deleted = expression.name("deleted_at");
            let (kept_since, and_version) = (
                expression.value(text(kept_since(now))),
                expression.and_version(precondition),
            );
            let condition = format!("{deleted} > {kept_since}{and_version}");
            Ok((expression, condition))
        };
        self.change(owner, id, now, change, |item| {
            check_restorable(item, precondition, now).err()
        })
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key("ping", "ping")));
        call("GetItem", request.send())
            .await
            .map(drop)
            .map_err(failed)
    }
}

/// A task as an item: see [`TaskStore::trash`] for tasks in the trash.
pub(super) fn task_item(owner: UserId, task: &Task) -> Result<Item, StoreError> {
    let mut item = write(task)?;
    item.extend(key(owner, task_key(task.id)));
    let mut set = |name: &str, value| item.insert(name.to_owned(), value);
    set("write", text(Uuid::new_v4()));
    let (due, priority) = (
        text(due_key(task.due, task.id)),
        text(priority_key(task.priority, task.id)),
    );
    if let Some(deleted_at) = task.deleted_at {
        set("by_updated", text(gone_key(deleted_at, task.id)));
        set("trashed_due", due);
        set("trashed_priority", priority);
        set(
            "expires_at",
            number(deleted_at.plus(TRASH_LIFETIME).as_second()),
        );
    } else {
        set("by_created", text(created_key(task.id)));
        set("by_updated", text(live_key(task.updated_at, task.id)));
        set("by_due", due);
        set("by_priority", priority);
    }
    Ok(item)
}

/// A patch as an update expression, without the time of the change.
fn patch_expression(
    id: TaskId,
    patch: &TaskPatch,
    now: Timestamp,
) -> Result<Expression, StoreError> {
    let mut expression = Expression::default();
    for change in changes(id, patch)? {
        match change {
            FieldChange::Set(field, value) => expression.set(field, attribute(value)?),
            FieldChange::Remove(field) => expression.remove(field),
            FieldChange::Complete => {
                let completed = expression.name("completed_at");
                let now = expression.value(text(now));
                let unless_set = format!("if_not_exists({completed}, {now})");
                expression.set_to("completed_at", &unless_set);
            }
        }
    }
    expression.increase("version", 1);
    Ok(expression)
}

fn attribute(value: Value) -> Result<AttributeValue, StoreError> {
    serde_dynamo::to_attribute_value(value).map_err(|error| StoreError::Corrupt(error.into()))
}

fn restore_expression(task: &Task) -> Expression {
    let mut expression = Expression::default();
    expression.set("updated_at", text(task.updated_at));
    expression.set("by_created", text(created_key(task.id)));
    expression.set("by_updated", text(live_key(task.updated_at, task.id)));
    expression.set("by_due", text(due_key(task.due, task.id)));
    expression.set("by_priority", text(priority_key(task.priority, task.id)));
    expression.increase("version", 1);
    for gone in [
        "deleted_at",
        "expires_at",
        "trashed_due",
        "trashed_priority",
    ] {
        expression.remove(gone);
    }
    expression
}

/// The condition that a task is not in the trash and that the precondition allows its version.
fn live(expression: &mut Expression, precondition: &Precondition) -> String {
    let deleted = expression.name("deleted_at");
    format!(
        "attribute_not_exists({deleted}){}",
        expression.and_version(precondition)
    )
}

/// Why a task was not changed: it does not exist, or it has another version.
fn why_not_live(item: &Item, precondition: &Precondition) -> Option<StoreError> {
    match number_of(item, "version").filter(|_| !item.contains_key("deleted_at")) {
        None => Some(StoreError::NotFound("task")),
        Some(current) => precondition.check(current).err(),
    }
}

fn check_restorable(
    item: &Item,
    precondition: &Precondition,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(version) = number_of(item, "version") else {
        return Err(StoreError::NotFound("task"));
    };
    if !item.contains_key("deleted_at") {
        return Err(StoreError::Refused(NOT_IN_THE_TRASH));
    }
    if text_of(item, "deleted_at").is_some_and(|deleted_at| deleted_at <= kept_since(now).as_str())
    {
        return Err(StoreError::NotFound("task"));
    }
    precondition.check(version)
}
