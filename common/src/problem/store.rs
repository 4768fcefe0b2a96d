//! Why a store operation failed.

use std::error::Error;
use std::fmt;

use super::Problem;

/// Why a store operation failed. No variant leaves an operation half done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not exist, belongs to another user, or has expired.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The precondition does not allow the current version.
    #[error("the current version is {current}")]
    Stale {
        /// The current version.
        current: u64,
    },
    /// A rule of the service forbids it.
    #[error("{0}")]
    Refused(Refusal),
    /// The idempotency key was used with another request.
    #[error("the idempotency key was used with another request")]
    KeyReused,
    /// A request with this idempotency key is still running.
    #[error("a request with this idempotency key is still running")]
    StillRunning,
    /// The owner has reached the limit of stored data.
    #[error("the owner's storage is full")]
    Full,
    /// The disk of the store is full. Nothing was changed.
    #[error("the store's disk is full")]
    DiskFull,
    /// The store is down, slow or throttling. The operation may or may not have been executed.
    #[error("the store cannot answer: {0}")]
    Unavailable(Box<dyn Error + Send + Sync>),
    /// The stored data, or the store's answer, does not fit the types.
    #[error("the stored data is not valid: {0}")]
    Corrupt(Box<dyn Error + Send + Sync>),
}

/// A rule of a service that only its store can check, with the client's problem.
#[derive(Clone, Copy)]
pub struct Refusal {
    /// The reason, for the log and for tests.
    pub reason: &'static str,
    pub problem: fn() -> Problem,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}
