//! Deletes rows that have expired. They count as deleted before; until then they only use space.

use super::{Sqlite, Text};
use crate::problem::StoreError;
use crate::schema::SqliteSchema;
use crate::time::Timestamp;

/// Deletes what has expired, in small steps between which other writes are made, and returns how
/// many rows were deleted.
///
/// # Errors
/// The database cannot be written.
pub async fn sweep(
    sqlite: &Sqlite,
    services: &[&'static SqliteSchema],
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut deleted = 0;
    for sweep in services.iter().flat_map(|schema| schema.sweeps) {
        let expired = Text(now.minus(sweep.lifetime));
        loop {
            let step = sqlite
                .write(move |connection| {
                    let mut statement = connection.prepare_cached(sweep.statement)?;
                    Ok(statement.execute([expired])?)
                })
                .await?;
            if step == 0 {
                break;
            }
            deleted += step;
        }
    }
    Ok(deleted)
}
