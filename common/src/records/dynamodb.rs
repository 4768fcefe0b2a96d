//! Records on DynamoDB: one item each, in a table that may also contain other items.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ConditionCheck, Delete, Put as PutPart, ReturnValue,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use uuid::Uuid;

use super::keys::{Span, key_of, order_of, position};
use super::schema::ORDER_INDEXES;
use super::{
    Content, CounterStore, Put, Record, RecordId, RecordOrder, RecordQuery, RecordStore, Refused,
    Transacted, Write, check_writes, lives, page_of, without,
};
use crate::dynamodb::{
    Expression, Item, Transaction, call, failed, key, number, number_of, refused_item, text,
    text_of, transact,
};
use crate::paging::Page;
use crate::problem::StoreError;
use crate::races::{lost, pause};
use crate::time::Timestamp;

/// How often an update of a counter is tried.
const ATTEMPTS: u32 = 6;
/// The largest number of queries for one page. More than one is needed where records have expired.
const QUERIES: usize = 8;

#[derive(Clone, Debug)]
pub struct Records {
    client: Client,
    table: String,
}

impl Records {
    pub fn new(client: Client, table: &str) -> Self {
        Self {
            client,
            table: table.to_owned(),
        }
    }

    async fn item(&self, id: &RecordId) -> Result<Option<Item>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key_item(id)))
            .consistent_read(true);
        let output = call("GetItem", request.send()).await.map_err(failed)?;
        Ok(output.item)
    }

    /// Puts the item. If the condition fails, returns the existing item.
    async fn put(&self, item: Item, condition: Condition) -> Result<Option<Item>, StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition.text)
            .set_expression_attribute_names(Some(condition.parts.names))
            .set_expression_attribute_values(Some(condition.parts.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match call("PutItem", request.send()).await {
            Ok(_) => Ok(None),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Some(refused.item().cloned().unwrap_or_default()))
                }
                _ => Err(failed(error)),
            },
        }
    }

    /// Updates a counter; `None` if the condition fails.
    async fn update_counter(
        &self,
        id: &RecordId,
        expression: Expression,
        update: String,
        condition: String,
    ) -> Result<Option<i64>, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key_item(id)))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            // Not only the updated attributes: an engine may leave out a count that did not change.
            .return_values(ReturnValue::AllNew);
        match call("UpdateItem", request.send()).await {
            Ok(output) => number_of(&output.attributes.unwrap_or_default(), "count")
                .map(Some)
                .ok_or_else(|| without(id, "count")),
            Err(error) if refused_item(&error).is_some() => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Reads part of a span: the records that have not expired, and the position after which to
    /// continue.
    async fn query(
        &self,
        query: &RecordQuery,
        span: &Span,
        now: Timestamp,
    ) -> Result<(Vec<(String, Record)>, Option<String>), StoreError> {
        let index = index_of(query.order);
        let range_key = index.unwrap_or("sk");
        let prefix = format!("{}#", query.kind.name());
        let mut expression = Expression::default();
        let (pk, range) = (expression.name("pk"), expression.name(range_key));
        let partition = expression.value(text(&query.partition));
        let from = expression.value(text(format!("{prefix}{}", span.from)));
        let before = expression.value(text(format!("{prefix}{}", span.before)));
        let living = living(&mut expression, now);
        // The query includes both ends of the span, so it reads up to two more.
        let limit = query.limit.saturating_add(2);
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .set_index_name(index.map(str::to_owned))
            .consistent_read(true)
            .key_condition_expression(format!(
                "{pk} = {partition} AND {range} BETWEEN {from} AND {before}"
            ))
            .filter_expression(living)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .scan_index_forward(!query.descending)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let output = call("Query", request.send()).await.map_err(failed)?;
        let position_of = |item: &Item| {
            text_of(item, range_key)
                .and_then(|text| text.strip_prefix(&prefix))
                .map(str::to_owned)
        };
        let mut found = Vec::new();
        for item in output.items.unwrap_or_default() {
            let position = position_of(&item).unwrap_or_default();
            if span.contains(&position) {
                let key = key_of(query.order, &position).unwrap_or_default();
                let id = RecordId::new(query.kind, &query.partition, key);
                found.push((position, record(&id, &item)?));
            }
        }
        let rest = output.last_evaluated_key.as_ref().and_then(position_of);
        Ok((found, rest))
    }

    fn part(
        &self,
        transaction: &str,
        write: &Write,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let old = ReturnValuesOnConditionCheckFailure::AllOld;
        let invalid =
            |error: aws_sdk_dynamodb::error::BuildError| StoreError::Corrupt(error.into());
        let part = TransactWriteItem::builder();
        let part = match write {
            Write::Put { id, content } => {
                let condition = Condition::absent(now);
                let put = self.put_part(item(id, content, 1, transaction), condition);
                part.put(put.map_err(invalid)?)
            }
            Write::Replace {
                id,
                version,
                content,
            } => {
                let condition = Condition::at_version(*version, now);
                let item = item(id, content, version.saturating_add(1), transaction);
                part.put(self.put_part(item, condition).map_err(invalid)?)
            }
            Write::Delete { id, version } => {
                let condition = Condition::at_version(*version, now);
                let delete = Delete::builder()
                    .table_name(&self.table)
                    .set_key(Some(key_item(id)))
                    .condition_expression(condition.text)
                    .set_expression_attribute_names(Some(condition.parts.names))
                    .set_expression_attribute_values(Some(condition.parts.values))
                    .return_values_on_condition_check_failure(old);
                part.delete(delete.build().map_err(invalid)?)
            }
            Write::CheckAbsent { id } => {
                let condition = Condition::absent(now);
                let check = ConditionCheck::builder()
                    .table_name(&self.table)
                    .set_key(Some(key_item(id)))
                    .condition_expression(condition.text)
                    .set_expression_attribute_names(Some(condition.parts.names))
                    .set_expression_attribute_values(Some(condition.parts.values))
                    .return_values_on_condition_check_failure(old);
                part.condition_check(check.build().map_err(invalid)?)
            }
        };
        Ok(part.build())
    }

    fn put_part(
        &self,
        item: Item,
        condition: Condition,
    ) -> Result<PutPart, aws_sdk_dynamodb::error::BuildError> {
        PutPart::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition.text)
            .set_expression_attribute_names(Some(condition.parts.names))
            .set_expression_attribute_values(Some(condition.parts.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
    }
}

#[async_trait]
impl RecordStore for Records {
    async fn put_if_absent(
        &self,
        id: &RecordId,
        content: &Content,
        now: Timestamp,
    ) -> Result<Put, StoreError> {
        let write = Uuid::new_v4().to_string();
        let item = item(id, content, 1, &write);
        match self.put(item, Condition::absent(now)).await? {
            None => Ok(Put::Done),
            Some(found) if is_by(&found, &write) => Ok(Put::Done),
            Some(found) => Ok(Put::Taken(Box::new(record(id, &found)?))),
        }
    }

    async fn get(&self, id: &RecordId, now: Timestamp) -> Result<Option<Record>, StoreError> {
        living_record(id, self.item(id).await?, now)
    }

    async fn replace(
        &self,
        id: &RecordId,
        version: u64,
        content: &Content,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let write = Uuid::new_v4().to_string();
        let next = version.saturating_add(1);
        let item = item(id, content, next, &write);
        let Some(found) = self.put(item, Condition::at_version(version, now)).await? else {
            return Ok(next);
        };
        if is_by(&found, &write) {
            return Ok(next);
        }
        match living_record(id, Some(found), now)? {
            Some(found) => Err(StoreError::Stale {
                current: found.version,
            }),
            None => Err(StoreError::NotFound(id.kind.name())),
        }
    }

    async fn delete(
        &self,
        id: &RecordId,
        version: Option<u64>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key_item(id)));
        if let Some(version) = version {
            let condition = Condition::at_version_or_absent(version, now);
            request = request
                .condition_expression(condition.text)
                .set_expression_attribute_names(Some(condition.parts.names))
                .set_expression_attribute_values(Some(condition.parts.values))
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                );
        }
        let Err(error) = call("DeleteItem", request.send()).await else {
            return Ok(());
        };
        let Some(DeleteItemError::ConditionalCheckFailedException(refused)) =
            error.as_service_error()
        else {
            return Err(failed(error));
        };
        let current = refused
            .item()
            .and_then(|found| number_of(found, "version"))
            .ok_or_else(|| without(id, "version"))?;
        Err(StoreError::Stale { current })
    }

    async fn page(&self, query: &RecordQuery, now: Timestamp) -> Result<Page<Record>, StoreError> {
        let mut span = Span::of(query);
        let (mut found, mut rest) = (Vec::new(), None);
        for _ in 0..QUERIES {
            if span.is_empty() {
                rest = None;
                break;
            }
            let (records, stopped) = self.query(query, &span, now).await?;
            found.extend(records);
            rest = stopped;
            let Some(rest) = rest.as_ref().filter(|_| found.len() <= query.limit) else {
                break;
            };
            span.move_past(rest, query.descending);
        }
        Ok(page_of(query, found, rest))
    }

    async fn transact(
        &self,
        id: &str,
        writes: &[Write],
        now: Timestamp,
    ) -> Result<Transacted, StoreError> {
        check_writes(writes)?;
        let parts: Result<Vec<TransactWriteItem>, StoreError> = writes
            .iter()
            .map(|write| self.part(id, write, now))
            .collect();
        let reasons = match transact(&self.client, parts?).await? {
            Transaction::Done => return Ok(Transacted::Done),
            Transaction::Refused(reasons) => reasons,
        };
        // Earlier it was done completely or not at all, so one record tells.
        if reasons
            .iter()
            .filter_map(CancellationReason::item)
            .any(|found| is_by(found, id))
        {
            return Ok(Transacted::Done);
        }
        let refused = reasons
            .iter()
            .zip(writes)
            .enumerate()
            .find(|(_, (reason, _))| reason.code() == Some("ConditionalCheckFailed"));
        let Some((at, (reason, write))) = refused else {
            return Err(StoreError::Corrupt(
                "a transaction was refused without a reason".into(),
            ));
        };
        Ok(Transacted::Refused(Refused {
            write: at,
            found: living_record(write.id(), reason.item().cloned(), now)?.map(Box::new),
            made: 0,
        }))
    }
}

