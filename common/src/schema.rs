//! Tables, collections and indexes in plain data that needs no driver.

/// How many items or documents a page of a copy is read from at the most. A page of the largest
/// tasks there can be is some ten megabytes.
pub const PAGE: usize = 200;

/// A DynamoDB table. Its keys are `pk` and `sk`, and what has expired by `expires_at` is deleted.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    /// Its local secondary indexes: the range key of each is the attribute of the same name. They
    /// exist from the table's creation or never.
    pub indexes: &'static [&'static str],
}

/// A MongoDB collection and its indexes.
#[derive(Clone, Copy, Debug)]
pub struct Collection {
    pub name: &'static str,
    pub indexes: &'static [Index],
}

/// An index of a collection: all of its fields ascend.
#[derive(Clone, Copy, Debug)]
pub struct Index {
    pub name: &'static str,
    pub fields: &'static [&'static str],
    pub kind: IndexKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// For a query; every document is in it.
    Plain,
    /// For a query; what has none of the fields is not in it.
    Sparse,
    /// No two documents have the same value.
    Unique,
    /// Documents are swept when the date of the field has come; what has no such date is not in it.
    Expiry,
}

impl Index {
    pub const fn new(name: &'static str, fields: &'static [&'static str], kind: IndexKind) -> Self {
        Self { name, fields, kind }
    }
}
