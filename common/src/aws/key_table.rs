//! The table of signing keys: each item is a name and, under it, a set of keys. Written once, never
//! changed.
//!
//! https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/

use serde_json::{Value, json};

use super::{Aws, CallError, Service};

/// Reads and writes sets of keys.
pub struct KeyTable {
    aws: Aws,
    table: String,
}

impl KeyTable {
    /// The table of this name.
    pub fn new(aws: Aws, table: String) -> Self {
        Self { aws, table }
    }

    /// The set with this name; `None` if it does not exist.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn get(&self, name: &str) -> Result<Option<String>, CallError> {
        let request = json!({"TableName": self.table, "Key": key(name), "ConsistentRead": true});
        let mut answer = self
            .aws
            .call(Service::DynamoDb, "GetItem", &request)
            .await?;
        match answer["Item"]["keys"]["S"].take() {
            Value::String(keys) => Ok(Some(keys)),
            _ => Ok(None),
        }
    }

    /// Writes a set; `false` when there is one of this name already, which stays.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn put(&self, name: &str, keys: &str) -> Result<bool, CallError> {
        let request = json!({
            "TableName": self.table,
            "Item": {"name": {"S": name}, "keys": {"S": keys}},
            "ConditionExpression": "attribute_not_exists(#name)",
            // A word of DynamoDB's own.
            "ExpressionAttributeNames": {"#name": "name"},
        });
        match self.aws.call(Service::DynamoDb, "PutItem", &request).await {
            Ok(_) => Ok(true),
            Err(CallError::Refused(_, code)) if code == "ConditionalCheckFailedException" => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes a set, if there is one; where the table is gone, so is what was in it.
    ///
    /// # Errors
    /// It cannot be deleted.
    pub async fn delete(&self, name: &str) -> Result<(), CallError> {
        let request = json!({"TableName": self.table, "Key": key(name)});
        match self
            .aws
            .call(Service::DynamoDb, "DeleteItem", &request)
            .await
        {
            Err(CallError::Refused(_, code)) if code == "ResourceNotFoundException" => Ok(()),
            answer => answer.map(drop),
        }
    }
}

fn key(name: &str) -> Value {
    json!({"name": {"S": name}})
}
