//! Tables, collections and indexes as plain data, which needs no driver.

use std::time::Duration;

/// The largest number of items or documents that a page of a copy is read from. A page of the
/// largest possible tasks is about ten megabytes.
pub const PAGE: usize = 200;

/// A DynamoDB table. Its keys are `pk` and `sk`. Expired items are deleted by `expires_at`.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    /// The local secondary indexes: the range key of each is the attribute of the same name. They
    /// can only be created together with the table.
    pub indexes: &'static [&'static str],
}

/// A MongoDB collection and its indexes.
#[derive(Clone, Copy, Debug)]
pub struct Collection {
    pub name: &'static str,
    pub indexes: &'static [Index],
}

/// An index of a collection, ascending in all of its fields.
#[derive(Clone, Copy, Debug)]
pub struct Index {
    pub name: &'static str,
    pub fields: &'static [&'static str],
    pub kind: IndexKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// For queries; contains every document.
    Plain,
    /// For queries; documents without any of the fields are not in it.
    Sparse,
    /// Every value is unique.
    Unique,
    /// Documents are deleted after the date in the field; documents without a date are not in it.
    Expiry,
}

/// The SQLite tables of a service.
#[derive(Debug)]
pub struct SqliteSchema {
    pub service: &'static str,
    /// The statements that make and change the tables. They are numbered from 1; one that was
    /// released never changes.
    pub migrations: &'static [&'static str],
    pub sweeps: &'static [Sweep],
}

/// A statement that deletes some of the rows that have expired: those whose time is not after
/// `?1`.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    pub statement: &'static str,
    /// How long after the time in the row it expires.
    pub lifetime: Duration,
}

/// The statement of a [`Sweep`]: deletes up to 200 rows of a table by their key, by the time in
/// this column, which must have an index.
#[macro_export]
macro_rules! sweep {
    ($table:literal, $key:literal, $time:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE (",
            $key,
            ") IN (SELECT ",
            $key,
            " FROM ",
            $table,
            " WHERE ",
            $time,
            " <= ?1 LIMIT 200)"
        )
    };
}

impl Index {
    pub const fn new(name: &'static str, fields: &'static [&'static str], kind: IndexKind) -> Self {
        Self { name, fields, kind }
    }
}
