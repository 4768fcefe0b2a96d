//! Pages of tasks: one query on the index that has the order, a bounded few where it is filtered.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::client::{call, failed};
use super::items::{Expression, Item, key, read, text, text_of};
use crate::contract::{Cursor, Page};
use crate::problem::StoreError;
use crate::tasks::{Due, Priority, SortField, TRASH_LIFETIME, TRASH_ORDER, Task, TaskFilter, TaskId, TaskQuery};
use crate::telemetry::{self, Level};
use crate::time::Timestamp;
use crate::users::UserId;

/// The local secondary indexes. The range key of each is the attribute of the same name, which a task has only while
/// it belongs in that list: a task in the trash is in `by_deleted` and in no other.
pub(super) const INDEXES: [&str; 5] = ["by_created", "by_updated", "by_due", "by_priority", "by_deleted"];

/// How many items the queries of one filtered page read, at the most: 1,000 together.
const READS: [usize; 4] = [100, 200, 300, 400];

/// Greater than every character of a range key, and every range key is ASCII.
const AFTER_ALL: char = '~';
/// Starts the `by_due` key of a task that is due, and of one that never is. So undated tasks come last in ascending order.
const DATED: &str = "1#";
const UNDATED: &str = "2#";

/// The range key in `by_created`: UUIDv7s sort by the time they were made.
pub(super) fn created_key(id: TaskId) -> String {
    id.to_string()
}

/// The range key in `by_updated` and `by_deleted`.
pub(super) fn time_key(at: Timestamp, id: TaskId) -> String {
    format!("{at}#{id}")
}

/// The range key in `by_due`.
pub(super) fn due_key(due: Option<Due>, id: TaskId) -> String {
    due.map_or_else(|| format!("{UNDATED}{id}"), |due| format!("{DATED}{}#{id}", due.sort_key()))
}

/// The range key in `by_priority`.
pub(super) fn priority_key(priority: Priority, id: TaskId) -> String {
    format!("{}#{id}", priority as u8)
}

/// A stretch of an index, both ends included.
struct Stretch {
    from: String,
    to: String,
}

impl Stretch {
    fn all() -> Self {
        Self { from: "!".to_owned(), to: AFTER_ALL.to_string() }
    }

    fn starting_with(prefix: &str) -> Self {
        Self { from: prefix.to_owned(), to: format!("{prefix}{AFTER_ALL}") }
    }
}

/// What a page is read from.
struct Walk<'w> {
    owner: UserId,
    index: &'static str,
    descending: bool,
    /// In the order of the page, whichever way it goes.
    stretches: Vec<Stretch>,
    filter: &'w TaskFilter,
    limit: usize,
    after: Option<&'w Cursor>,
    order: &'static str,
}

/// A page of a list.
pub(super) async fn list(client: &Client, table: &str, owner: UserId, query: &TaskQuery) -> Result<Page<Task>, StoreError> {
    if query.filter.due.are_contradictory() {
        return Ok(Page { items: Vec::new(), next: None });
    }
    let index = match query.sort.field {
        SortField::Created => "by_created",
        SortField::Updated => "by_updated",
        SortField::Due => "by_due",
        SortField::Priority => "by_priority",
    };
    let stretches = if query.sort.field == SortField::Due { due_stretches(query) } else { vec![Stretch::all()] };
    let walk = Walk {
        owner,
        index,
        descending: query.sort.descending,
        stretches,
        filter: &query.filter,
        limit: query.limit,
        after: query.after.as_ref(),
        order: query.sort.name(),
    };
    walk.page(client, table).await
}

/// A page of the trash.
pub(super) async fn list_trash(
    client: &Client,
    table: &str,
    owner: UserId,
    limit: usize,
    after: Option<&Cursor>,
    now: Timestamp,
) -> Result<Page<Task>, StoreError> {
    // What has expired is gone, whether or not DynamoDB has swept it yet.
    let kept_since = now.minus(TRASH_LIFETIME).to_string() + &AFTER_ALL.to_string();
    let stretches = vec![Stretch { from: kept_since, to: AFTER_ALL.to_string() }];
    let filter = TaskFilter::default();
    let walk = Walk { owner, index: "by_deleted", descending: true, stretches, filter: &filter, limit, after, order: TRASH_ORDER };
    walk.page(client, table).await
}

/// Where in `by_due` the wanted tasks are: dated ones first, whichever way they are sorted.
fn due_stretches(query: &TaskQuery) -> Vec<Stretch> {
    let bounds = query.filter.due;
    let mut dated = Stretch::starting_with(DATED);
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
        vec![dated, Stretch::starting_with(UNDATED)]
    } else {
        vec![Stretch { from: dated.from, to: Stretch::starting_with(UNDATED).to }]
    }
}

