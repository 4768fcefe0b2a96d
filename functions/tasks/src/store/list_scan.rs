//! Pages of tasks: which key_ranges of which order are read, and where a page begins and ends. A
//! store only reads so many tasks from a key_range, after a key.

use std::future::Future;

use super::keys::{AFTER_ALL, DATED, GONE, LIVE, UNDATED, kept_since, task_of};
use crate::{SortField, TRASH_ORDER, Task, TaskFilter, TaskQuery};
use common::paging::{Cursor, Page};
use common::problem::StoreError;
use common::time::Timestamp;

/// How many tasks the queries of one filtered page read, at the most: 1,000 together.
const READS: [usize; 4] = [100, 200, 300, 400];

/// The filter that lets everything through.
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

/// A key_range of an order, both ends included.
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

/// What a page is read from.
pub(super) struct ListScan<'w> {
    /// The attribute that holds the order's key.
    pub(super) index: &'static str,
    /// Whether the greatest key comes first.
    pub(super) descending: bool,
    pub(super) filter: &'w TaskFilter,
    /// In the order of the page, whichever way it goes.
    key_ranges: Vec<KeyRange>,
    limit: usize,
    after: Option<&'w Cursor>,
    order: &'static str,
}

/// What was read of a key_range.
pub(super) struct Read {
    /// Each task with its key. One that does not fit the types is an error of its own.
    pub(super) tasks: Vec<(String, Result<Task, StoreError>)>,
    /// After which key the key_range goes on; `None` when it has been read to its end.
    pub(super) rest: Option<String>,
}

/// Where an owner's tasks are read.
pub(super) trait TaskReader: Sync {
    /// Reads up to `limit` tasks of a key_range in the scan's order, after a key of it or from its
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
    /// Through the tasks that a query asks for.
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

    /// Through the trash, the last deleted first.
    pub(super) fn through_trash(limit: usize, after: Option<&'w Cursor>, now: Timestamp) -> Self {
        // After every key of that very time.
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
        // A list by due date has its bounds in the key_range.
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
                // One more than the page holds tells whether there is a next one.
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

    /// The key_range in which reading starts, and after which key of it; `None` when there is
    /// nothing left to read.
    fn start(&self) -> Option<(usize, Option<String>)> {
        let Some(position) = self.after.map(|cursor| cursor.position.as_str()) else {
            return Some((0, None));
        };
        let holds = |key_range: &KeyRange| {
            (key_range.from.as_str()..=key_range.to.as_str()).contains(&position)
        };
        if let Some(at) = self.key_ranges.iter().position(holds) {
            // A position that this API gave ends with the task's identifier, or is a key_range's
            // beginning. So does any other one start: the list is the owner's own.
            return Some((at, task_of(position).map(|_| position.to_owned())));
        }
        // The bounds have changed since the page before: all of the key_range is still to come, or
        // none of it.
        let key_range = self.key_ranges.first()?;
        let to_come = if self.descending {
            position > key_range.to.as_str()
        } else {
            position < key_range.from.as_str()
        };
        // Tasks that are never due come after all that are, though their keys are greater.
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
                // One that does not fit must not hide the rest.
                Err(error) => tracing::error!(cause = %error, "unreadable_task"),
            }
        }
    }

    /// The page of what was found. `stopped` is how far the reading came when it stopped before the
    /// end.
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

/// Where in `by_due` the wanted tasks are: dated ones first, whichever way they are sorted.
fn due_key_ranges(query: &TaskQuery) -> Vec<KeyRange> {
    let bounds = query.filter.due;
    let mut dated = KeyRange::starting_with(DATED);
    if let Some(after) = bounds.after {
        dated.from = format!("{DATED}{}", after.sort_key());
    }
    if let Some(before) = bounds.before {
        // Sorts before every key of that very time, which has a # there.
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
