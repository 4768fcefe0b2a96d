//! The database schema of records, as plain data.

use crate::schema::{Collection, Index, IndexKind};

/// The local indexes that a DynamoDB table needs if its records have order keys: the range key of
/// each is the attribute of the same name. On MongoDB, the fields and their indexes.
pub const ORDER_INDEXES: [&str; 2] = ["by_order_1", "by_order_2"];

const INDEXES: &[Index] = &[
    Index::new(ORDER_INDEXES[0], &[ORDER_INDEXES[0]], IndexKind::Sparse),
    Index::new(ORDER_INDEXES[1], &[ORDER_INDEXES[1]], IndexKind::Sparse),
    Index::new("expiry", &["expires_at"], IndexKind::Expiry),
];

/// A collection of records and its indexes. The order of keys is that of `_id`.
pub const fn collection(name: &'static str) -> Collection {
    Collection {
        name,
        indexes: INDEXES,
    }
}
