//! Pages of tasks: which key ranges of which order are read, and where a page begins and ends. A
//! store only reads up to a number of tasks from a key range, after a key.

use std::future::Future;

use common::paging::{Cursor, Page};
use common::problem::StoreError;
use common::time::Timestamp;

use super::keys::{AFTER_ALL, DATED, GONE, LIVE, UNDATED, kept_since, task_of};
use crate::{SortField, TRASH_ORDER, Task, TaskFilter, TaskQuery};

/// The largest number of tasks that each query of a filtered page reads: 1,000 in total.
const READS: [usize; 4] = [100, 200, 300, 400];

static NO_FILTER: TaskFilter = TaskFilter {
    statuses: Vec::new(),
    priorities: Vec::new(),
    labels: Vec::new(),
    due: crate::Bounds {
        after: None,
        before: None,
    },
    text: None,
};

/// A key range of an order, including both ends.
pub(super) struct KeyRange {
    pub(super) from: String,
    pub(super) to: String,
}

impl KeyRange {
    fn all() -> Self {
        Self {
            from: "!".to_owned(),
            to: AFTER_ALL.to_string(),
        }
    }

    fn starting_with(prefix: &str) -> Self {
        Self {
            from: prefix.to_owned(),
            to: format!("{prefix}{AFTER_ALL}"),
        }
    }
}

/// The source of a page.
pub(super) struct ListScan<'w> {
    /// The attribute with the order's key.
    pub(super) index: &'static str,
    pub(super) descending: bool,
    pub(super) filter: &'w TaskFilter,
    /// In the order of the page, for both directions.
    key_ranges: Vec<KeyRange>,
    limit: usize,
    after: Option<&'w Cursor>,
    order: &'static str,
}

/// The result of reading a key range.
pub(super) struct Read {
    /// Each task with its key. An unreadable task is an error.
    pub(super) tasks: Vec<(String, Result<Task, StoreError>)>,
    /// The key after which to continue; `None` at the end of the key range.
    pub(super) rest: Option<String>,
}

/// Reads an owner's tasks.
pub(super) trait TaskReader: Sync {
    /// Reads up to `limit` tasks of a key range in the scan's order, after a key or from its
    /// beginning.
    fn read(
        &self,
        scan: &ListScan<'_>,
        key_range: &KeyRange,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Read, StoreError>> + Send;
}

impl<'w> ListScan<'w> {
    /// The scan of the tasks of a query.
    pub(super) fn through_list(query: &'w TaskQuery) -> Self {
        let index = match query.sort.field {
            SortField::Created => "by_created",
            SortField::Updated => "by_updated",
            SortField::Due => "by_due",
            SortField::Priority => "by_priority",
        };
        let key_ranges = if query.filter.due.are_contradictory() {
            Vec::new()
        } else if query.sort.field == SortField::Due {
            due_key_ranges(query)
        } else if query.sort.field == SortField::Updated {
            vec![KeyRange::starting_with(LIVE)]
        } else {
            vec![KeyRange::all()]
        };
        Self {
            index,
            descending: query.sort.descending,
            filter: &query.filter,
            key_ranges,
            limit: query.limit,
            after: query.after.as_ref(),
            order: query.sort.name(),
        }
    }

    /// The scan of the trash, last deleted first.
    pub(super) fn through_trash(limit: usize, after: Option<&'w Cursor>, now: Timestamp) -> Self {
        // After every key of exactly that time.
        let from = format!("{GONE}{}{AFTER_ALL}", kept_since(now));
        let key_ranges = vec![KeyRange {
            from,
            to: format!("{GONE}{AFTER_ALL}"),
        }];
        Self {
            index: "by_updated",
            descending: true,
            filter: &NO_FILTER,
            key_ranges,
            limit,
            after,
            order: TRASH_ORDER,
        }
    }

