//! Conditional writes and transactions.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use uuid::Uuid;

use super::client::{call, failed};
use super::items::{Expression, Item, number};
use crate::problem::StoreError;
use crate::time::Timestamp;

/// How often a transaction is tried that conflicts with another one.
const CONFLICTS: u32 = 6;

/// The item whose update's condition failed; empty if it does not exist.
pub fn refused_item(error: &SdkError<UpdateItemError>) -> Option<Item> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
            Some(refused.item().cloned().unwrap_or_default())
        }
        _ => None,
    }
}

/// Updates an item under a condition, as part of a transaction.
pub fn update(
    table: &str,
    key: Item,
    condition: &str,
    expression: Expression,
) -> Result<TransactWriteItem, StoreError> {
    let update = Update::builder()
        .table_name(table)
        .set_key(Some(key))
        .update_expression(expression.update())
        .condition_expression(condition)
        .set_expression_attribute_names(Some(expression.names))
        .set_expression_attribute_values(Some(expression.values));
    Ok(TransactWriteItem::builder()
        .update(
            update
                .build()
                .map_err(|error| StoreError::Corrupt(error.into()))?,
        )
        .build())
}

/// Adds an item under a condition, as part of a transaction.
pub fn put(
    table: &str,
    item: Item,
    condition: Option<(&str, Item)>,
) -> Result<TransactWriteItem, StoreError> {
    let (condition, values) = condition.unwrap_or(("attribute_not_exists(pk)", HashMap::new()));
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .condition_expression(condition)
        .set_expression_attribute_values((!values.is_empty()).then_some(values))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    Ok(TransactWriteItem::builder()
        .put(
            put.build()
                .map_err(|error| StoreError::Corrupt(error.into()))?,
        )
        .build())
}

/// Adds the record of an idempotency key, unless an unexpired one exists. It must be the first part
/// of its transaction.
pub fn once_put(
    table: &str,
    record: Item,
    now: Timestamp,
) -> Result<TransactWriteItem, StoreError> {
    let values = HashMap::from([(":now".to_owned(), number(now.as_second()))]);
    put(
        table,
        record,
        Some(("attribute_not_exists(pk) OR expires_at <= :now", values)),
    )
}

/// The result of a transaction.
pub enum Transaction {
    Done,
    /// A condition failed: the reason of each part, in order.
    Refused(Vec<CancellationReason>),
}

/// Executes a transaction. Retries it when it conflicts with another one.
pub async fn transact(
    client: &Client,
    parts: Vec<TransactWriteItem>,
) -> Result<Transaction, StoreError> {
    let mut conflicts = 0;
    loop {
        let request = client
            .transact_write_items()
            .set_transact_items(Some(parts.clone()));
        let error = match call("TransactWriteItems", request.send()).await {
            Ok(_) => return Ok(Transaction::Done),
            Err(error) => error,
        };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
            error.as_service_error()
        else {
            return Err(failed(error));
        };
        let reasons = cancelled.cancellation_reasons().to_vec();
        let has = |code: &str| reasons.iter().any(|reason| reason.code() == Some(code));
        if has("ConditionalCheckFailed") {
            return Ok(Transaction::Refused(reasons));
        }
        let retriable = has("TransactionConflict")
            || has("ThrottlingError")
            || has("ProvisionedThroughputExceeded");
        if !retriable {
            return Err(failed(error));
        }
        conflicts += 1;
        if conflicts == CONFLICTS {
            return Err(StoreError::Unavailable(
                "the transaction kept meeting others".into(),
            ));
        }
        // The jitter is the first byte of a new UUID, which is random enough.
        let jitter = u64::from(Uuid::new_v4().as_bytes()[0]);
        tokio::time::sleep(Duration::from_millis((10 << conflicts) * jitter / 256 + 5)).await;
    }
}

/// The item that made the first part's condition fail, if that was the reason.
pub fn first_item(reasons: &[CancellationReason]) -> Option<Item> {
    let first = reasons
        .first()
        .filter(|reason| reason.code() == Some("ConditionalCheckFailed"))?;
    Some(first.item().cloned().unwrap_or_default())
}
