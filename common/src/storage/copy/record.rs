//! What there is to copy, in words that are no store's own.

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
    /// Names it in what is noted of a copy; no other kind of any service has this name.
    pub name: &'static str,
    /// What one of them is called, and many.
    pub one: &'static str,
    pub many: &'static str,
    /// Whether they are added one after another: several may be in one document, and FerretDB
    /// loses one of two changes of a document at once.
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

    /// What so many of them are called.
    pub fn counted(&self, count: u64) -> String {
        format!("{count} {}", if count == 1 { self.one } else { self.many })
    }
}

/// One thing that a store holds.
#[derive(Clone, Debug)]
pub struct Record {
    /// Names it to people: no two of a kind have the same name.
    pub name: String,
    /// When it ends by itself, if it does.
    pub ends_at: Option<Timestamp>,
    content: Value,
}

impl Record {
    /// A record with this content, the same whichever store it is from.
    ///
    /// # Errors
    /// The content cannot be written as JSON.
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

    /// What it was made with.
    ///
    /// # Errors
    /// It is of another kind.
    pub fn content<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        serde_json::from_value(self.content.clone())
            .map_err(|error| StoreError::Corrupt(error.into()))
    }

    /// A digest of everything in it; of two records that are the same in every field, the same.
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

/// Something that does not fit the types.
pub struct Unreadable {
    /// Where it is, in the store's own words.
    pub key: String,
    /// Why it does not fit.
    pub cause: String,
}

impl RecordPage {
    /// Adds what was read at this key: nothing, where there is nothing to copy.
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

/// The records of a service in one database, from end to end.
#[async_trait]
pub trait CopyStore: Send + Sync {
    /// Reads the records of a kind, from the beginning or from where the page before ended. What
    /// cannot be read as any kind is in the pages of one. What has expired may be among them.
    async fn read(&self, kind: &RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError>;

    /// Adds a record, unless there is one in its place, which stays as it is. Nothing else is
    /// changed.
    async fn add(&self, kind: &RecordKind, record: &Record) -> Result<(), StoreError>;
}
