//! Tasks, and how clients create and change them.

use std::collections::HashSet;

use common::fields::{Body, Change, Faults, Field, fault, kind_of};
use common::id;
use common::text::{LINE_PATTERN, LINES_PATTERN, check_line, check_lines};
use common::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::due::Due;

id! {
    /// The identifier of a task, a UUIDv7.
    TaskId
}

/// Defines a text with rules: a newtype that is only read from valid text, and its schema. Stored
/// text is not checked again: it was valid when it was stored, and its owner must be able to see
/// and change it.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $length:expr, $pattern:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        #[schemars(inline, extend("minLength" = $length.start(), "maxLength" = $length.end(), "pattern" = $pattern))]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl Field for $name {
            fn read(value: Value) -> Result<Self, Faults> {
                String::read(value)?.parse().map_err(|rule: String| fault(rule))
            }
        }
    };
}

text! {
    /// What is to be done: one line of 1 to 500 characters, one of them visible.
    Title, (1..=500), LINE_PATTERN, |text| check_line(text, 500)
}

text! {
    /// More about it, in Markdown: up to 16 KiB of UTF-8.
    Notes, (0..=Notes::MAX), LINES_PATTERN, check_notes
}

text! {
    /// A label: one line of 1 to 50 characters, at least one of them visible. Labels are
    /// case-sensitive: `Home` and `home` are two labels.
    Label, (1..=50), LINE_PATTERN, |text| check_line(text, 50)
}

impl Notes {
    /// The largest size in bytes, which also limits the number of characters.
    const MAX: usize = 16 * 1024;
}

fn check_notes(text: &str) -> Result<(), String> {
    check_lines(text, 0..=Notes::MAX)?;
    if text.len() > Notes::MAX {
        return Err(format!(
            "must have at most {} bytes in UTF-8, has {}",
            Notes::MAX,
            text.len()
        ));
    }
    Ok(())
}

/// Up to 20 labels, each once, in the owner's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Labels(#[schemars(length(max = 20), extend("uniqueItems" = true))] Vec<Label>);

impl Labels {
    const MAX: usize = 20;

    /// Whether the labels include this one.
    pub fn contains(&self, label: &Label) -> bool {
        self.0.contains(label)
    }
}

impl FromIterator<Label> for Labels {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        Self(labels.into_iter().take(Self::MAX).collect())
    }
}

impl Field for Labels {
    fn read(value: Value) -> Result<Self, Faults> {
        let Value::Array(items) = value else {
            return Err(fault(format!(
                "must be an array of strings, not {}",
                kind_of(&value)
            )));
        };
        if items.len() > Self::MAX {
            return Err(fault(format!(
                "must have at most {} labels, has {}",
                Self::MAX,
                items.len()
            )));
        }
        let (mut labels, mut seen, mut faults) = (Vec::new(), HashSet::new(), Faults::new());
        for (at, item) in items.into_iter().enumerate() {
            match Label::read(item) {
                Ok(label) if !seen.insert(label.clone()) => {
                    faults.push((format!("/{at}"), "occurs more than once".to_owned()))
                }
                Ok(label) => labels.push(label),
                Err(inside) => {
                    faults.extend(inside.into_iter().map(|(_, rule)| (format!("/{at}"), rule)))
                }
            }
        }
        if faults.is_empty() {
            Ok(Self(labels))
        } else {
            Err(faults)
        }
    }
}

/// Defines an enum of words: reading, writing, and an error that lists all words.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|choice| choice.as_str() == text)
                    .ok_or_else(|| concat!("must be one of" $(, " ", $word)+).to_owned())
            }
        }

        impl Field for $name {
            fn read(value: Value) -> Result<Self, Faults> {
                String::read(value)?.parse().map_err(|rule: String| fault(rule))
            }
        }
    };
}

choice! {
    /// The status of a task.
    Status {
        /// Not started.
        #[default]
        Todo = "todo",
        /// In progress.
        InProgress = "in_progress",
        /// Completed.
        Done = "done",
        /// Cancelled.
        Cancelled = "cancelled",
    }
}

choice! {
    /// The priority of a task.
    Priority {
        /// No priority.
        #[default]
        None = "none",
        /// Low.
        Low = "low",
        /// Medium.
        Medium = "medium",
        /// High.
        High = "high",
        /// Urgent.
        Urgent = "urgent",
    }
}

/// A task as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Task {
    /// The identifier of the task, a UUIDv7.
    pub id: TaskId,
    /// The title.
    pub title: Title,
    /// Notes in Markdown.
    pub notes: Option<Notes>,
    /// The status.
    #[serde(default)]
    pub status: Status,
    /// The priority.
    #[serde(default)]
    pub priority: Priority,
    /// The labels.
    #[serde(default)]
    pub labels: Labels,
    /// The due date or date-time.
    pub due: Option<Due>,
    /// When it was completed, for a task that is done.
    pub completed_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed; later with every change.
    pub updated_at: Timestamp,
    /// The version: 1 at first, and one more with every change.
    pub version: u64,
    /// When it was deleted, for a task in the trash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}