impl Walk<'_> {
    async fn page(&self, client: &Client, table: &str) -> Result<Page<Task>, StoreError> {
        let unfiltered = self.filter.is_empty();
        let mut found: Vec<(String, Task)> = Vec::new();
        let mut reads = READS.iter();
        let Some((first, mut start)) = self.start() else { return Ok(self.finish(found, None)) };
        for stretch in &self.stretches[first..] {
            let mut position = if self.descending { stretch.to.clone() } else { stretch.from.clone() };
            loop {
                // One more than the page holds tells whether there is a next one.
                let wanted = self.limit + 1 - found.len();
                let read_limit = if unfiltered { wanted } else { *reads.next().unwrap_or(&0) };
                if read_limit == 0 {
                    return Ok(self.finish(found, Some(position)));
                }
                let (items, last) = self.query(client, table, stretch, start.take(), read_limit).await?;
                self.collect(items, &mut found);
                if found.len() > self.limit {
                    return Ok(self.finish(found, None));
                }
                let Some(last) = last else { break };
                position = text_of(&last, self.index).unwrap_or_default().to_owned();
                start = Some(last);
            }
        }
        Ok(self.finish(found, None))
    }

    /// The page of what was found. `stopped` is how far the reading came when it stopped before the end.
    fn finish(&self, mut found: Vec<(String, Task)>, stopped: Option<String>) -> Page<Task> {
        let next = if found.len() > self.limit {
            found.truncate(self.limit);
            found.last().map(|(position, _)| position.clone())
        } else {
            stopped
        };
        Page { items: found.into_iter().map(|(_, task)| task).collect(), next: next.map(|position| Cursor::new(self.order, &position)) }
    }

    /// The stretch in which reading starts, and after which key of it; `None` when there is nothing left to read.
    fn start(&self) -> Option<(usize, Option<Item>)> {
        let Some(position) = self.after.map(|cursor| cursor.position.as_str()) else { return Some((0, None)) };
        let holds = |stretch: &Stretch| (stretch.from.as_str()..=stretch.to.as_str()).contains(&position);
        if let Some(at) = self.stretches.iter().position(holds) {
            // A position that this API gave ends with the task's identifier, or is a stretch's beginning. So does any
            // other one start: the list is the owner's own.
            let id = position.get(position.len().saturating_sub(36)..).and_then(|id| id.parse::<TaskId>().ok());
            let start = id.map(|id| {
                let mut start = key(self.owner, super::tasks::task_key(id));
                start.insert(self.index.to_owned(), text(position));
                start
            });
            return Some((at, start));
        }
        // The bounds have changed since the page before: all of the stretch is still to come, or none of it.
        let stretch = self.stretches.first()?;
        let to_come = if self.descending { position > stretch.to.as_str() } else { position < stretch.from.as_str() };
        to_come.then_some((0, None))
    }

    async fn query(
        &self,
        client: &Client,
        table: &str,
        stretch: &Stretch,
        start: Option<Item>,
        read_limit: usize,
    ) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let mut expression = Expression::default();
        let (pk, range) = (expression.name("pk"), expression.name(self.index));
        let owner = expression.value(text(self.owner));
        let (from, to) = (expression.value(text(&stretch.from)), expression.value(text(&stretch.to)));
        let filter = self.filter_expression(&mut expression);
        let request = client
            .query()
            .table_name(table)
            .index_name(self.index)
            .consistent_read(true)
            .key_condition_expression(format!("{pk} = {owner} AND {range} BETWEEN {from} AND {to}"))
            .set_filter_expression(filter)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .scan_index_forward(!self.descending)
            .limit(i32::try_from(read_limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start);
        let output = call("Query", request.send()).await.map_err(failed)?;
        Ok((output.items.unwrap_or_default(), output.last_evaluated_key))
    }

    /// What the database can filter by itself; text is left to [`TaskFilter::matches_text`].
    fn filter_expression(&self, expression: &mut Expression) -> Option<String> {
        let mut conditions = Vec::new();
        if !self.filter.statuses.is_empty() {
            conditions.push(expression.one_of("status", self.filter.statuses.iter().map(|status| text(status.as_str()))));
        }
        if !self.filter.priorities.is_empty() {
            conditions.push(expression.one_of("priority", self.filter.priorities.iter().map(|priority| text(priority.as_str()))));
        }
        if !self.filter.labels.is_empty() {
            let labels = expression.name("labels");
            let any: Vec<String> = self
                .filter
                .labels
                .iter()
                .map(|label| format!("contains({labels}, {})", expression.value(AttributeValue::S(label.as_str().to_owned()))))
                .collect();
            conditions.push(format!("({})", any.join(" OR ")));
        }
        // A list by due date has its bounds in the key condition, and a key is no matter for a filter.
        if self.index != "by_due" && !self.filter.due.are_open() {
            let due = expression.name("by_due");
            let from = self.filter.due.after.map_or_else(|| DATED.to_owned(), |after| format!("{DATED}{}", after.sort_key()));
            let to = self.filter.due.before.map_or_else(|| UNDATED.to_owned(), |before| format!("{DATED}{}", before.sort_key()));
            let (from, to) = (expression.value(text(from)), expression.value(text(to)));
            conditions.push(format!("{due} BETWEEN {from} AND {to}"));
        }
        (!conditions.is_empty()).then(|| conditions.join(" AND "))
    }

    fn collect(&self, items: Vec<Item>, found: &mut Vec<(String, Task)>) {
        for item in items {
            let position = text_of(&item, self.index).unwrap_or_default().to_owned();
            match read::<Task>(item) {
                Ok(task) if self.filter.matches_text(&task) => found.push((position, task)),
                Ok(_) => {}
                // One that does not fit must not hide the rest.
                Err(error) => telemetry::event(Level::Error, "unreadable_task", &[("cause", error.to_string().into())]),
            }
        }
    }
}
