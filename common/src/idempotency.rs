//! Requests that must be executed only once, even when sent several times.

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub const IDEMPOTENCY_KEY_LIFETIME: Duration = Duration::from_hours(24);

/// The identity of a request that must be executed only once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdempotencyKey {
    /// The caller's key, unique per caller.
    pub key: String,
    /// A digest of the request that tells it from others. Never derived from a secret by a fast
    /// hash.
    pub fingerprint: String,
}
