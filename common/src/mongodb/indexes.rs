//! Collections and indexes: the required ones, creating them, and checking them. Never used by a
//! request.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::error::ErrorKind;
use mongodb::options::IndexOptions;
use mongodb::{Database, IndexModel};

use super::connection::{CallError, Connection, failed};
use crate::problem::StoreError;
use crate::schema::{Collection, Index, IndexKind};

/// The version of this schema. A database with a greater version was created by a newer program.
const VERSION: i32 = 1;

/// The time limit for building an index, whatever the number of documents.
const BUILD_TIMEOUT: Duration = Duration::from_hours(12);

/// Error codes of servers.
const NAMESPACE_NOT_FOUND: i32 = 26;
const NAMESPACE_EXISTS: i32 = 48;
const NOT_IMPLEMENTED: i32 = 238;

/// The collection with the version of the collections and indexes.
pub const SCHEMA: &str = "schema";

/// Why a database cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It does not answer, or answers with an error.
    #[error("the database of DATABASE_URL {}", what_it_does(.0))]
    Silent(StoreError),
    /// It was created by a newer program.
    #[error(
        "the database of DATABASE_URL is at version {0} and this program knows {VERSION}: use a newer program"
    )]
    Newer(i32),
    /// These indexes are missing.
    #[error("the database of DATABASE_URL lacks indexes ({}); make them with: tasklane migrate", .0.join(", "))]
    Indexes(Vec<String>),
    /// An index of this name exists but is different.
    #[error(
        "the index {0} of the database of DATABASE_URL is not the one that is needed: drop it, then run tasklane migrate"
    )]
    OtherIndex(String),
}

fn what_it_does(error: &StoreError) -> String {
    match error {
        StoreError::Unavailable(cause) => format!("cannot be reached: {cause}"),
        StoreError::Corrupt(cause) => format!("refuses: {cause}"),
        cause => format!("cannot be used: {cause}"),
    }
}

/// Creates what is missing, and reports each collection and index to `tell`.
///
/// # Errors
/// The database was created by a newer program, has another index of the same name, or is
/// unavailable.
pub async fn migrate(
    connection: &Connection,
    collections: &[Collection],
    tell: &mut dyn FnMut(&str),
) -> Result<(), SchemaError> {
    read_schema(connection).await?;
    let mut without = Vec::new();
    for collection in collections {
        migrate_collection(connection, collection, &mut without, tell).await?;
    }
    let send = |database: Database| async move {
        let set = doc! {"$set": {"version": VERSION, "without": without}};
        database
            .collection::<Document>(SCHEMA)
            .update_one(doc! {"_id": SCHEMA}, set)
            .upsert(true)
            .await
    };
    connection
        .call("updateOne", send)
        .await
        .map_err(|error| SchemaError::Silent(failed(error)))?;
    tell(&format!("the database is at version {VERSION}"));
    Ok(())
}

/// Creates a collection and its indexes if they are missing. Adds the indexes that the server does
/// not support to `without`.
async fn migrate_collection(
    connection: &Connection,
    collection: &Collection,
    without: &mut Vec<String>,
    tell: &mut dyn FnMut(&str),
) -> Result<(), SchemaError> {
    let name = collection.name;
    let present = present_indexes(connection, name).await?;
    if present.is_none() {
        create_collection(connection, name).await?;
    }
    let done = if present.is_some() {
        "exists"
    } else {
        "created"
    };
    tell(&format!("collection {name}: {done}"));
    let present = present.unwrap_or_default();
    for index in collection.indexes {
        let done = if index.is_among(&present, name)? {
            "exists"
        } else if create_index(connection, name, index).await? {
            "created"
        } else {
            without.push(index.full_name(name));
            "not created: this server cannot delete expired documents; Tasklane ignores them anyway"
        };
        tell(&format!("index {}: {done}", index.full_name(name)));
    }
    Ok(())
}

/// Checks that everything exists.
///
/// # Errors
/// What is missing, or that the database does not answer.
pub async fn check(connection: &Connection, collections: &[Collection]) -> Result<(), SchemaError> {
    let without = read_schema(connection).await?;
    let mut missing = Vec::new();
    for Collection { name, indexes } in collections {
        let present = present_indexes(connection, name).await?.unwrap_or_default();
        for index in *indexes {
            let full_name = index.full_name(name);
            if !index.is_among(&present, name)? && !without.contains(&full_name) {
                missing.push(full_name);
            }
        }
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(SchemaError::Indexes(missing))
    }
}

/// Checks the version. Returns the indexes that the server does not support.
async fn read_schema(connection: &Connection) -> Result<Vec<String>, SchemaError> {
    let send = |database: Database| async move {
        database
            .collection::<Document>(SCHEMA)
            .find_one(doc! {"_id": SCHEMA})
            .await
    };
    let found = connection
        .call("findOne", send)
        .await
        .map_err(|error| SchemaError::Silent(failed(error)))?
        .unwrap_or_default();
    match found.get_i32("version") {
        Ok(version) if version > VERSION => Err(SchemaError::Newer(version)),
        _ => {
            let without = found
                .get_array("without")
                .map(Vec::as_slice)
                .unwrap_or_default();
            Ok(without
                .iter()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect())
        }
    }
}

