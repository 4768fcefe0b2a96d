//! A small record store for what most services keep: JSON documents by kind, partition and key, with
//! a version, an expiry and up to two orders besides that of their keys; and counters.
//!
//! A service whose needs go past it writes stores of its own.

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
mod keys;
#[cfg(feature = "mongodb")]
pub mod mongodb;
mod schema;

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

/// How many writes a transaction can have.
const MAX_WRITES: usize = 4;

/// What sort of thing a record is. A kind is either of records or of counters.
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

/// Where a record is. Partition and key are any text that is not empty, together at most 1,000
/// bytes long.
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

/// What is stored in a record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    pub document: Value,
    /// From this time on the record counts as deleted. Only whole seconds are kept.
    pub expires_at: Option<Timestamp>,
    /// Where the record is in the first and the second order of its kind. A record without an order
    /// key is not in pages of that order.
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
    /// 1 when it is put, and one more with each replacement. A record that is put again after it was
    /// deleted or has expired starts at 1 again.
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

/// Whether a record was put.
#[must_use]
#[derive(Clone, Debug, PartialEq)]
pub enum Put {
    Done,
    /// Nothing was changed: this record is there.
    Taken(Box<Record>),
}

/// One write of a transaction, and the condition under which it is made.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// If there is no such record.
    Put { id: RecordId, content: Content },
    /// If the record is at this version.
    Replace {
        id: RecordId,
        version: u64,
        content: Content,
    },
    /// If the record is at this version.
    Delete { id: RecordId, version: u64 },
    /// Writes nothing. If there is no such record.
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

/// What became of a transaction.
#[must_use]
#[derive(Clone, Debug, PartialEq)]
pub enum Transacted {
    Done,
    Refused(Refused),
}

/// The first condition of a transaction that did not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// Whose condition it was: an index into the writes.
    pub write: usize,
    /// The record that is there.
    pub found: Option<Box<Record>>,
    /// How many of the writes before it were made all the same. Always 0 on DynamoDB; elsewhere see
    /// [`RecordStore::transact`].
    pub made: usize,
}

/// What a page is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordOrder {
    Key,
    /// The first order key, then the key.
    First,
    /// The second order key, then the key.
    Second,
}

impl RecordOrder {
    /// The order that cursors of such pages name, whichever the direction.
    pub fn cursor_order(self, kind: Kind) -> String {
        let order = match self {
            Self::Key => "key",
            Self::First => "order-1",
            Self::Second => "order-2",
        };
        format!("{}.{order}", kind.name())
    }
}

/// Which keys of the order are wanted. Text is compared byte by byte.
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

/// Which records a page has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordQuery {
    pub kind: Kind,
    pub partition: String,
    pub order: RecordOrder,
    pub descending: bool,
    pub range: KeyRange,
    pub limit: usize,
    /// The end of the page before.
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

/// Stores records. A record that has expired counts as deleted, whether or not the database has
/// deleted it.
///
/// A client repeats a write whose answer was lost. That does no harm: the repetition finds the name
/// of the write in the record and succeeds, unless another writer has changed the record in between.
/// Only an addition to a counter may be counted twice. So counters are for what may be counted too
/// high now and then, such as attempts, and they always expire.
#[async_trait]
pub trait RecordStore: Send + Sync {
    /// Puts a record if there is none with its identifier.
    async fn put_if_absent(
        &self,
        id: &RecordId,
        content: &Content,
        now: Timestamp,
    ) -> Result<Put, StoreError>;

    async fn get(&self, id: &RecordId, now: Timestamp) -> Result<Option<Record>, StoreError>;

    /// Replaces the record if it is at this version, and returns the new version.
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

    /// Deletes the record, at this version if one is given. It is no error if there is none: of two
    /// callers who delete one record, both succeed. Where only one may, use a transaction or replace
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

    /// A page of the records of a kind in a partition. Where many records have expired, a page may
    /// have fewer records than its limit, even none; it is the last one only if it has no `next`.
    async fn page(&self, query: &RecordQuery, now: Timestamp) -> Result<Page<Record>, StoreError>;

    /// Makes up to four writes to different records, of one partition or of several, if the
    /// conditions of all of them hold.
    ///
    /// `id` names the transaction: no other one may have the same. A call that failed with
    /// [`StoreError::Unavailable`] can be repeated with the same `id` and the same writes. If it was
    /// done before, it returns `Done` and changes nothing, as long as nobody has changed its records
    /// since. It is recognised by what it put or replaced, so its first write should be one of
    /// those: a deletion leaves nothing behind.
    ///
    /// On DynamoDB either all writes are made or none.
    ///
    /// On MongoDB there is no transaction, and this holds instead:
    /// - All conditions are checked before the first write. If one does not hold, nothing is done.
    /// - Then the writes are made in their order, each only if its condition still holds. Others can
    ///   read the first ones before the last ones are made. The first one decides: of several calls
    ///   that race for its record, one wins, and the others have done nothing.
    /// - If another writer breaks the condition of a later write in the meantime, the call stops
    ///   there, and [`Refused::made`] counts what it has done. But a later deletion whose record is
    ///   gone counts as made, and a `CheckAbsent` is not checked again.
    /// - If the call is interrupted, the writes up to some point are made. Repeating it makes the
    ///   others.
    ///
    /// So order the writes so that it does no harm to stop after any of them: to move a record, put
    /// it first and delete the old one then. Where only one caller may use something up, replace it
    /// first, with an expiry, instead of deleting it.
    async fn transact(
        &self,
        id: &str,
        writes: &[Write],
        now: Timestamp,
    ) -> Result<Transacted, StoreError>;

    /// Adds to a counter, which then expires at this time, and returns the count. A counter that
    /// has expired starts again at 0.
    async fn add(
        &self,
        id: &RecordId,
        amount: i64,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<i64, StoreError>;

    /// The count of a counter; 0 if nothing has been counted or it has expired.
    async fn count(&self, id: &RecordId, now: Timestamp) -> Result<i64, StoreError>;
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

/// Whether something that expires at this time, if ever, still lives.
fn lives(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_none_or(|expires_at| expires_at.as_second() > now.as_second())
}

fn without(id: &RecordId, what: &str) -> StoreError {
    StoreError::Corrupt(format!("a {} without its {what}", id.kind.name()).into())
}

/// The page of what was read in order, one more than the limit if there are so many. `rest` is the
/// position after which reading goes on, if it stopped before the end.
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

/// The records of a database: on DynamoDB in the table of this name, on MongoDB in this collection.
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
    }
}
