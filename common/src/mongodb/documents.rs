//! Documents and the operations on them: each is one command.

use std::sync::Arc;

use mongodb::bson::serde_helpers::HumanReadable;
use mongodb::bson::{self, Bson, DateTime, Document, RawDocument, doc};
use mongodb::options::ReturnDocument;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connection::{CallError, Connection, failed};
use crate::precondition::Precondition;
use crate::problem::StoreError;
use crate::time::Timestamp;

/// How often an operation is tried that lost a race.
pub const ATTEMPTS: u32 = 6;

#[derive(Clone)]
pub struct Documents {
    connection: Arc<Connection>,
    name: &'static str,
}

impl Documents {
    pub fn new(connection: &Arc<Connection>, name: &'static str) -> Self {
        Self {
            connection: Arc::clone(connection),
            name,
        }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Finds the document that matches the filter.
    pub async fn find_one(&self, filter: Document) -> Result<Option<Document>, StoreError> {
        let send =
            |database: mongodb::Database| async move { self.of(&database).find_one(filter).await };
        self.connection.call("findOne", send).await.map_err(failed)
    }

    /// Finds the document that matches the filter, without these fields.
    pub async fn find_one_without(
        &self,
        filter: Document,
        fields: &[&str],
    ) -> Result<Option<Document>, StoreError> {
        let projection: Document = fields
            .iter()
            .map(|field| ((*field).to_owned(), Bson::Int32(0)))
            .collect();
        let send = |database: mongodb::Database| async move {
            self.of(&database)
                .find_one(filter)
                .projection(projection)
                .await
        };
        self.connection.call("findOne", send).await.map_err(failed)
    }

    /// Finds the first documents that match the filter, in this order.
    pub async fn find(
        &self,
        filter: Document,
        order: Document,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        self.find_read(filter, order, limit, as_far_as_readable)
            .await
    }

    /// Finds the first documents that match the filter, in this order, and reads them directly from
    /// the raw answer.
    pub async fn find_read<T>(
        &self,
        filter: Document,
        order: Document,
        limit: usize,
        read: impl Fn(&RawDocument) -> T,
    ) -> Result<Vec<T>, StoreError> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let send = |database: mongodb::Database| async move {
            // All of them fit into one batch, so only one batch is requested.
            let batch = limit.saturating_add(1);
            let mut documents = self
                .of(&database)
                .find(filter)
                .sort(order)
                .limit(i64::from(limit))
                .batch_size(batch)
                .await?;
            let mut items = Vec::new();
            while documents.advance().await? {
                items.push(read(documents.current()));
            }
            Ok(items)
        };
        self.connection.call("find", send).await.map_err(failed)
    }

    /// Adds a document; `false` if its `_id` or another unique value already exists.
    pub async fn insert(&self, document: Document) -> Result<bool, StoreError> {
        let send = |database: mongodb::Database| async move {
            self.of(&database).insert_one(document).await
        };
        unless_duplicate(self.connection.call("insertOne", send).await)
            .map(|inserted| inserted.is_some())
    }

    /// Adds a document, or replaces the one with its `_id`.
    pub async fn put(&self, id: &str, document: Document) -> Result<(), StoreError> {
        let send = |database: mongodb::Database| async move {
            self.of(&database)
                .replace_one(doc! {"_id": id}, document)
                .upsert(true)
                .await
        };
        self.connection
            .call("replaceOne", send)
            .await
            .map(drop)
            .map_err(failed)
    }

    /// Updates the document that matches the filter; `None` if there is none.
    pub async fn update(
        &self,
        filter: Document,
        update: Document,
    ) -> Result<Option<Document>, StoreError> {
        let send = |database: mongodb::Database| async move {
            self.of(&database)
                .find_one_and_update(filter, update)
                .return_document(ReturnDocument::After)
                .await
        };
        self.connection
            .call("findOneAndUpdate", send)
            .await
            .map_err(failed)
    }

    /// Updates the document that matches the filter, or creates it; `None` if another writer
    /// created it at the same moment.
    pub async fn upsert(
        &self,
        filter: Document,
        update: Document,
    ) -> Result<Option<Document>, StoreError> {
        let send = |database: mongodb::Database| async move {
            self.of(&database)
                .find_one_and_update(filter, update)
                .upsert(true)
                .return_document(ReturnDocument::After)
                .await
        };
        unless_duplicate(self.connection.call("findOneAndUpdate", send).await).map(Option::flatten)
    }

    /// Deletes and returns the document that matches the filter.
    pub async fn delete(&self, filter: Document) -> Result<Option<Document>, StoreError> {
        let send = |database: mongodb::Database| async move {
            self.of(&database).find_one_and_delete(filter).await
        };
        self.connection
            .call("findOneAndDelete", send)
            .await
            .map_err(failed)
    }