async fn create_collection(connection: &Connection, collection: &str) -> Result<(), SchemaError> {
    let send = |database: Database| async move { database.create_collection(collection).await };
    match connection.call("create", send).await {
        // Another process runs the same command.
        Err(error) if has_code(&error, NAMESPACE_EXISTS) => Ok(()),
        made => made.map_err(|error| SchemaError::Silent(failed(error))),
    }
}

/// Creates an index; `false` if it only sweeps expired documents and the server does not support
/// that.
async fn create_index(
    connection: &Connection,
    collection: &str,
    index: &Index,
) -> Result<bool, SchemaError> {
    let create = |model: IndexModel| {
        let send = |database: Database| async move {
            database
                .collection::<Document>(collection)
                .create_index(model)
                .await
        };
        connection.call_within(BUILD_TIMEOUT, "createIndex", send)
    };
    match create(index.model(index.kind)).await {
        // The sparse index only saves space: a plain one works as well.
        Err(error) if has_code(&error, NOT_IMPLEMENTED) && index.kind == IndexKind::Sparse => {
            create(index.model(IndexKind::Plain))
                .await
                .map(|_| true)
                .map_err(|error| SchemaError::Silent(failed(error)))
        }
        Err(error) if has_code(&error, NOT_IMPLEMENTED) && index.kind == IndexKind::Expiry => {
            Ok(false)
        }
        made => made
            .map(|_| true)
            .map_err(|error| SchemaError::Silent(failed(error))),
    }
}

/// The indexes of a collection; `None` if it does not exist.
async fn present_indexes(
    connection: &Connection,
    collection: &str,
) -> Result<Option<Vec<IndexModel>>, SchemaError> {
    let send = |database: Database| async move {
        let indexes = database
            .collection::<Document>(collection)
            .list_indexes()
            .await?;
        futures_util::TryStreamExt::try_collect(indexes).await
    };
    match connection.call("listIndexes", send).await {
        Ok(indexes) => Ok(Some(indexes)),
        Err(error) if has_code(&error, NAMESPACE_NOT_FOUND) => Ok(None),
        Err(error) => Err(SchemaError::Silent(failed(error))),
    }
}

fn has_code(error: &CallError, code: i32) -> bool {
    matches!(error, CallError::Driver(error) if matches!(&*error.kind, ErrorKind::Command(error) if error.code == code))
}

fn name_of(index: &IndexModel) -> Option<&str> {
    index.options.as_ref()?.name.as_deref()
}

impl Index {
    fn full_name(&self, collection: &str) -> String {
        format!("{collection}.{}", self.name)
    }

    /// Whether this collection has the index.
    fn is_among(&self, present: &[IndexModel], collection: &str) -> Result<bool, SchemaError> {
        match present
            .iter()
            .find(|found| name_of(found) == Some(self.name))
        {
            Some(found) if self.is(found) => Ok(true),
            Some(_) => Err(SchemaError::OtherIndex(self.full_name(collection))),
            None => Ok(false),
        }
    }

    fn keys(&self) -> Document {
        self.fields
            .iter()
            .map(|field| ((*field).to_owned(), 1.into()))
            .collect()
    }

    fn model(&self, kind: IndexKind) -> IndexModel {
        let mut options = IndexOptions::default();
        options.name = Some(self.name.to_owned());
        match kind {
            IndexKind::Plain => {}
            IndexKind::Sparse => options.sparse = Some(true),
            IndexKind::Unique => options.unique = Some(true),
            IndexKind::Expiry => {
                options.expire_after = Some(Duration::ZERO);
                options.sparse = Some(true);
            }
        }
        IndexModel::builder()
            .keys(self.keys())
            .options(options)
            .build()
    }

    /// Whether this is the index. Options that only save space or sweep are not compared: some
    /// servers do not report them.
    fn is(&self, found: &IndexModel) -> bool {
        let unique = found
            .options
            .as_ref()
            .and_then(|options| options.unique)
            .unwrap_or(false);
        found.keys.keys().eq(self.keys().keys()) && unique == (self.kind == IndexKind::Unique)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_recognised_by_its_fields_and_by_whether_it_is_unique() {
        let indexes = [
            Index::new("by_due", &["owner", "by_due"], IndexKind::Plain),
            Index::new("by_name", &["owner", "name"], IndexKind::Unique),
            Index::new("trash", &["trash_of", "by_due"], IndexKind::Sparse),
            Index::new("expiry", &["expires_at"], IndexKind::Expiry),
        ];

        for index in &indexes {
            assert!(index.is(&index.model(index.kind)), "{}", index.name);

            for other in indexes.iter().filter(|other| other.name != index.name) {
                assert!(
                    !index.is(&other.model(other.kind)),
                    "{} and {}",
                    index.name,
                    other.name
                );
            }
        }

        let [plain, ..] = &indexes;
        assert!(!plain.is(&plain.model(IndexKind::Unique)));
    }
}