/// A new task.
#[derive(Body, Clone, Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TaskDraft {
    /// The title.
    pub title: Title,
    /// Notes in Markdown, up to 16 KiB in UTF-8.
    pub notes: Option<Notes>,
    /// The status; `todo` by default.
    pub status: Option<Status>,
    /// The priority; `none` by default.
    pub priority: Option<Priority>,
    /// The labels, which are case-sensitive: `Home` and `home` are two labels. None by default.
    pub labels: Option<Labels>,
    /// The due date or date-time.
    pub due: Option<Due>,
}

impl TaskDraft {
    pub fn into_task(self, now: Timestamp) -> Task {
        let status = self.status.unwrap_or_default();
        Task {
            id: TaskId::new(now),
            title: self.title,
            notes: self.notes,
            status,
            priority: self.priority.unwrap_or_default(),
            labels: self.labels.unwrap_or_default(),
            due: self.due,
            completed_at: (status == Status::Done).then_some(now),
            created_at: now,
            updated_at: now,
            version: 1,
            deleted_at: None,
        }
    }
}

/// A JSON Merge Patch (RFC 7396) of a task. A null field gets its default value.
#[derive(Body, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TaskPatch {
    /// The title.
    #[body(not_null)]
    #[schemars(with = "Title", default, transform = without_default)]
    pub title: Option<Title>,
    /// Notes in Markdown, up to 16 KiB in UTF-8.
    #[schemars(with = "Option<Notes>")]
    pub notes: Change<Notes>,
    /// The status.
    #[schemars(with = "Option<Status>")]
    pub status: Change<Status>,
    /// The priority.
    #[schemars(with = "Option<Priority>")]
    pub priority: Change<Priority>,
    /// The labels.
    #[schemars(with = "Option<Labels>")]
    pub labels: Change<Labels>,
    /// The due date or date-time.
    #[schemars(with = "Option<Due>")]
    pub due: Change<Due>,
}

/// A field that is absent in a patch is not changed, so there is no default to document.
fn without_default(schema: &mut schemars::Schema) {
    schema.remove("default");
}

impl Task {
    /// The task after deletion. Every store must produce the same.
    #[must_use]
    pub fn deleted(&self, now: Timestamp) -> Self {
        let now = now.after(self.updated_at);
        Self {
            deleted_at: Some(now),
            updated_at: now,
            version: self.version + 1,
            ..self.clone()
        }
    }

    /// The task after it was restored. Every store must produce the same.
    #[must_use]
    pub fn restored(&self, now: Timestamp) -> Self {
        Self {
            deleted_at: None,
            updated_at: now.after(self.updated_at),
            version: self.version + 1,
            ..self.clone()
        }
    }
}

impl TaskPatch {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The task after the patch. Every store must produce the same.
    #[must_use]
    pub fn apply(&self, task: &Task, now: Timestamp) -> Task {
        let status = apply(&self.status, task.status);
        Task {
            id: task.id,
            title: self.title.clone().unwrap_or_else(|| task.title.clone()),
            notes: apply(&self.notes.clone().map(Some), task.notes.clone()),
            status,
            priority: apply(&self.priority, task.priority),
            labels: apply(&self.labels, task.labels.clone()),
            due: apply(&self.due.clone().map(Some), task.due),
            completed_at: if status == Status::Done {
                task.completed_at.or(Some(now))
            } else {
                None
            },
            created_at: task.created_at,
            updated_at: now.after(task.updated_at),
            version: task.version + 1,
            deleted_at: task.deleted_at,
        }
    }
}