    fn of(&self, database: &mongodb::Database) -> mongodb::Collection<Document> {
        database.collection(self.name)
    }
}

fn unless_duplicate<T>(answer: Result<T, CallError>) -> Result<Option<T>, StoreError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_duplicate() => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Serializes a value as a document, without its null fields; `id` becomes `_id`.
pub fn write(value: &impl Serialize) -> Result<Document, StoreError> {
    let written =
        bson::serialize_to_document(value).map_err(|error| StoreError::Corrupt(error.into()))?;
    let named = written
        .into_iter()
        .filter(|(_, value)| *value != Bson::Null);
    Ok(named
        .map(|(name, value)| (if name == "id" { "_id".to_owned() } else { name }, value))
        .collect())
}

/// Deserializes a document; `_id` becomes `id` unless the document also has an `id`. Unknown fields
/// are ignored.
pub fn read<T: DeserializeOwned>(mut document: Document) -> Result<T, StoreError> {
    if let (Some(id), false) = (document.remove("_id"), document.contains_key("id")) {
        document.insert("id", id);
    }
    bson::deserialize_from_document(document).map_err(|error| StoreError::Corrupt(error.into()))
}

/// Deserializes a raw document. Its `id` is a field of its own.
pub fn read_raw<T: DeserializeOwned>(document: &RawDocument) -> Result<T, StoreError> {
    // Identifiers and times are text, as everywhere else.
    let read = bson::deserialize_from_slice(document.as_bytes());
    read.map(|HumanReadable(value)| value)
        .map_err(|error| StoreError::Corrupt(error.into()))
}

/// The parsed document. If it is invalid BSON, only its `_id` is kept: reading it then fails on the
/// missing fields, without affecting other documents.
fn as_far_as_readable(document: &RawDocument) -> Document {
    Document::try_from(document).unwrap_or_else(|_| {
        let id = document
            .get("_id")
            .ok()
            .flatten()
            .and_then(|id| Bson::try_from(id).ok());
        id.map(|id| doc! {"_id": id}).unwrap_or_default()
    })
}

/// Serializes a value within a document.
pub fn value(value: &impl Serialize) -> Result<Bson, StoreError> {
    bson::serialize_to_bson(value).map_err(|error| StoreError::Corrupt(error.into()))
}

/// A point in time as a date in whole seconds, the precision of DynamoDB's TTL.
pub fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.as_second().saturating_mul(1000))
}

pub fn date_of(document: &Document, name: &str) -> Option<Timestamp> {
    document
        .get_datetime(name)
        .ok()
        .map(|date| Timestamp::from_millisecond(date.timestamp_millis()))
}

pub fn text_of<'d>(document: &'d Document, name: &str) -> Option<&'d str> {
    document.get_str(name).ok()
}

/// The version of a document.
pub fn version_of(document: &Document) -> Option<u64> {
    number_of(document, "version")
}

/// The whole number of a field.
pub fn number_of(document: &Document, name: &str) -> Option<u64> {
    match document.get(name)? {
        Bson::Int32(number) => u64::try_from(*number).ok(),
        Bson::Int64(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

/// Restricts the filter to the versions that the precondition allows.
pub fn at_version(mut filter: Document, precondition: &Precondition) -> Document {
    let (operator, versions) = match precondition {
        Precondition::Any => return filter,
        Precondition::OneOf(versions) => ("$in", versions),
        Precondition::NoneOf(versions) => ("$nin", versions),
    };
    let versions: Vec<i64> = versions
        .iter()
        .filter_map(|version| i64::try_from(*version).ok())
        .collect();
    filter.insert("version", doc! {operator: versions});
    filter
}

#[cfg(test)]
mod tests {
    use mongodb::bson::RawDocumentBuf;

    use super::*;

    #[test]
    fn the_id_of_an_invalid_document_is_reported() {
        let whole = doc! {"_id": "somebody#something", "title": "whole"};
        let mut bytes = RawDocumentBuf::try_from(&whole)
            .expect("a document")
            .into_bytes();
        let title = bytes
            .windows(5)
            .position(|window| window == b"whole")
            .expect("the title");
        let raw = |bytes: &[u8]| {
            RawDocumentBuf::from_bytes(bytes.to_vec()).expect("the frame of a document")
        };

        assert_eq!(as_far_as_readable(&raw(&bytes)), whole);

        bytes[title] = 0xff;
        assert_eq!(
            as_far_as_readable(&raw(&bytes)),
            doc! {"_id": "somebody#something"}
        );

        let id = bytes
            .windows(8)
            .position(|window| window == b"somebody")
            .expect("the _id");
        bytes[id] = 0xff;
        assert_eq!(as_far_as_readable(&raw(&bytes)), Document::new());
    }
}
