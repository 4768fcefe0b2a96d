//! What all users of SQLite share: one file, one writer, any number of readers, and migrations.
//!
//! One thread makes all writes. Each runs in a savepoint of its own, and those that wait at the
//! same time are committed together: the disk is asked once for many. A write is acknowledged after
//! its commit is on disk. Reads run in parallel, in the calling thread, on connections of their
//! own; they see every acknowledged write.

mod errors;
mod file;
mod migrations;
mod presence;
mod readers;
mod rows;
mod sweep;
#[cfg(test)]
mod tests;
mod text;
mod upkeep;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;

use crate::problem::StoreError;
use crate::telemetry::note_store_call;
pub use file::OpenError;
pub use migrations::{MigrationError, check, migrate};
pub use rows::{column, in_row, text_column};
pub use sweep::sweep;
pub use text::{Json, JsonText, Text};
pub use upkeep::{BackupError, back_up, faults};

use file::{FileLock, Place};
use presence::Presence;
use readers::Readers;
use writer::{Sync, Writer};

/// An SQLite database, opened by this process only.
pub struct Sqlite {
    path: PathBuf,
    // Fields are dropped in this order: the connection that is closed last moves the log into the
    // file, which a reader cannot do.
    readers: Readers,
    /// `None` if it is open for reading only.
    writer: Option<Writer>,
    /// `None` in memory, and if it is open for reading only.
    presence: Option<Arc<Presence>>,
    _lock: Option<FileLock>,
}

impl Sqlite {
    /// Opens the database in this file, and creates the file if it is missing.
    ///
    /// # Errors
    /// It cannot be opened, is no database of Tasklane, or another process has opened it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = FileLock::take(path)?;
        Self::at(path, Place::File(path.to_owned()), Some(lock))
    }

    /// Creates a database in memory. It is lost when it is dropped.
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::at(Path::new(":memory:"), Place::memory(), None)
    }

    /// Opens the database in this file for reading only. Another process may have opened it.
    ///
    /// # Errors
    /// It does not exist, cannot be opened, or is no database of Tasklane.
    pub fn open_to_read(path: &Path) -> Result<Self, OpenError> {
        let place = Place::File(path.to_owned());
        place.check()?;
        Ok(Self {
            path: path.to_owned(),
            writer: None,
            readers: Readers::new(place),
            presence: None,
            _lock: None,
        })
    }

    fn at(path: &Path, place: Place, lock: Option<FileLock>) -> Result<Self, OpenError> {
        let connection = place.open_writer()?;
        let failed = |error| OpenError::new(path, error);
        let presence = match &place {
            Place::File(file) => Some(Arc::new(Presence::of(file).map_err(failed)?)),
            Place::Memory(_) => None,
        };
        let writer = Writer::start(connection, presence.clone()).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            writer: Some(writer),
            readers: Readers::new(place),
            presence,
            _lock: lock,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads. One statement sees one state of the database; several may see the writes between
    /// them: see [`Self::read_snapshot`].
    ///
    /// It does not leave the calling thread: a read takes some microseconds, a change of threads
    /// takes longer.
    ///
    /// # Errors
    /// Those of `read`, the file cannot be read, or it was removed or replaced.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.reading(|readers| readers.read(read))
    }

    /// Reads like [`Self::read`], but all statements see the same state of the database.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_snapshot<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.reading(|readers| readers.read_snapshot(read))
    }

    fn reading<T>(
        &self,
        read: impl FnOnce(&Readers) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let result = read(&self.readers);
        note_store_call("read", started.elapsed());
        if let Some(presence) = &self.presence {
            presence.check_file()?;
        }
        result
    }

    /// Writes in one transaction: all of it if `write` succeeds, nothing if it fails. No other
    /// write runs meanwhile. It may be made even if the caller stops waiting.
    ///
    /// # Errors
    /// Those of `write`; too many writes are waiting, the disk refuses the commit, or the file was
    /// removed or replaced.
    pub async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_with(Sync::Full, write).await
    }

    /// Writes like [`Self::write`], but does not wait for the disk: a loss of power may lose the
    /// write. For what may be lost, such as counters of attempts.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_unsynced<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_with(Sync::Later, write).await
    }

    async fn write_with<T: Send + 'static>(
        &self,
        sync: Sync,
        write: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let writer = self.writer.as_ref();
        let read_only = || StoreError::Unavailable("the database is open for reading only".into());
        let check = || {
            let presence = self.presence.as_deref();
            presence.map_or(Ok(()), Presence::check_known)
        };
        check()?;
        let started = Instant::now();
        let result = writer.ok_or_else(read_only)?.write(sync, write).await;
        note_store_call("write", started.elapsed());
        // The writer looked for the files after the commit.
        check()?;
        result
    }
}

fn execute(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(drop)
}
