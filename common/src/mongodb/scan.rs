//! Reads a whole collection, for the command that copies it.

use std::collections::BTreeSet;

use mongodb::bson::{Bson, Document, doc};

use super::documents::{Documents, text_of};
use crate::problem::StoreError;
use crate::schema::PAGE;

/// A page of documents, and the `_id` after which to continue.
pub type Found = (Vec<Document>, Option<String>);

/// Reads a page of a collection.
///
/// # Errors
/// It cannot be read.
pub async fn find(documents: &Documents, after: Option<&str>) -> Result<Found, StoreError> {
    let filter = after.map_or_else(|| doc! {"$gte": ""}, |after| doc! {"$gt": after});
    let found = documents
        .find(doc! {"_id": filter}, doc! {"_id": 1}, PAGE)
        .await?;
    let Some(last) = found.last().filter(|_| found.len() == PAGE) else {
        return Ok((found, None));
    };
    let next = text_of(last, "_id")
        .ok_or_else(|| StoreError::Corrupt("a document's _id cannot be read".into()))?
        .to_owned();
    Ok((found, Some(next)))
}

/// The names of documents whose `_id` is not text; Tasklane has no such documents. Finds only the
/// first and the last ones, because such documents sort before or after all others.
///
/// # Errors
/// The collection cannot be read.
pub async fn find_strange(documents: &Documents) -> Result<BTreeSet<String>, StoreError> {
    let mut strange = BTreeSet::new();
    for direction in [1, -1] {
        let outermost = documents
            .find(Document::new(), doc! {"_id": direction}, PAGE)
            .await?;
        let others = outermost
            .iter()
            .filter(|document| text_of(document, "_id").is_none());
        strange.extend(others.map(|document| names(documents, document).1));
    }
    Ok(strange)
}

/// The error for a document whose `_id` is not text.
pub fn unknown_id() -> StoreError {
    StoreError::Corrupt("no data of Tasklane has such an _id".into())
}

/// The `_id` as text, and the collection and `_id` for messages.
pub fn names(documents: &Documents, document: &Document) -> (String, String) {
    let id = match document.get("_id") {
        Some(Bson::String(id)) => id.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let name = format!("{} {id}", documents.name());
    (id, name)
}

/// Checks that a document's contents match its `_id`.
///
/// # Errors
/// They do not.
pub fn at_its_id<T>(holds: bool, value: T) -> Result<T, StoreError> {
    if holds {
        Ok(value)
    } else {
        Err(StoreError::Corrupt("it is not what its _id says".into()))
    }
}
