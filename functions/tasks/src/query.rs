//! The filter and order of a list of tasks.

use std::str::FromStr;

use common::http::{Limit, Parameters, TimeBound};
use common::paging::Cursor;
use schemars::JsonSchema;

use super::due::Due;
use super::search::SearchText;
use super::task::{Label, Priority, Status, Task};

/// The field that a list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortField {
    Created,
    Updated,
    /// The due date; tasks without one come last.
    Due,
    Priority,
}

/// A sort field and a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskSort {
    pub field: SortField,
    pub descending: bool,
}

impl TaskSort {
    pub const NAMES: [&'static str; 8] = [
        "created",
        "-created",
        "updated",
        "-updated",
        "due",
        "-due",
        "priority",
        "-priority",
    ];

    /// The order's name: the field, with a leading hyphen for descending.
    pub fn name(self) -> &'static str {
        let at = match self.field {
            SortField::Created => 0,
            SortField::Updated => 2,
            SortField::Due => 4,
            SortField::Priority => 6,
        };
        Self::NAMES[at + usize::from(self.descending)]
    }
}

impl Default for TaskSort {
    fn default() -> Self {
        Self {
            field: SortField::Created,
            descending: true,
        }
    }
}

impl FromStr for TaskSort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (field, descending) = text
            .strip_prefix('-')
            .map_or((text, false), |field| (field, true));
        let field = match field {
            "created" => SortField::Created,
            "updated" => SortField::Updated,
            "due" => SortField::Due,
            "priority" => SortField::Priority,
            _ => return Err(format!("must be one of {}", Self::NAMES.join(" "))),
        };
        Ok(Self { field, descending })
    }
}

/// A filter of tasks. A list means any of its values; an empty list or an absent bound does not
/// filter.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    pub statuses: Vec<Status>,
    pub priorities: Vec<Priority>,
    pub labels: Vec<Label>,
    pub due: Bounds,
    /// With this text in the title or notes.
    pub text: Option<SearchText>,
}

/// The bounds of a due date. A task without a due date only matches if both bounds are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// At this time or later.
    pub after: Option<Due>,
    pub before: Option<Due>,
}

impl Bounds {
    /// Whether there are no bounds.
    pub fn are_open(&self) -> bool {
        self.after.is_none() && self.before.is_none()
    }

    /// Whether no due date can be within the bounds.
    pub fn are_contradictory(&self) -> bool {
        matches!((self.after, self.before), (Some(after), Some(before)) if after.sort_key() >= before.sort_key())
    }

    fn hold(&self, due: Option<Due>) -> bool {
        let Some(due) = due.map(Due::sort_key) else {
            return self.are_open();
        };
        self.after.is_none_or(|after| due >= after.sort_key())
            && self.before.is_none_or(|before| due < before.sort_key())
    }
}

impl TaskFilter {
    /// Whether every task matches.
    pub fn is_empty(&self) -> bool {
        self.has_only_bounds() && self.due.are_open()
    }

    /// Whether every task within the due bounds matches.
    pub fn has_only_bounds(&self) -> bool {
        self.statuses.is_empty()
            && self.priorities.is_empty()
            && self.labels.is_empty()
            && self.text.is_none()
    }

    /// Whether this task matches. Every store must give the same result.
    pub fn matches(&self, task: &Task) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&task.status))
            && (self.priorities.is_empty() || self.priorities.contains(&task.priority))
            && (self.labels.is_empty()
                || self.labels.iter().any(|label| task.labels.contains(label)))
            && self.due.hold(task.due)
            && self.matches_text(task)
    }

    fn matches_text(&self, task: &Task) -> bool {
        self.text.as_ref().is_none_or(|text| {
            text.is_in(task.title.as_str())
                || task
                    .notes
                    .as_ref()
                    .is_some_and(|notes| text.is_in(notes.as_str()))
        })
    }
}

/// The request for a page of a list of tasks.
#[derive(Clone, Debug)]
pub struct TaskQuery {
    pub filter: TaskFilter,
    pub sort: TaskSort,
    pub limit: usize,
    pub after: Option<Cursor>,
}

/// The parameters of a list of tasks.
#[derive(Debug, JsonSchema, Parameters)]
pub struct TaskParameters {
    limit: Limit,
    /// The `next_cursor` of the previous page, with the same `sort`; absent for the first page.
    #[query(order = sort)]
    cursor: Option<Cursor>,
    /// The sort order; a leading hyphen means descending; `-created` by default. Tasks without a due
    /// date come last in both directions.
    #[schemars(with = "Option<String>", extend("enum" = TaskSort::NAMES))]
    sort: Option<TaskSort>,
    /// Only tasks with this status, or any of these if the parameter is repeated.
    #[schemars(length(min = 1, max = 20))]
    status: Vec<Status>,
    /// Only tasks with this priority, or any of these if the parameter is repeated.
    #[schemars(length(min = 1, max = 20))]
    priority: Vec<Priority>,
    /// Only tasks with exactly this label (`Home` is not `home`), or any of these if the parameter is
    /// repeated.
    #[schemars(length(min = 1, max = 20))]
    label: Vec<Label>,
    /// Only tasks due before this date or date-time.
    #[schemars(with = "Option<Due>")]
    due_before: Option<TimeBound<Due>>,
    /// Only tasks due on or after this date or date-time.
    #[schemars(with = "Option<Due>")]
    due_after: Option<TimeBound<Due>>,
    /// Only tasks with this text in title or notes: 1 to 200 characters. Case, Unicode form, accents
    /// and other combining marks are ignored.
    #[schemars(
        with = "Option<String>",
        length(min = 1, max = SearchText::MAX),
        regex(pattern = common::text::LINES_PATTERN)
    )]
    q: Option<SearchText>,
}

impl From<TaskParameters> for TaskQuery {
    fn from(parameters: TaskParameters) -> Self {
        Self {
            filter: TaskFilter {
                statuses: parameters.status,
                priorities: parameters.priority,
                labels: parameters.label,
                due: Bounds {
                    after: parameters.due_after.map(|TimeBound(due)| due),
                    before: parameters.due_before.map(|TimeBound(due)| due),
                },
                text: parameters.q,
            },
            sort: parameters.sort.unwrap_or_default(),
            limit: parameters.limit.0,
            after: parameters.cursor,
        }
    }
}
