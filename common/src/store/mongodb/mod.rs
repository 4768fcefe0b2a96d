//! Accounts, sessions, limits and tasks on MongoDB: the data model is in docs/data-model.md.
//!
//! Whatever must hold holds by a single document or by a unique index, so it holds on a server
//! without transactions too.

use crate::mongodb::{Collection, Index, IndexKind};

mod accounts;
#[cfg(feature = "dynamodb")]
mod full_scan;
mod requests;
mod sessions;
mod tasks;
mod users;

#[cfg(feature = "dynamodb")]
pub(in crate::store) use full_scan::FullScan;
pub use tasks::Tasks;
pub use users::Users;

const USERS: &str = "users";
const SESSIONS: &str = "sessions";
const COUNTERS: &str = "counters";
/// Tasks, those in the trash included.
const TASKS: &str = "tasks";
/// Requests with an idempotency key.
const REQUESTS: &str = "requests";

/// The collections and their indexes.
pub(in crate::store) const COLLECTIONS: &[Collection] = &[
    Collection {
        name: USERS,
        indexes: &[Index::new(
            "address",
            &["email_canonical"],
            IndexKind::Unique,
        )],
    },
    Collection {
        name: SESSIONS,
        indexes: &[
            Index::new("of_user", &["user", "_id"], IndexKind::Plain),
            Index::new("expiry", &["expires_at"], IndexKind::Expiry),
        ],
    },
    Collection {
        name: COUNTERS,
        indexes: &[Index::new("expiry", &["expires_at"], IndexKind::Expiry)],
    },
    Collection {
        name: TASKS,
        indexes: &[
            Index::new("by_created", &["owner", "by_created"], IndexKind::Plain),
            Index::new("by_updated", &["owner", "by_updated"], IndexKind::Plain),
            Index::new("by_due", &["owner", "by_due"], IndexKind::Plain),
            Index::new("by_priority", &["owner", "by_priority"], IndexKind::Plain),
            Index::new(
                "trash_by_updated",
                &["trash_of", "by_updated"],
                IndexKind::Sparse,
            ),
            Index::new("expiry", &["purge_at"], IndexKind::Expiry),
        ],
    },
    Collection {
        name: REQUESTS,
        indexes: &[Index::new("expiry", &["expires_at"], IndexKind::Expiry)],
    },
];
