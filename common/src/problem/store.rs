//! What a store may say instead of doing as asked.

use std::error::Error;

/// Why a store did not do as asked. Whatever the variant, nothing was half done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing, or it belongs to somebody else, or it has expired.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// An account with this address exists already.
    #[error("the address is taken")]
    AddressTaken,
    /// The thing is at another version than the caller's precondition names.
    #[error("the current version is {current}")]
    Stale {
        /// The version that it has.
        current: u64,
    },
    /// The task to restore is not in the trash.
    #[error("the task is not in the trash")]
    NotInTrash,
    /// The session that asked has ended.
    #[error("the session has ended")]
    SessionEnded,
    /// The password is not the one that was verified a moment ago.
    #[error("the password was changed meanwhile")]
    PasswordChanged,
    /// The idempotency key was used with another request.
    #[error("the idempotency key was used with another request")]
    KeyReused,
    /// A request with this idempotency key is being executed.
    #[error("a request with this idempotency key is still running")]
    StillRunning,
    /// The owner's share of the store is used up.
    #[error("the owner's share of the store is used up")]
    Full,
    /// The store is down, slow or throttling. What was asked may or may not have been done.
    #[error("the store cannot answer: {0}")]
    Unavailable(Box<dyn Error + Send + Sync>),
    /// What is stored, or what the store answered, does not fit the types.
    #[error("what is stored does not fit: {0}")]
    Corrupt(Box<dyn Error + Send + Sync>),
}
