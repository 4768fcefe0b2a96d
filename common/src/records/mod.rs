//! A small record store that is enough for most services: JSON documents by kind, partition and
//! key, with a version, an expiry and up to two orders besides the order of keys; and counters.
//!
//! A service that needs more writes its own store.

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
mod keys;
#[cfg(feature = "mongodb")]
pub mod mongodb;
mod schema;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::collections::HashSet;
use std::fmt::Display;
use std::sync::Arc;

use async_trait::async_trait;
pub use schema::{ORDER_INDEXES, collection};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::database::Database;
use crate::paging::{Cursor, Page};
use crate::problem::StoreError;
use crate::time::Timestamp;

/// The largest number of writes in a transaction.
const MAX_WRITES: usize = 4;

/// The type of a record. A kind is used either for records or for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind(&'static str);

impl Kind {
    /// # Panics
    /// A name must be of `a-z`, `0-9`, `-` and `_`. In a constant, another name does not compile.
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty(), "the name of a kind must not be empty");
        let mut at = 0;
        while at < bytes.len() {
            assert!(
                matches!(bytes[at], b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'),
                "the name of a kind must be of a-z, 0-9, - and _"
            );
            at += 1;
        }
        Self(name)
    }

    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// The identity of a record. Partition and key are non-empty texts, together at most 1,000 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordId {
    pub kind: Kind,
    pub partition: String,
    pub key: String,
}

impl RecordId {
    pub fn new(kind: Kind, partition: impl Display, key: impl Display) -> Self {
        Self {
            kind,
            partition: partition.to_string(),
            key: key.to_string(),
        }
    }
}

/// The content of a record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    pub document: Value,
    /// From this time on the record counts as deleted. Only whole seconds are stored.
    pub expires_at: Option<Timestamp>,
    /// The record's keys in the first and second order. A record without an order key is not listed
    /// in that order.
    pub order: [Option<String>; 2],
}

impl Content {
    /// Content without an expiry and without order keys.
    ///
    /// # Errors
    /// The value is not JSON.
    pub fn new(document: &impl Serialize) -> Result<Self, StoreError> {
        Ok(Self {
            document: serde_json::to_value(document)
                .map_err(|error| StoreError::Corrupt(error.into()))?,
            ..Self::default()
        })
    }
}

/// A record that has been read.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub id: RecordId,
    /// 1 after the first put, and one more after each replacement. A record that is put again after
    /// it was deleted or has expired starts at 1 again.
    pub version: u64,
    pub content: Content,
}

impl Record {
    /// # Errors
    /// The document does not fit the type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        T::deserialize(&self.content.document).map_err(|error| StoreError::Corrupt(error.into()))
    }
}

/// The result of a put.
#[must_use]
#[derive(Clone, Debug, PartialEq)]
pub enum Put {
    Done,
    /// Nothing was changed: this record exists.
    Taken(Box<Record>),
}

/// One write of a transaction, with its condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// If the record does not exist.
    Put { id: RecordId, content: Content },
    /// If the record has this version.
    Replace {
        id: RecordId,
        version: u64,
        content: Content,
    },
    /// If the record has this version.
    Delete { id: RecordId, version: u64 },
    /// Writes nothing; only checks that the record does not exist.
    CheckAbsent { id: RecordId },
}

impl Write {
    pub fn id(&self) -> &RecordId {
        match self {
            Self::Put { id, .. }
            | Self::Replace { id, .. }
            | Self::Delete { id, .. }
            | Self::CheckAbsent { id } => id,
        }
    }
}

/// The result of a transaction.
#[must_use]
#[derive(Clone, Debug, PartialEq)]
pub enum Transacted {
    Done,
    Refused(Refused),
}

/// The first condition of a transaction that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// The index of the write whose condition failed.
    pub write: usize,
    /// The existing record.
    pub found: Option<Box<Record>>,
    /// How many of the earlier writes were executed anyway. Always 0 on DynamoDB; for MongoDB see
    /// [`RecordStore::transact`].
    pub made: usize,
}

