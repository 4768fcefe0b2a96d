//! Opening the file.

use std::fmt::Display;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::upkeep::beside;

/// The number in the file's header that says whose database it is: `lane` in ASCII.
/// https://www.sqlite.org/pragma.html#pragma_application_id
const APPLICATION: i32 = 0x6c61_6e65;
/// How many prepared statements a connection keeps: more than all services have.
const STATEMENTS: usize = 128;
/// How long a connection waits for another: only a backup or a checkpoint can be in its way.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause}")]
pub struct OpenError {
    path: String,
    cause: String,
}

impl OpenError {
    pub(super) fn new(path: &Path, cause: impl Display) -> Self {
        Self {
            path: path.display().to_string(),
            cause: cause.to_string(),
        }
    }
}

/// Where the connections of a database lead.
pub(super) enum Place {
    File(PathBuf),
    /// The name of a database in this process's memory.
    Memory(String),
}

impl Place {
    pub(super) fn memory() -> Self {
        Self::Memory(format!(
            "file:{}?mode=memory&cache=shared",
            Uuid::new_v4().simple()
        ))
    }

    fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Memory(name) => Path::new(name),
        }
    }

    /// The connection that writes. Every commit is synced, so it survives a loss of power
    /// (https://www.sqlite.org/pragma.html#pragma_synchronous).
    pub(super) fn open_writer(&self) -> Result<Connection, OpenError> {
        if let Self::File(path) = self {
            // SQLite creates its other files with the mode of this one.
            private_file(path).map_err(|error| OpenError::new(path, error))?;
        }
        let connection =
            self.open(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        self.check_owner(&connection)?;
        let set_up = || {
            connection.pragma_update(None, "application_id", APPLICATION)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            // The first read creates the log, if it is missing.
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        };
        set_up().map_err(|error: rusqlite::Error| OpenError::new(self.path(), error))?;
        Ok(connection)
    }

    /// Checks that this is a database of Tasklane.
    pub(super) fn check(&self) -> Result<(), OpenError> {
        let connection = self.open(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        self.check_owner(&connection)
    }

    pub(super) fn open_reader(&self) -> rusqlite::Result<Connection> {
        self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn open(&self, mode: OpenFlags) -> Result<Connection, OpenError> {
        self.connect(mode)
            .map_err(|error| OpenError::new(self.path(), error))
    }

    fn connect(&self, mode: OpenFlags) -> rusqlite::Result<Connection> {
        let flags = match self {
            Self::File(_) => mode,
            Self::Memory(_) => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI,
        };
        // Each connection is used by one thread at a time.
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.path(), flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Functions and virtual tables in a manipulated schema do not run.
        connection.pragma_update(None, "trusted_schema", false)?;
        Ok(connection)
    }

    /// Refuses a file that another program made.
    fn check_owner(&self, connection: &Connection) -> Result<(), OpenError> {
        let read = |sql| connection.query_row(sql, [], |row| row.get::<_, i32>(0));
        let owner = read("PRAGMA application_id")
            .and_then(|owner| Ok((owner, read("SELECT count(*) FROM sqlite_schema")?)));
        match owner {
            Ok((APPLICATION, _) | (0, 0)) => Ok(()),
            Ok(_) => Err(OpenError::new(
                self.path(),
                "it is not a database of Tasklane",
            )),
            Err(error) => Err(OpenError::new(self.path(), error)),
        }
    }
}

/// Holds off other processes. The system releases it when the process ends, however it ends.
pub(super) struct FileLock(#[expect(dead_code, reason = "it is locked while it is open")] File);

impl FileLock {
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let file =
            private_file(&beside(path, "-lock")).map_err(|error| OpenError::new(path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                Err(OpenError::new(path, "another process has opened it"))
            }
            Err(TryLockError::Error(error)) => Err(OpenError::new(path, error)),
        }
    }
}

/// Opens a file, and creates it if it is missing; only its owner may use a new one.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
