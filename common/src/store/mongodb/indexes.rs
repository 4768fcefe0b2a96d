//! Collections and indexes: what there must be, making it, and checking that it is there. Never on
//! a request.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::error::ErrorKind;
use mongodb::options::IndexOptions;
use mongodb::{Database, IndexModel};

use super::connection::{CallError, Connection, failed};
use super::{COUNTERS, REQUESTS, SCHEMA, SESSIONS, TASKS, USERS};
use crate::problem::StoreError;

/// The version of what is described here; a database that has a greater one was made by a newer
/// program.
const VERSION: i32 = 1;

/// How long making an index may take, on however many documents there are.
const BUILD_TIMEOUT: Duration = Duration::from_hours(12);

/// Error codes of servers.
const NAMESPACE_NOT_FOUND: i32 = 26;
const NAMESPACE_EXISTS: i32 = 48;
const NOT_IMPLEMENTED: i32 = 238;

/// An index: all of its fields ascend.
struct Index {
    collection: &'static str,
    name: &'static str,
    fields: &'static [&'static str],
    kind: IndexKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum IndexKind {
    Plain,
    /// For a query; what has none of the fields is not in it.
    Sparse,
    /// No two documents have the same value.
    Unique,
    /// Documents are swept when the date of the field has come; what has no such date is not in it.
    Expiry,
}

const fn index(
    collection: &'static str,
    name: &'static str,
    fields: &'static [&'static str],
    kind: IndexKind,
) -> Index {
    Index {
        collection,
        name,
        fields,
        kind,
    }
}

const COLLECTIONS: [&str; 5] = [USERS, SESSIONS, COUNTERS, TASKS, REQUESTS];

const INDEXES: [Index; 11] = [
    index(USERS, "address", &["email_canonical"], IndexKind::Unique),
    index(SESSIONS, "of_user", &["user", "_id"], IndexKind::Plain),
    index(SESSIONS, "expiry", &["expires_at"], IndexKind::Expiry),
    index(COUNTERS, "expiry", &["expires_at"], IndexKind::Expiry),
    index(
        TASKS,
        "by_created",
        &["owner", "by_created"],
        IndexKind::Plain,
    ),
    index(
        TASKS,
        "by_updated",
        &["owner", "by_updated"],
        IndexKind::Plain,
    ),
    index(TASKS, "by_due", &["owner", "by_due"], IndexKind::Plain),
    index(
        TASKS,
        "by_priority",
        &["owner", "by_priority"],
        IndexKind::Plain,
    ),
    index(
        TASKS,
        "trash_by_updated",
        &["trash_of", "by_updated"],
        IndexKind::Sparse,
    ),
    index(TASKS, "expiry", &["purge_at"], IndexKind::Expiry),
    index(REQUESTS, "expiry", &["expires_at"], IndexKind::Expiry),
];

/// Why a database cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It does not answer, or not as it should.
    #[error("the database of DATABASE_URL {}", what_it_does(.0))]
    Silent(StoreError),
    /// It was made by a newer program.
    #[error(
        "the database of DATABASE_URL is at version {0} and this program knows {VERSION}: use a newer program"
    )]
    Newer(i32),
    /// These indexes are not there.
    #[error("the database of DATABASE_URL lacks indexes ({}); make them with: tasklane migrate", .0.join(", "))]
    Indexes(Vec<String>),
    /// An index of this name is there, and is another one.
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

/// Makes what is not there yet, and tells of each collection and index what was done.
///
/// # Errors
/// The database was made by a newer program, has another index of the same name, or does not do as
/// asked.
pub async fn migrate(
    connection: &Connection,
    tell: &mut dyn FnMut(&str),
) -> Result<(), SchemaError> {
    read_schema(connection).await?;
    let mut without = Vec::new();
    for collection in COLLECTIONS {
        let present = present_indexes(connection, collection).await?;
        if present.is_none() {
            create_collection(connection, collection).await?;
        }
        tell(&format!(
            "collection {collection}: {}",
            if present.is_some() {
                "is there"
            } else {
                "made"
            }
        ));
        let present = present.unwrap_or_default();
        for index in INDEXES
            .iter()
            .filter(|index| index.collection == collection)
        {
            let there = match present
                .iter()
                .find(|found| name_of(found) == Some(index.name))
            {
                Some(found) if index.is(found) => true,
                Some(_) => return Err(SchemaError::OtherIndex(index.full_name())),
                None => false,
            };
            let done = if there {
                "is there"
            } else if create_index(connection, index).await? {
                "made"
            } else {
                without.push(index.full_name());
                "not made: this server cannot sweep what has expired; it counts as gone all the same"
            };
            tell(&format!("index {}: {done}", index.full_name()));
        }
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

/// Checks that everything is there.
///
/// # Errors
/// What is missing, or that the database does not answer.
pub async fn check(connection: &Connection) -> Result<(), SchemaError> {
    let without = read_schema(connection).await?;
    let mut missing = Vec::new();
    for collection in COLLECTIONS {
        let present = present_indexes(connection, collection)
            .await?
            .unwrap_or_default();
        let needed = INDEXES
            .iter()
            .filter(|index| index.collection == collection);
        for index in needed {
            match present
                .iter()
                .find(|found| name_of(found) == Some(index.name))
            {
                Some(found) if index.is(found) => {}
                Some(_) => return Err(SchemaError::OtherIndex(index.full_name())),
                None if without.contains(&index.full_name()) => {}
                None => missing.push(index.full_name()),
            }
        }
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(SchemaError::Indexes(missing))
    }
}

/// Checks the version, and gives the indexes that the server could not make.
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
        // Somebody else runs the same command.
        Err(error) if has_code(&error, NAMESPACE_EXISTS) => Ok(()),
        made => made.map_err(|error| SchemaError::Silent(failed(error))),
    }
}

/// Makes an index; `false` when it only sweeps and the server cannot do that.
async fn create_index(connection: &Connection, index: &Index) -> Result<bool, SchemaError> {
    let create = |model: IndexModel| {
        let send = |database: Database| async move {
            database
                .collection::<Document>(index.collection)
                .create_index(model)
                .await
        };
        connection.call_within(BUILD_TIMEOUT, "createIndex", send)
    };
    match create(index.model(index.kind)).await {
        // Saving room is nothing that anything depends on.
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

/// The indexes of a collection; `None` when there is no such collection.
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
    fn full_name(&self) -> String {
        format!("{}.{}", self.collection, self.name)
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

    /// Whether this is the index. What only saves room or sweeps is not compared: some servers do
    /// not tell it.
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
    fn every_index_is_recognised_and_no_other_one_is() {
        for index in &INDEXES {
            assert!(
                COLLECTIONS.contains(&index.collection),
                "{}",
                index.full_name()
            );
            assert!(index.is(&index.model(index.kind)), "{}", index.full_name());
            let others = INDEXES
                .iter()
                .filter(|other| other.collection == index.collection && other.name != index.name);
            for other in others {
                assert!(
                    !index.is(&other.model(other.kind)),
                    "{} and {}",
                    index.full_name(),
                    other.full_name()
                );
            }
        }
    }
}
