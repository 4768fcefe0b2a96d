//! Tasks that are not stored yet, and their parts.

use common::time::Timestamp;
use contract::fixtures::identifier;

use crate::{
    Due, Label, Labels, Notes, Priority, SearchText, Status, Task, TaskId, TaskPatch, TaskSort,
    Title,
};

/// A task that is not stored yet.
pub fn task(title: &str, now: Timestamp) -> Task {
    Task {
        id: TaskId::from_uuid(identifier(now)),
        title: title.parse().expect("a valid title"),
        notes: None,
        status: Status::Todo,
        priority: Priority::None,
        labels: labels(&[]),
        due: None,
        completed_at: None,
        created_at: now,
        updated_at: now,
        version: 1,
        deleted_at: None,
    }
}

/// A task with every field.
pub fn full_task(now: Timestamp) -> Task {
    Task {
        notes: Some(notes("More about it")),
        status: Status::Done,
        priority: Priority::High,
        labels: labels(&["home", "garden"]),
        due: Some(due("2026-03-01T09:30:00.125Z")),
        completed_at: Some(now),
        ..task("Water the plants", now)
    }
}

pub fn title(text: &str) -> Title {
    text.parse().expect("a valid title")
}

pub fn notes(text: &str) -> Notes {
    text.parse().expect("valid notes")
}

pub fn label(text: &str) -> Label {
    text.parse().expect("a valid label")
}

pub fn labels(texts: &[&str]) -> Labels {
    texts.iter().map(|text| label(text)).collect()
}

pub fn due(text: &str) -> Due {
    text.parse().expect("a valid due date")
}

pub fn search(text: &str) -> SearchText {
    text.parse().expect("a text to look for")
}

pub fn sort(name: &str) -> TaskSort {
    name.parse().expect("a valid order")
}

pub fn sorts() -> impl Iterator<Item = TaskSort> {
    TaskSort::NAMES.iter().map(|name| sort(name))
}

/// A patch of only the title.
pub fn retitled(text: &str) -> TaskPatch {
    TaskPatch {
        title: Some(title(text)),
        ..TaskPatch::default()
    }
}
