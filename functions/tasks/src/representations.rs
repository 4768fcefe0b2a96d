//! The representations of tasks: names, versions, locations, and examples for the API document.

use common::http::{Example, PathParameter, Representation};
use serde_json::{Value, json};

use crate::{Task, TaskDraft, TaskId, TaskPatch};

impl PathParameter for TaskId {
    const NAME: &'static str = "task_id";
}

impl Representation for Task {
    fn version(&self) -> Option<u64> {
        Some(self.version)
    }

    fn location(&self) -> Option<String> {
        Some(format!("/v1/tasks/{}", self.id))
    }

    fn example() -> Value {
        json!({
            "id": "0190a5d2-6f3c-7cc1-b2a9-3f2f9a1d7e55",
            "title": "Water the plants",
            "notes": "The *ficus* twice.",
            "status": "todo",
            "priority": "high",
            "labels": ["home"],
            "due": "2026-03-07",
            "completed_at": null,
            "created_at": "2026-03-01T09:30:00.000Z",
            "updated_at": "2026-03-01T09:30:00.000Z",
            "version": 1,
        })
    }
}

impl Example for TaskDraft {
    fn example() -> Value {
        json!({"title": "Water the plants", "notes": "The *ficus* twice.", "priority": "high", "labels": ["home"], "due": "2026-03-07"})
    }
}

impl Example for TaskPatch {
    fn example() -> Value {
        json!({"status": "done", "due": null})
    }
}