#[async_trait]
impl CounterStore for Records {
    async fn add(
        &self,
        id: &RecordId,
        amount: i64,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        for attempt in 0..ATTEMPTS {
            let mut expression = Expression::default();
            let (count, by) = (expression.name("count"), expression.value(number(amount)));
            expression.set("expires_at", number(expires_at.as_second()));
            let update = format!("{} ADD {count} {by}", expression.update());
            let living = living(&mut expression, now);
            if let Some(count) = self.update_counter(id, expression, update, living).await? {
                return Ok(count);
            }

            let mut expression = Expression::default();
            expression.set("count", number(amount));
            expression.set("expires_at", number(expires_at.as_second()));
            let expired = expired(&mut expression, now);
            let update = expression.update();
            if let Some(count) = self.update_counter(id, expression, update, expired).await? {
                return Ok(count);
            }
            pause(attempt).await;
        }
        Err(lost())
    }

    async fn count(&self, id: &RecordId, now: Timestamp) -> Result<i64, StoreError> {
        match self.item(id).await?.filter(|item| item_lives(item, now)) {
            Some(item) => number_of(&item, "count").ok_or_else(|| without(id, "count")),
            None => Ok(0),
        }
    }
}

/// A condition expression.
struct Condition {
    text: String,
    parts: Expression,
}

