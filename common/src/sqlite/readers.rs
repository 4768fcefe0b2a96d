//! The connections for reading.

use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::execute;
use super::file::Place;
use crate::problem::StoreError;

/// Connections that are not in use. There are never more than have been used at the same time,
/// which is as many as threads read.
pub(super) struct Readers {
    place: Place,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            idle: Mutex::default(),
        }
    }

    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.place.open_reader()?,
        };
        let result = read(&connection);
        // After a failure a new connection reads the file anew.
        let failed = matches!(
            result,
            Err(StoreError::Unavailable(_) | StoreError::Corrupt(_))
        );
        if !failed && connection.is_autocommit() {
            self.idle().push(connection);
        }
        result
    }

    pub(super) fn read_snapshot<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.read(|connection| {
            execute(connection, "BEGIN")?;
            match read(connection) {
                Ok(value) => {
                    execute(connection, "COMMIT")?;
                    Ok(value)
                }
                Err(error) => {
                    // If this fails too, the connection is closed.
                    let _ = execute(connection, "ROLLBACK");
                    Err(error)
                }
            }
        })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
