//! Requests that must be executed once, however often they are sent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long an idempotency key is remembered.
pub const IDEMPOTENCY_KEY_LIFETIME: Duration = Duration::from_hours(24);

/// Marks a request that must be executed once, however often it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdempotencyKey {
    /// The caller's key; it is scoped to the caller.
    pub key: String,
    /// Tells the request from any other. Never derived from a secret by a fast hash.
    pub fingerprint: String,
}
