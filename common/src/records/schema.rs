//! The database schema of records, as plain data.

use crate::schema::{Collection, Index, IndexKind};

/// The SQL that makes an SQLite table of records. `by_order_1` and `by_order_2` are positions as
/// on the other databases.
#[macro_export]
macro_rules! record_table {
    ($name:literal) => {
        concat!(
            "CREATE TABLE ",
            $name,
            " (
                kind TEXT NOT NULL,
                partition TEXT NOT NULL,
                key TEXT NOT NULL,
                document TEXT NOT NULL CHECK (json_valid(document)),
                version INTEGER NOT NULL,
                write TEXT NOT NULL,
                expires_at TEXT,
                by_order_1 TEXT,
                by_order_2 TEXT,
                PRIMARY KEY (kind, partition, key)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX ",
            $name,
            "_by_order_1 ON ",
            $name,
            " (kind, partition, by_order_1) WHERE by_order_1 IS NOT NULL;
            CREATE INDEX ",
            $name,
            "_by_order_2 ON ",
            $name,
            " (kind, partition, by_order_2) WHERE by_order_2 IS NOT NULL;
            CREATE INDEX ",
            $name,
            "_expiry ON ",
            $name,
            " (expires_at) WHERE expires_at IS NOT NULL;"
        )
    };
}

/// The SQL that makes an SQLite table of counters.
#[macro_export]
macro_rules! counter_table {
    ($name:literal) => {
        concat!(
            "CREATE TABLE ",
            $name,
            " (
                kind TEXT NOT NULL,
                partition TEXT NOT NULL,
                key TEXT NOT NULL,
                count INTEGER NOT NULL,
                expires_at TEXT NOT NULL,
                PRIMARY KEY (kind, partition, key)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX ",
            $name,
            "_expiry ON ",
            $name,
            " (expires_at);"
        )
    };
}

/// The statement that sweeps a table of records or of counters.
#[macro_export]
macro_rules! record_sweep {
    ($name:literal) => {
        $crate::schema::Sweep {
            statement: $crate::sweep!($name, "kind, partition, key", "expires_at"),
            lifetime: std::time::Duration::ZERO,
        }
    };
}

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
