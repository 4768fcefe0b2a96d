//! Converts a patch to changes of stored fields and order keys. Every store translates this list.

use common::fields::Change;
use common::problem::StoreError;
use serde::Serialize;
use serde_json::Value;

use super::keys::{due_key, priority_key};
use crate::{Due, Status, TaskId, TaskPatch};

/// A change of one field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FieldChange {
    Set(&'static str, Value),
    Remove(&'static str),
    /// Sets the completion time unless it has one: a task that is completed again keeps its first
    /// time.
    Complete,
}

/// The field changes of [`TaskPatch::apply`], without the version and the time of the change.
pub(super) fn changes(id: TaskId, patch: &TaskPatch) -> Result<Vec<FieldChange>, StoreError> {
    let mut changes = Vec::new();
    if let Some(title) = &patch.title {
        changes.push(set("title", title)?);
    }
    match &patch.notes {
        Change::Keep => {}
        Change::Clear => changes.push(FieldChange::Remove("notes")),
        Change::Set(notes) => changes.push(set("notes", notes)?),
    }
    if let Some(status) = patch.status.new_value() {
        changes.push(set("status", status)?);
        changes.push(match status {
            Status::Done => FieldChange::Complete,
            _ => FieldChange::Remove("completed_at"),
        });
    }
    if let Some(priority) = patch.priority.new_value() {
        changes.push(set("priority", priority)?);
        changes.push(set("by_priority", priority_key(priority, id))?);
    }
    if let Some(labels) = patch.labels.new_value() {
        changes.push(set("labels", labels)?);
    }
    let due: Option<Option<Due>> = match patch.due {
        Change::Keep => None,
        Change::Clear => Some(None),
        Change::Set(due) => Some(Some(due)),
    };
    if let Some(due) = due {
        changes.push(match due {
            None => FieldChange::Remove("due"),
            Some(due) => set("due", due)?,
        });
        changes.push(set("by_due", due_key(due, id))?);
    }
    Ok(changes)
}

fn set(field: &'static str, value: impl Serialize) -> Result<FieldChange, StoreError> {
    let value = serde_json::to_value(value).map_err(|error| StoreError::Corrupt(error.into()))?;
    Ok(FieldChange::Set(field, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_changed_once_and_an_order_key_with_it() {
        let patch = TaskPatch {
            notes: Change::Clear,
            status: Change::Clear,
            due: Change::Clear,
            priority: Change::Clear,
            labels: Change::Clear,
            title: None,
        };

        let changes = changes(TaskId::from_uuid(uuid::Uuid::nil()), &patch).expect("changes");

        let fields: Vec<&str> = changes
            .iter()
            .map(|change| match change {
                FieldChange::Set(field, _) | FieldChange::Remove(field) => field,
                FieldChange::Complete => "completed_at",
            })
            .collect();
        let expected = [
            "notes",
            "status",
            "completed_at",
            "priority",
            "by_priority",
            "labels",
            "due",
            "by_due",
        ];

        assert_eq!(fields, expected);
        assert!(changes.contains(&FieldChange::Remove("completed_at")));
    }
}
