//! Reads pages of tasks: with one query on the index of the order, or with a limited number if the
//! list is filtered.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use common::auth::UserId;
use common::dynamodb::{Expression, call, failed, key, read, text, text_of};
use common::problem::StoreError;

use super::task_key;
use crate::store::keys::{DATED, UNDATED, task_of};
use crate::store::list_scan::{KeyRange, ListScan, Read, TaskReader};

/// An owner's tasks in a table. The range key of each local secondary index is the attribute of the
/// same name. A task has the attribute only while it belongs to that list: a task in the trash is
/// only in `by_updated`.
pub(super) struct OwnersTasks<'t> {
    pub(super) client: &'t Client,
    pub(super) table: &'t str,
    pub(super) owner: UserId,
}

impl TaskReader for OwnersTasks<'_> {
    async fn read(
        &self,
        scan: &ListScan<'_>,
        key_range: &KeyRange,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Read, StoreError> {
        let start = after.and_then(|position| {
            let mut start = key(self.owner, task_key(task_of(position)?));
            start.insert(scan.index.to_owned(), text(position));
            Some(start)
        });
        let mut expression = Expression::default();
        let (pk, range) = (expression.name("pk"), expression.name(scan.index));
        let owner = expression.value(text(self.owner));
        // The key condition also excludes the tasks before the start: otherwise an engine may read
        // through them.
        let (from, to) = match after {
            Some(after) if scan.descending => (key_range.from.as_str(), after),
            Some(after) => (after, key_range.to.as_str()),
            None => (key_range.from.as_str(), key_range.to.as_str()),
        };
        let (from, to) = (expression.value(text(from)), expression.value(text(to)));
        let filter = filter_expression(scan, &mut expression);
        let request = self
            .client
            .query()
            .table_name(self.table)
            .index_name(scan.index)
            .consistent_read(true)
            .key_condition_expression(format!(
                "{pk} = {owner} AND {range} BETWEEN {from} AND {to}"
            ))
            .set_filter_expression(filter)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .scan_index_forward(!scan.descending)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start);
        let output = call("Query", request.send()).await.map_err(failed)?;
        let tasks = output.items.unwrap_or_default().into_iter().map(|item| {
            let position = text_of(&item, scan.index).unwrap_or_default().to_owned();
            (position, read(item))
        });
        let rest = output
            .last_evaluated_key
            .map(|last| text_of(&last, scan.index).unwrap_or_default().to_owned());
        Ok(Read {
            tasks: tasks.collect(),
            rest,
        })
    }
}

/// The filters that the database can apply, so that it sends less; the text filter is applied here.
fn filter_expression(scan: &ListScan<'_>, expression: &mut Expression) -> Option<String> {
    let filter = scan.filter;
    let mut conditions = Vec::new();
    if !filter.statuses.is_empty() {
        conditions.push(expression.one_of(
            "status",
            filter.statuses.iter().map(|status| text(status.as_str())),
        ));
    }
    if !filter.priorities.is_empty() {
        conditions.push(
            expression.one_of(
                "priority",
                filter
                    .priorities
                    .iter()
                    .map(|priority| text(priority.as_str())),
            ),
        );
    }
    if !filter.labels.is_empty() {
        let labels = expression.name("labels");
        let any: Vec<String> = filter
            .labels
            .iter()
            .map(|label| {
                format!(
                    "contains({labels}, {})",
                    expression.value(AttributeValue::S(label.as_str().to_owned()))
                )
            })
            .collect();
        conditions.push(format!("({})", any.join(" OR ")));
    }
    // A list by due date has its bounds in the key condition, and DynamoDB does not allow a key in
    // a filter.
    if scan.index != "by_due" && !filter.due.are_open() {
        let due = expression.name("by_due");
        let from = filter.due.after.map_or_else(
            || DATED.to_owned(),
            |after| format!("{DATED}{}", after.sort_key()),
        );
        let to = filter.due.before.map_or_else(
            || UNDATED.to_owned(),
            |before| format!("{DATED}{}", before.sort_key()),
        );
        let (from, to) = (expression.value(text(from)), expression.value(text(to)));
        conditions.push(format!("{due} BETWEEN {from} AND {to}"));
    }
    (!conditions.is_empty()).then(|| conditions.join(" AND "))
}
