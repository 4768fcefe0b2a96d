//! What an operator does with a database: a backup, and a check.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::Sqlite;
use super::file::private_file;
use crate::problem::StoreError;

/// How many faults a check names at most.
const FAULTS: usize = 100;

/// Why a backup was not made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{0} already exists")]
    Exists(String),
    #[error("{path} cannot be written: {cause}")]
    Failed { path: String, cause: String },
}

/// Writes a copy of the database, as of now, to a new file. It is on disk when this returns. Others
/// may read and write the database meanwhile.
///
/// # Errors
/// The file exists, or one of both cannot be used. Then there is no such file afterwards.
pub fn back_up(sqlite: &Sqlite, to: &Path) -> Result<(), BackupError> {
    if to.exists() {
        return Err(BackupError::Exists(to.display().to_string()));
    }
    let unfinished = beside(to, ".unfinished");
    let failed = |cause: String| {
        // It is of no use, and would be in the way of the next attempt.
        let _ = std::fs::remove_file(&unfinished);
        BackupError::Failed {
            path: to.display().to_string(),
            cause,
        }
    };
    let _ = std::fs::remove_file(&unfinished);
    // SQLite writes into an empty file as well, and leaves its mode as it is.
    let file = private_file(&unfinished).map_err(|error| failed(error.to_string()))?;
    sqlite
        .read(|connection| {
            connection.execute("VACUUM INTO ?1", [unfinished.to_string_lossy()])?;
            Ok(())
        })
        .map_err(|error| failed(error.to_string()))?;
    let finish = || {
        file.sync_all()?;
        std::fs::rename(&unfinished, to)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    finish().map_err(|error| failed(error.to_string()))
}

/// Reads the whole file, and names what is damaged: pages, indexes that do not fit their tables,
/// values that break a rule of their table, and references that lead nowhere.
///
/// # Errors
/// The file cannot be read at all.
pub fn faults(sqlite: &Sqlite) -> Result<Vec<String>, StoreError> {
    sqlite.read(|connection| {
        let mut faults = Vec::new();
        for find in [damage, dangling] {
            // A file can be too damaged for a list of its faults.
            if let Err(error) = find(connection, &mut faults) {
                faults.push(error.to_string());
            }
        }
        Ok(faults)
    })
}

fn damage(connection: &Connection, faults: &mut Vec<String>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({FAULTS})"))?;
    for line in statement.query_map([], |row| row.get::<_, String>(0))? {
        let line = line?;
        if line != "ok" {
            faults.push(line);
        }
    }
    Ok(())
}

fn dangling(connection: &Connection, faults: &mut Vec<String>) -> rusqlite::Result<()> {
    let references = "SELECT \"table\", parent FROM pragma_foreign_key_check() LIMIT ?1";
    let mut statement = connection.prepare(references)?;
    let lines = statement.query_map([FAULTS], |row| {
        let [table, parent] = [row.get::<_, String>(0)?, row.get(1)?];
        Ok(format!(
            "a row of {table} refers to a row of {parent} that does not exist"
        ))
    })?;
    for line in lines {
        faults.push(line?);
    }
    Ok(())
}

/// The path of a file beside another: its name with this end.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