fn apply<T: Clone + Default>(change: &Change<T>, current: T) -> T {
    match change {
        Change::Keep => current,
        Change::Clear => T::default(),
        Change::Set(value) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};
    use serde_json::{Map, json};

    use super::*;
    use common::fields::Fields;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_767_225_600_000 + milliseconds)
    }

    /// Members of a body, each valid, absent or null: the same for drafts and patches.
    fn any_members() -> impl Strategy<Value = Map<String, Value>> {
        let dues = vec![
            "2026-03-01",
            "2026-03-01T09:30:00Z",
            "2026-03-01T00:00:00.001+01:00",
        ];
        let words = |words: Vec<&'static str>| select(words).prop_map(Value::from);
        let values = (
            "\\PC{0,19}x",
            "\\PC{0,20}",
            words(Status::ALL.iter().map(|status| status.as_str()).collect()),
            words(
                Priority::ALL
                    .iter()
                    .map(|priority| priority.as_str())
                    .collect(),
            ),
            subsequence(vec!["home", "garden", "e\u{301}", "\u{e9}"], 0..4),
            words(dues),
        );
        // A value, null, or absent.
        let given = prop::array::uniform5(option::of(any::<bool>()));
        (values, given, any::<bool>()).prop_map(
            |((title, notes, status, priority, labels, due), given, titled)| {
                let nullable = [
                    ("notes", json!(notes)),
                    ("status", status),
                    ("priority", priority),
                    ("labels", json!(labels)),
                    ("due", due),
                ];
                let members = nullable.into_iter().zip(given);
                let mut members: Map<_, _> = members
                    .filter_map(|((name, value), given)| {
                        Some((name.to_owned(), if given? { value } else { Value::Null }))
                    })
                    .collect();
                if titled {
                    members.insert("title".to_owned(), json!(title));
                }
                members
            },
        )
    }

    fn task(mut members: Map<String, Value>) -> Task {
        members.entry("title").or_insert(json!("Untitled"));
        Fields::read::<TaskDraft>(members)
            .expect("a valid draft")
            .into_task(at(0))
    }

    fn patch(members: Map<String, Value>) -> TaskPatch {
        Fields::read(members).expect("a valid patch")
    }

    /// The client's fields, as a client reads them.
    fn content(task: &Task) -> Map<String, Value> {
        let Value::Object(shown) = serde_json::to_value(task).expect("JSON") else {
            panic!("a task is an object")
        };
        let set_by_clients = ["title", "notes", "status", "priority", "labels", "due"];
        shown
            .into_iter()
            .filter(|(name, _)| set_by_clients.contains(&name.as_str()))
            .collect()
    }

    proptest! {
        #[test]
        fn a_patch_keeps_absent_fields_clears_null_ones_and_sets_the_rest(before in any_members(), members in any_members()) {
            let before = task(before);
            let after = content(&patch(members.clone()).apply(&before, at(1)));
            let cleared = content(&task(Map::new()));

            for (name, shown) in &after {
                match members.get(name) {
                    None => prop_assert_eq!(shown, &content(&before)[name], "{} is absent", name),
                    Some(Value::Null) => prop_assert_eq!(shown, &cleared[name], "{} is null", name),
                    // Times are shown in UTC, whatever offset they were sent with.
                    Some(value) if name == "due" => {
                        let sent: Due = value.as_str().expect("text").parse().expect("a due date");
                        prop_assert_eq!(shown, &json!(sent));
                    }
                    Some(value) => prop_assert_eq!(shown, value, "{} is set", name),
                }
            }
        }

        #[test]
        fn a_patch_that_is_applied_twice_has_the_same_result_as_once(before in any_members(), members in any_members()) {
            let patch = patch(members);

            let once = patch.apply(&task(before), at(1));
            let twice = patch.apply(&once, at(2));

            prop_assert_eq!(&twice, &Task { updated_at: at(2), version: once.version + 1, ..once.clone() });
        }

        #[test]
        fn a_patch_increments_the_version_and_keeps_read_only_fields(before in any_members(), members in any_members()) {
            let before = Task { version: 7, ..task(before) };
            let after = patch(members).apply(&before, at(1));

            prop_assert_eq!((after.id, after.created_at, after.deleted_at), (before.id, before.created_at, before.deleted_at));
            prop_assert_eq!((after.version, after.updated_at), (8, at(1)));
        }

        #[test]
        fn a_task_has_a_completion_time_while_it_is_done(before in any_members(), patches in prop::collection::vec(any_members(), 0..5)) {
            let mut task = task(before);
            for (now, members) in (1..).map(at).zip(patches) {
                let done_before = task.completed_at;
                task = patch(members).apply(&task, now);
                let completed = if task.status == Status::Done { done_before.or(Some(now)) } else { None };

                prop_assert_eq!(task.completed_at, completed);
            }
        }

        #[test]
        fn patches_of_different_fields_make_the_same_task_in_either_order(before in any_members(), members in any_members(), other in any_members()) {
            let before = task(before);
            let others: Map<_, _> = other.into_iter().filter(|(name, _)| !members.contains_key(name)).collect();
            let one = patch(members);
            let other = patch(others);

            let a = other.apply(&one.apply(&before, at(1)), at(1));
            let b = one.apply(&other.apply(&before, at(1)), at(1));

            prop_assert_eq!(a, b);
        }
    }

    #[test]
    fn a_patch_without_members_changes_nothing() {
        assert!(patch(Map::new()).is_empty());

        for name in ["notes", "status", "priority", "labels", "due"] {
            assert!(
                !patch(Map::from_iter([(name.to_owned(), Value::Null)])).is_empty(),
                "{name}"
            );
        }
    }

    #[test]
    fn tasks_stored_under_older_rules_can_still_be_read() {
        let stored = json!({"id": "0190a5d2-6f3c-7cc1-b2a9-3f2f9a1d7e55", "title": " \n ", "notes": null, "labels": ["\u{200b}"], "due": null,
            "completed_at": null, "created_at": at(0), "updated_at": at(0), "version": 1});

        let task: Task = serde_json::from_value(stored).expect("a task");

        assert_eq!(
            (task.title.as_str(), task.labels.0[0].as_str()),
            (" \n ", "\u{200b}")
        );
        assert!(Title::read(json!(" \n ")).is_err() && Label::read(json!("\u{200b}")).is_err());
    }

    #[test]
    fn a_title_cannot_be_cleared() {
        let errors = Fields::read::<TaskPatch>(Map::from_iter([("title".to_owned(), Value::Null)]))
            .expect_err("a title is needed");
        assert_eq!(errors.len(), 1);
    }
}
