//! The table of signing keys: each item has a name and a set of keys. It is written once and never
//! changed.
//!
//! https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/

use serde_json::{Value, json};

use super::{Aws, CallError, Service};

pub struct KeyTable {
    aws: Aws,
    table: String,
}

impl KeyTable {
    pub fn new(aws: Aws, table: String) -> Self {
        Self { aws, table }
    }

    /// Gets the set with this name; `None` if it does not exist.
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

    /// Writes a set. Returns `false`, and changes nothing, if one with this name exists.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn put(&self, name: &str, keys: &str) -> Result<bool, CallError> {
        let request = json!({
            "TableName": self.table,
            "Item": {"name": {"S": name}, "keys": {"S": keys}},
            "ConditionExpression": "attribute_not_exists(#name)",
            // A reserved word of DynamoDB.
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

    /// Deletes a set, if it exists. A missing table is no error: its sets are gone too.
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
