//! Retries of a write that lost to a concurrent writer.

use std::time::Duration;

use crate::problem::StoreError;

/// Waits before the next attempt, longer each time: other servers must have what the winner wrote.
/// Partly random, so that writers who lost together do not collide again.
pub async fn pause(attempt: u32) {
    let least = (10_u64 << attempt).min(320);
    tokio::time::sleep(Duration::from_millis(least + fastrand::u64(..least))).await;
}

/// The error after the last attempt.
pub fn lost() -> StoreError {
    StoreError::Unavailable("lost every retry to concurrent writers".into())
}