impl Condition {
    fn absent(now: Timestamp) -> Self {
        let mut parts = Expression::default();
        let (pk, expired) = (parts.name("pk"), expired(&mut parts, now));
        Self {
            text: format!("attribute_not_exists({pk}) OR {expired}"),
            parts,
        }
    }

    fn at_version(version: u64, now: Timestamp) -> Self {
        let mut parts = Expression::default();
        let living = living(&mut parts, now);
        let (name, version) = (parts.name("version"), parts.value(number(version)));
        Self {
            text: format!("{name} = {version} AND ({living})"),
            parts,
        }
    }

    fn at_version_or_absent(version: u64, now: Timestamp) -> Self {
        let Self { text, mut parts } = Self::absent(now);
        let (name, version) = (parts.name("version"), parts.value(number(version)));
        Self {
            text: format!("{text} OR {name} = {version}"),
            parts,
        }
    }
}

fn living(expression: &mut Expression, now: Timestamp) -> String {
    let (name, now) = (
        expression.name("expires_at"),
        expression.value(number(now.as_second())),
    );
    format!("attribute_not_exists({name}) OR {name} > {now}")
}

fn expired(expression: &mut Expression, now: Timestamp) -> String {
    let (name, now) = (
        expression.name("expires_at"),
        expression.value(number(now.as_second())),
    );
    format!("{name} <= {now}")
}