    pub(super) async fn page(&self, reader: &impl TaskReader) -> Result<Page<Task>, StoreError> {
        // A list by due date has its bounds in the key range.
        let unfiltered =
            self.filter.is_empty() || (self.index == "by_due" && self.filter.has_only_bounds());
        let mut found: Vec<(String, Task)> = Vec::new();
        let mut reads = READS.iter();
        let Some((first, mut after)) = self.start() else {
            return Ok(self.finish(found, None));
        };
        for key_range in self.key_ranges.iter().skip(first) {
            let mut position = if self.descending {
                key_range.to.clone()
            } else {
                key_range.from.clone()
            };
            loop {
                // One task more than the page holds shows whether there is a next page.
                let wanted = self.limit + 1 - found.len();
                let limit = if unfiltered {
                    wanted
                } else {
                    *reads.next().unwrap_or(&0)
                };
                if limit == 0 {
                    return Ok(self.finish(found, Some(position)));
                }
                let Read { tasks, rest } = reader
                    .read(self, key_range, after.take().as_deref(), limit)
                    .await?;
                self.collect(tasks, &mut found);
                if found.len() > self.limit {
                    return Ok(self.finish(found, None));
                }
                let Some(rest) = rest else { break };
                position.clone_from(&rest);
                after = Some(rest);
            }
        }
        Ok(self.finish(found, None))
    }

    /// The index of the first key range to read, and the key after which to start; `None` if
    /// nothing is left to read.
    fn start(&self) -> Option<(usize, Option<String>)> {
        let Some(position) = self.after.map(|cursor| cursor.position.as_str()) else {
            return Some((0, None));
        };
        let holds = |key_range: &KeyRange| {
            (key_range.from.as_str()..=key_range.to.as_str()).contains(&position)
        };
        if let Some(at) = self.key_ranges.iter().position(holds) {
            // A position that this API issued ends with the task's identifier, or is the beginning
            // of a key range. Other positions are safe too: the list belongs to the caller.
            return Some((at, task_of(position).map(|_| position.to_owned())));
        }
        // The bounds were changed after the previous page: either all of the key range is still to
        // be read, or nothing.
        let key_range = self.key_ranges.first()?;
        let to_come = if self.descending {
            position > key_range.to.as_str()
        } else {
            position < key_range.from.as_str()
        };
        // Tasks without a due date come after all others in both directions, although their keys
        // are greater.
        let among_undated = self.index == "by_due" && position.starts_with(UNDATED);
        (to_come && !among_undated).then_some((0, None))
    }

    fn collect(
        &self,
        tasks: Vec<(String, Result<Task, StoreError>)>,
        found: &mut Vec<(String, Task)>,
    ) {
        for (position, task) in tasks {
            match task {
                Ok(task) if self.filter.matches(&task) => found.push((position, task)),
                Ok(_) => {}
                // An unreadable task must not hide the others.
                Err(error) => tracing::error!(cause = %error, "unreadable_task"),
            }
        }
    }

    /// The page of the tasks that were found. `stopped` is the position where reading stopped
    /// before the end, if it did.
    fn finish(&self, mut found: Vec<(String, Task)>, stopped: Option<String>) -> Page<Task> {
        let next = if found.len() > self.limit {
            found.truncate(self.limit);
            found.last().map(|(position, _)| position.clone())
        } else {
            stopped
        };
        Page {
            items: found.into_iter().map(|(_, task)| task).collect(),
            next: next.map(|position| Cursor::new(self.order, &position)),
        }
    }
}

/// The key ranges of the query in `by_due`: tasks with a due date first, in both directions.
fn due_key_ranges(query: &TaskQuery) -> Vec<KeyRange> {
    let bounds = query.filter.due;
    let mut dated = KeyRange::starting_with(DATED);
    if let Some(after) = bounds.after {
        dated.from = format!("{DATED}{}", after.sort_key());
    }
    if let Some(before) = bounds.before {
        // Sorts before every key of exactly that time, because keys continue with a #.
        dated.to = format!("{DATED}{}", before.sort_key());
    }
    if !bounds.are_open() {
        vec![dated]
    } else if query.sort.descending {
        vec![dated, KeyRange::starting_with(UNDATED)]
    } else {
        vec![KeyRange {
            from: dated.from,
            to: KeyRange::starting_with(UNDATED).to,
        }]
    }
}