/// The order of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordOrder {
    Key,
    /// The first order key, then the key.
    First,
    /// The second order key, then the key.
    Second,
}

impl RecordOrder {
    /// The name of the order in cursors, the same for both directions.
    pub fn cursor_order(self, kind: Kind) -> String {
        let order = match self {
            Self::Key => "key",
            Self::First => "order-1",
            Self::Second => "order-2",
        };
        format!("{}.{order}", kind.name())
    }
}

/// The requested keys of the order. Text is compared byte by byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRange {
    All,
    StartingWith(String),
    /// At least `from` and less than `before`.
    Between {
        from: String,
        before: String,
    },
}

/// The query for a page of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordQuery {
    pub kind: Kind,
    pub partition: String,
    pub order: RecordOrder,
    pub descending: bool,
    pub range: KeyRange,
    pub limit: usize,
    /// The cursor of the previous page.
    pub after: Option<Cursor>,
}

impl RecordQuery {
    /// The first records of a partition in the order of their keys.
    pub fn new(kind: Kind, partition: impl Display, limit: usize) -> Self {
        Self {
            kind,
            partition: partition.to_string(),
            order: RecordOrder::Key,
            descending: false,
            range: KeyRange::All,
            limit,
            after: None,
        }
    }
}

/// Stores records. An expired record counts as deleted, whether or not the database has deleted it.
///
/// A client repeats a write whose answer was lost. This is safe: the repeated write finds its own
/// name in the record and succeeds, unless another writer has changed the record in between. Only
/// an addition to a counter may be counted twice. So use counters only where the count may
/// sometimes be too high, such as for attempts; they always expire.
#[async_trait]
pub trait RecordStore: Send + Sync {
    /// Puts a record if its identifier does not exist.
    async fn put_if_absent(
        &self,
        id: &RecordId,
        content: &Content,
        now: Timestamp,
    ) -> Result<Put, StoreError>;

    async fn get(&self, id: &RecordId, now: Timestamp) -> Result<Option<Record>, StoreError>;

    /// Replaces the record if it has this version, and returns the new version.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or [`StoreError::Stale`] with the current version.
    async fn replace(
        &self,
        id: &RecordId,
        version: u64,
        content: &Content,
        now: Timestamp,
    ) -> Result<u64, StoreError>;