fn index_of(order: RecordOrder) -> Option<&'static str> {
    let [first, second] = ORDER_INDEXES;
    match order {
        RecordOrder::Key => None,
        RecordOrder::First => Some(first),
        RecordOrder::Second => Some(second),
    }
}

fn key_item(id: &RecordId) -> Item {
    key(&id.partition, format!("{}#{}", id.kind.name(), id.key))
}

/// A record as an item. The write's name shows a repeated write that it was already executed.
fn item(id: &RecordId, content: &Content, version: u64, write: &str) -> Item {
    let mut item = key_item(id);
    let mut set = |name: &str, value| item.insert(name.to_owned(), value);
    set("document", text(&content.document));
    set("version", number(version));
    set("write", text(write));
    if let Some(expires_at) = content.expires_at {
        set("expires_at", number(expires_at.as_second()));
    }
    for (index, order) in ORDER_INDEXES.iter().zip(&content.order) {
        if let Some(order) = order {
            let position = position(order, &id.key);
            set(index, text(format!("{}#{position}", id.kind.name())));
        }
    }
    item
}

fn is_by(item: &Item, write: &str) -> bool {
    text_of(item, "write") == Some(write)
}

fn expiry_of(item: &Item) -> Option<Timestamp> {
    number_of::<i64>(item, "expires_at")
        .map(|seconds| Timestamp::from_millisecond(seconds.saturating_mul(1000)))
}

/// Whether the item contains a record that has not expired.
fn item_lives(item: &Item, now: Timestamp) -> bool {
    !item.is_empty() && lives(expiry_of(item), now)
}

fn living_record(
    id: &RecordId,
    item: Option<Item>,
    now: Timestamp,
) -> Result<Option<Record>, StoreError> {
    item.filter(|item| item_lives(item, now))
        .map(|item| record(id, &item))
        .transpose()
}

fn record(id: &RecordId, item: &Item) -> Result<Record, StoreError> {
    let document = text_of(item, "document").ok_or_else(|| without(id, "document"))?;
    let order = |index: &str| order_of(text_of(item, index)?.split_once('#')?.1);
    Ok(Record {
        id: id.clone(),
        version: number_of(item, "version").ok_or_else(|| without(id, "version"))?,
        content: Content {
            document: serde_json::from_str(document)
                .map_err(|error| StoreError::Corrupt(error.into()))?,
            expires_at: expiry_of(item),
            order: ORDER_INDEXES.map(order),
        },
    })
}
