//! Notices that the files of an open database were removed or replaced. SQLite and the system do
//! not: writes would go to files that nobody can open again.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::upkeep::beside;
use crate::problem::StoreError;

/// The files of a database as they were when it was opened.
pub(super) struct Presence {
    file: Opened,
    /// The log and its index.
    beside: [Opened; 2],
    /// Stays set: the connections may have different files open, even if the files come back.
    lost: AtomicBool,
}

struct Opened {
    path: PathBuf,
    identity: Identity,
}

/// The device and inode of a file; both are zero on systems that do not remove open files.
type Identity = (u64, u64);

impl Presence {
    /// All files must exist.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        // SQLite puts the others beside the file itself, not beside a link to it.
        let real = path.canonicalize()?;
        Ok(Self {
            file: Opened::of(path.to_owned())?,
            beside: [
                Opened::of(beside(&real, "-wal"))?,
                Opened::of(beside(&real, "-shm"))?,
            ],
            lost: AtomicBool::new(false),
        })
    }

    /// Checks the file itself: one call of the system, about a microsecond.
    pub(super) fn check_file(&self) -> Result<(), StoreError> {
        self.look_at(&self.file);
        self.check_known()
    }

    /// Looks for all files; a loss is known from then on.
    pub(super) fn look(&self) {
        self.look_at(&self.file);
        for file in &self.beside {
            self.look_at(file);
        }
    }

    /// Fails if a loss is known.
    pub(super) fn check_known(&self) -> Result<(), StoreError> {
        if self.lost.load(Ordering::Relaxed) {
            let cause = "the database's file was removed or replaced; restart the server";
            return Err(StoreError::Unavailable(cause.into()));
        }
        Ok(())
    }

    fn look_at(&self, file: &Opened) {
        if !file.is_there() && !self.lost.swap(true, Ordering::Relaxed) {
            tracing::error!(file = %file.path.display(), "database_file_removed");
        }
    }
}

impl Opened {
    fn of(path: PathBuf) -> io::Result<Self> {
        let identity = identity(&path.metadata()?);
        Ok(Self { path, identity })
    }

    fn is_there(&self) -> bool {
        let found = self.path.metadata();
        found.is_ok_and(|metadata| identity(&metadata) == self.identity)
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Identity {
    (0, 0)
}
