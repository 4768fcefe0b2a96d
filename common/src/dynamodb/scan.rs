//! Reads a whole table, for the command that copies it. Nothing else scans a table.

use aws_sdk_dynamodb::Client;

use super::client::{call, failed};
use super::items::{Item, key, number_of, text_of};
use crate::idempotency::IdempotencyKey;
use crate::problem::StoreError;
use crate::schema::PAGE;
use crate::time::Timestamp;

/// A table to read completely, or to fill.
#[derive(Clone)]
pub struct TableScan {
    pub client: Client,
    pub table: String,
}

impl TableScan {
    /// Reads a page of the table. Also returns the key after which to continue.
    ///
    /// # Errors
    /// The table does not exist, or cannot be read.
    pub async fn page(
        &self,
        after: Option<&str>,
    ) -> Result<(Vec<Item>, Option<String>), StoreError> {
        let start: Option<(String, String)> = after
            .map(serde_json::from_str)
            .transpose()
            .map_err(|error| StoreError::Corrupt(error.into()))?;
        let request = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .limit(i32::try_from(PAGE).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start.map(|(pk, sk)| key(pk, sk)));
        let output = match call("Scan", request.send()).await {
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_resource_not_found_exception()) =>
            {
                let cause = format!("there is no table {}", self.table);
                return Err(StoreError::Corrupt(cause.into()));
            }
            answer => answer.map_err(failed)?,
        };
        let position =
            |last: &Item| serde_json::to_string(&(text_of(last, "pk"), text_of(last, "sk")));
        let next = output.last_evaluated_key.as_ref().map(position).transpose();
        let next = next.map_err(|error| StoreError::Corrupt(error.into()))?;
        Ok((output.items.unwrap_or_default(), next))
    }

    /// Adds an item unless its key exists.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn put_if_absent(&self, item: Item) -> Result<(), StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)");
        match call("PutItem", request.send()).await {
            Err(error)
                if !error
                    .as_service_error()
                    .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Err(failed(error))
            }
            _ => Ok(()),
        }
    }

    /// The table and key of an item, for messages.
    pub fn name_of(&self, item: &Item) -> String {
        format!("{} {} {}", self.table, pk_of(item), sk_of(item))
    }
}

pub fn pk_of(item: &Item) -> String {
    text_of(item, "pk").unwrap_or_default().to_owned()
}

pub fn sk_of(item: &Item) -> &str {
    text_of(item, "sk").unwrap_or_default()
}

/// The error for an item whose key has an unknown shape.
pub fn unknown_key() -> StoreError {
    StoreError::Corrupt("no data of Tasklane has such a key".into())
}

/// Checks that a record's contents match its key.
///
/// # Errors
/// They do not.
pub fn at_its_key<T>(value: T, actual: (&str, &str), proper: &Item) -> Result<T, StoreError> {
    if actual == (pk_of(proper).as_str(), sk_of(proper)) {
        Ok(value)
    } else {
        Err(StoreError::Corrupt("it is not what its key says".into()))
    }
}

/// Reads the record of an idempotency key, and when it expires.
///
/// # Errors
/// The item is not such a record.
pub fn read_once(item: &Item) -> Result<(IdempotencyKey, Timestamp), StoreError> {
    let key = sk_of(item).strip_prefix("once#");
    let fingerprint = text_of(item, "fingerprint");
    match (key, fingerprint, number_of::<i64>(item, "expires_at")) {
        (Some(key), Some(fingerprint), Some(expires_at)) => {
            let once = IdempotencyKey {
                key: key.to_owned(),
                fingerprint: fingerprint.to_owned(),
            };
            Ok((
                once,
                Timestamp::from_millisecond(expires_at.saturating_mul(1000)),
            ))
        }
        _ => Err(StoreError::Corrupt(
            "it lacks its fingerprint or its expiry".into(),
        )),
    }
}