    /// Deletes the record, at this version if one is given. A missing record is no error: if two
    /// callers delete one record, both succeed. Where only one may, use a transaction or replace
    /// the record.
    ///
    /// # Errors
    /// [`StoreError::Stale`] with the current version.
    async fn delete(
        &self,
        id: &RecordId,
        version: Option<u64>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Lists a page of the records of a kind in a partition. Where many records have expired, a
    /// page may have fewer records than its limit, or none; it is the last one only if it has no
    /// `next`.
    async fn page(&self, query: &RecordQuery, now: Timestamp) -> Result<Page<Record>, StoreError>;

    /// Executes up to four writes to different records, of one partition or several, if all their
    /// conditions hold.
    ///
    /// `id` identifies the transaction and must be unique. A call that failed with
    /// [`StoreError::Unavailable`] can be repeated with the same `id` and the same writes. If it
    /// was executed before, it returns `Done` and changes nothing, as long as nobody has changed
    /// its records since. It is recognised by the records that it put or replaced, so the first
    /// write should be one of those: a deletion leaves nothing to recognise.
    ///
    /// On DynamoDB either all writes are executed or none.
    ///
    /// On MongoDB there are no transactions. Instead:
    /// - All conditions are checked before the first write. If one fails, nothing is written.
    /// - Then the writes are executed in order, each only if its condition still holds. Others can
    ///   read the first writes before the last ones are executed. The first write decides: of
    ///   several calls that race for its record, one wins, and the others have written nothing.
    /// - If another writer breaks the condition of a later write in the meantime, the call stops
    ///   there, and [`Refused::made`] counts what it has written. But a later deletion whose record
    ///   is gone counts as executed, and a `CheckAbsent` is not checked again.
    /// - If the call is interrupted, the writes up to some point are executed. Repeating it
    ///   executes the others.
    ///
    /// So order the writes so that it is safe to stop after any of them: to move a record, put the
    /// new one first, then delete the old one. Where only one caller may consume a record, replace
    /// it first, with an expiry, instead of deleting it.
    async fn transact(
        &self,
        id: &str,
        writes: &[Write],
        now: Timestamp,
    ) -> Result<Transacted, StoreError>;
}

fn check_writes(writes: &[Write]) -> Result<(), StoreError> {
    let different: HashSet<&RecordId> = writes.iter().map(Write::id).collect();
    if (1..=MAX_WRITES).contains(&writes.len()) && different.len() == writes.len() {
        Ok(())
    } else {
        Err(StoreError::Corrupt(
            "a transaction has one to four writes to different records".into(),
        ))
    }
}

/// Whether something with this expiry, if any, has not expired yet.
fn lives(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_none_or(|expires_at| expires_at.as_second() > now.as_second())
}

fn without(id: &RecordId, what: &str) -> StoreError {
    StoreError::Corrupt(format!("a {} without its {what}", id.kind.name()).into())
}

/// The page of the records that were read: up to one more than the limit. `rest` is the position
/// after which to continue, if reading stopped before the end.
fn page_of(
    query: &RecordQuery,
    mut found: Vec<(String, Record)>,
    rest: Option<String>,
) -> Page<Record> {
    let next = if found.len() > query.limit {
        found.truncate(query.limit);
        found.last().map(|(position, _)| position.clone())
    } else {
        rest
    };
    let order = query.order.cursor_order(query.kind);
    Page {
        items: found.into_iter().map(|(_, record)| record).collect(),
        next: next.map(|position| Cursor::new(&order, &keys::to_cursor(&position))),
    }
}

/// Counters. They have a trait of their own so that a function that only counts has no code for
/// pages and transactions in its binary.
#[async_trait]
pub trait CounterStore: Send + Sync {
    /// Adds to a counter, sets its expiry to this time, and returns the count. An expired counter
    /// starts again at 0.
    async fn add(
        &self,
        id: &RecordId,
        amount: i64,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<i64, StoreError>;

    /// The count of a counter; 0 if it does not exist or has expired.
    async fn count(&self, id: &RecordId, now: Timestamp) -> Result<i64, StoreError>;
}

/// The record store of a database: on DynamoDB in the table of this name, on MongoDB in this
/// collection, on SQLite in the table with the collection's name.
pub fn on(database: &Database, table: &str, collection: &'static str) -> Arc<dyn RecordStore> {
    match database {
        #[cfg(feature = "dynamodb")]
        Database::DynamoDb(client) => {
            let _ = collection;
            Arc::new(dynamodb::Records::new(client.clone(), table))
        }
        #[cfg(feature = "mongodb")]
        Database::MongoDb(connection) => {
            let _ = table;
            Arc::new(mongodb::Records::new(connection, collection))
        }
        #[cfg(feature = "sqlite")]
        Database::Sqlite(sqlite) => {
            let _ = table;
            Arc::new(sqlite::Records::new(sqlite, collection))
        }
    }
}

/// The counters of a database: on DynamoDB in the table of this name, on MongoDB in this collection,
/// on SQLite in the table with the collection's name.
pub fn counters(
    database: &Database,
    table: &str,
    collection: &'static str,
) -> Arc<dyn CounterStore> {
    match database {
        #[cfg(feature = "dynamodb")]
        Database::DynamoDb(client) => {
            let _ = collection;
            Arc::new(dynamodb::Records::new(client.clone(), table))
        }
        #[cfg(feature = "mongodb")]
        Database::MongoDb(connection) => {
            let _ = table;
            Arc::new(mongodb::Records::new(connection, collection))
        }
        #[cfg(feature = "sqlite")]
        Database::Sqlite(sqlite) => {
            let _ = table;
            Arc::new(sqlite::Counters::new(sqlite, collection))
        }
    }
}
