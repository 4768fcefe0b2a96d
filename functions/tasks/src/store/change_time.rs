//! The time of a change: always later than the task's last change, whatever the clocks say.

use std::time::{Duration, Instant};

use common::races::pause;
use common::time::Timestamp;

/// How often a change of a task is tried.
pub(super) const CHANGE_ATTEMPTS: u32 = 12;

/// The time of a change. It must be later than the task's last change.
pub(super) struct ChangeTime {
    now: Timestamp,
    begun: Instant,
    lost: u32,
    pub(super) at: Timestamp,
}

impl ChangeTime {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            begun: Instant::now(),
            lost: 0,
            at: now,
        }
    }

    /// Waits before a retry. The first retry is immediate: usually another change was made in the
    /// same millisecond.
    pub(super) async fn wait(&mut self) {
        if self.lost > 0 {
            pause(self.lost).await;
        }
        self.lost += 1;
    }

    /// Moves the time past the task's last change. After a wait the elapsed time is added too, so
    /// that concurrent writers of one task get different times.
    pub(super) fn move_past(&mut self, updated_at: Option<&str>) {
        let elapsed = if self.lost > 1 {
            self.begun.elapsed()
        } else {
            Duration::ZERO
        };
        let updated_at = updated_at.and_then(|time| time.parse().ok());
        self.at = self.now.plus(elapsed).after(updated_at.unwrap_or(self.at));
    }
}
