//! Why a store did not do what it was asked.

use std::error::Error;
use std::fmt;

use super::Problem;

/// Why a store did not do what it was asked. Whatever the variant, nothing was half done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing, or it belongs to somebody else, or it has expired.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The thing is at another version than the caller's precondition names.
    #[error("the current version is {current}")]
    Stale {
        /// The version that it has.
        current: u64,
    },
    /// A rule of the service forbids it.
    #[error("{0}")]
    Refused(Refusal),
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

/// A rule of a service that only its store can check, and the problem that the client gets.
#[derive(Clone, Copy)]
pub struct Refusal {
    /// Why, for the log and for tests.
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
