//! The records to copy, independent of any store.

use std::fmt;

use async_trait::async_trait;
use ring::digest::{SHA256, digest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::problem::StoreError;
use crate::time::Timestamp;

/// A kind of record of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordKind {
    /// The name in the progress note, unique among all services.
    pub name: &'static str,
    /// The singular and plural names for messages.
    pub one: &'static str,
    pub many: &'static str,
    /// Whether they are added one after another: several may be in one document, and FerretDB loses
    /// one of two simultaneous changes of a document.
    pub one_by_one: bool,
}

impl RecordKind {
    pub const fn new(name: &'static str, one: &'static str, many: &'static str) -> Self {
        Self {
            name,
            one,
            many,
            one_by_one: false,
        }
    }

    /// A number of them, for messages.
    pub fn counted(&self, count: u64) -> String {
        format!("{count} {}", if count == 1 { self.one } else { self.many })
    }
}

/// One record of a store.
#[derive(Clone, Debug)]
pub struct Record {
    /// Identifies it in messages; unique within its kind.
    pub name: String,
    /// When it expires, if it does.
    pub ends_at: Option<Timestamp>,
    content: Value,
}

impl Record {
    /// Creates a record from this content, the same for every store.
    ///
    /// # Errors
    /// The content cannot be serialized as JSON.
    pub fn new(
        name: String,
        ends_at: Option<Timestamp>,
        content: &impl Serialize,
    ) -> Result<Self, StoreError> {
        let content =
            serde_json::to_value(content).map_err(|error| StoreError::Corrupt(error.into()))?;
        Ok(Self {
            name,
            ends_at,
            content,
        })
    }

    /// The content that it was created with.
    ///
    /// # Errors
    /// It is of another kind.
    pub fn content<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        serde_json::from_value(self.content.clone())
            .map_err(|error| StoreError::Corrupt(error.into()))
    }

    /// A digest of the content: records with equal fields have the same digest.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, self.content.to_string().as_bytes()).as_ref());
        bytes
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A page of records of one kind.
#[derive(Default)]
pub struct RecordPage {
    pub records: Vec<Record>,
    pub unreadable: Vec<Unreadable>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<String>,
}

/// Data that does not fit the types.
pub struct Unreadable {
    /// Its key, as the store writes it.
    pub key: String,
    /// Why it does not fit.
    pub cause: String,
}

impl RecordPage {
    /// Adds what was read at this key; `None` if there is nothing to copy.
    pub fn add(&mut self, key: String, read: Result<Option<Record>, StoreError>) {
        match read {
            Ok(record) => self.records.extend(record),
            Err(StoreError::Corrupt(cause)) => self.unreadable.push(Unreadable {
                key,
                cause: cause.to_string(),
            }),
            Err(error) => self.unreadable.push(Unreadable {
                key,
                cause: error.to_string(),
            }),
        }
    }
}

/// Reads and adds all records of a service in one database.
#[async_trait]
pub trait CopyStore: Send + Sync {
    /// Reads a page of the records of a kind, from the beginning or after the previous page. Data
    /// that fits no kind is reported in the pages of one kind. Expired records may be included.
    async fn read(&self, kind: &RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError>;

    /// Adds a record unless it exists already; changes nothing else.
    async fn add(&self, kind: &RecordKind, record: &Record) -> Result<(), StoreError>;
}
