//! Where a copy has come to, noted in the database that is written to.

use std::sync::Arc;

use crate::database::Database;
#[cfg(feature = "dynamodb")]
use crate::dynamodb;
#[cfg(feature = "mongodb")]
use crate::mongodb::{Connection, Documents, SCHEMA};
use crate::problem::StoreError;

/// Names the note's item, and its document in the collection of the schema.
pub const NOTE: &str = "copy";

/// The note of a copy.
pub(super) enum Notes {
    /// An item of this table.
    #[cfg(feature = "dynamodb")]
    DynamoDb(aws_sdk_dynamodb::Client, String),
    #[cfg(feature = "mongodb")]
    MongoDb(Documents),
}

impl Notes {
    pub(super) fn new(database: &Database, table: &str) -> Self {
        match database {
            #[cfg(feature = "dynamodb")]
            Database::DynamoDb(client) => Self::DynamoDb(client.clone(), table.to_owned()),
            #[cfg(feature = "mongodb")]
            Database::MongoDb(connection) => {
                let connection: &Arc<Connection> = connection;
                Self::MongoDb(Documents::new(connection, SCHEMA))
            }
        }
    }

    pub(super) async fn read(&self) -> Result<Option<String>, StoreError> {
        match self {
            #[cfg(feature = "dynamodb")]
            Self::DynamoDb(client, table) => {
                let request = client
                    .get_item()
                    .table_name(table)
                    .set_key(Some(dynamodb::key(NOTE, NOTE)))
                    .consistent_read(true);
                let read = dynamodb::call("GetItem", request.send()).await;
                let item = read.map_err(dynamodb::failed)?.item;
                Ok(item.and_then(|item| dynamodb::text_of(&item, "note").map(str::to_owned)))
            }
            #[cfg(feature = "mongodb")]
            Self::MongoDb(schema) => {
                let found = schema.find_one(mongodb::bson::doc! {"_id": NOTE}).await?;
                Ok(found.and_then(|found| found.get_str("note").ok().map(str::to_owned)))
            }
        }
    }

    /// Notes this in place of what was noted before.
    pub(super) async fn write(&self, note: &str) -> Result<(), StoreError> {
        match self {
            #[cfg(feature = "dynamodb")]
            Self::DynamoDb(client, table) => {
                let mut item = dynamodb::key(NOTE, NOTE);
                item.insert("note".to_owned(), dynamodb::text(note));
                let request = client.put_item().table_name(table).set_item(Some(item));
                let put = dynamodb::call("PutItem", request.send()).await;
                put.map(drop).map_err(dynamodb::failed)
            }
            #[cfg(feature = "mongodb")]
            Self::MongoDb(schema) => {
                schema
                    .put(NOTE, mongodb::bson::doc! {"_id": NOTE, "note": note})
                    .await
            }
        }
    }
}
