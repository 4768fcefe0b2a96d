//! Retries of a write that lost to a concurrent writer.

use std::time::{Duration, Instant};

use crate::problem::StoreError;
use crate::time::Timestamp;

/// How often a change of a task is tried.
pub const CHANGE_ATTEMPTS: u32 = 12;

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

/// The time at which a task is changed. It must be later than the task's last change.
pub struct ChangeTime {
    now: Timestamp,
    begun: Instant,
    lost: u32,
    pub at: Timestamp,
}

impl ChangeTime {
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            begun: Instant::now(),
            lost: 0,
            at: now,
        }
    }

    /// Waits before a retry. The first retry follows at once: most often another change was made in
    /// the same millisecond.
    pub async fn wait(&mut self) {
        if self.lost > 0 {
            pause(self.lost).await;
        }
        self.lost += 1;
    }

    /// Moves past the task's last change. After a wait the clock has moved on too, so that concurrent
    /// writers of one task get different times.
    pub fn move_past(&mut self, updated_at: Option<&str>) {
        let elapsed = if self.lost > 1 {
            self.begun.elapsed()
        } else {
            Duration::ZERO
        };
        let updated_at = updated_at.and_then(|time| time.parse().ok());
        self.at = self.now.plus(elapsed).after(updated_at.unwrap_or(self.at));
    }
}
