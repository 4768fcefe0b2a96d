//! Tables, collections and indexes as plain data, which needs no driver.

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

impl Index {
    pub const fn new(name: &'static str, fields: &'static [&'static str], kind: IndexKind) -> Self {
        Self { name, fields, kind }
    }
}
