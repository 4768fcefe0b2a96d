//! What a store may say instead of doing as asked.

use std::error::Error;
use std::fmt;

/// Why a store did not do as asked. Whatever the variant, nothing was half done.
#[derive(Debug)]
pub enum StoreError {
    /// There is no such thing, or it belongs to somebody else, or it has expired.
    NotFound(&'static str),
    /// An account with this address exists already.
    AddressTaken,
    /// The thing is at another version than the caller's precondition names.
    Stale {
        /// The version that it has.
        current: u64,
    },
    /// The task to restore is not in the trash.
    NotInTrash,
    /// The session that asked has ended.
    SessionEnded,
    /// The password is not the one that was verified a moment ago.
    PasswordChanged,
    /// The idempotency key was used with another request.
    KeyReused,
    /// A request with this idempotency key is being executed.
    StillRunning,
    /// The owner's share of the store is used up.
    Full,
    /// The store is down, slow or throttling. What was asked may or may not have been done.
    Unavailable(Box<dyn Error + Send + Sync>),
    /// What is stored, or what the store answered, does not fit the types.
    Corrupt(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(what) => write!(f, "no such {what}"),
            Self::AddressTaken => f.write_str("the address is taken"),
            Self::Stale { current } => write!(f, "the current version is {current}"),
            Self::NotInTrash => f.write_str("the task is not in the trash"),
            Self::SessionEnded => f.write_str("the session has ended"),
            Self::PasswordChanged => f.write_str("the password was changed meanwhile"),
            Self::KeyReused => f.write_str("the idempotency key was used with another request"),
            Self::StillRunning => f.write_str("a request with this idempotency key is still running"),
            Self::Full => f.write_str("the owner's share of the store is used up"),
            Self::Unavailable(cause) => write!(f, "the store cannot answer: {cause}"),
            Self::Corrupt(cause) => write!(f, "what is stored does not fit: {cause}"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable(cause) | Self::Corrupt(cause) => cause.source(),
            _ => None,
        }
    }
}
