//! Migrations by number: the statements that make and change the tables, each service its own.

use rusqlite::{Connection, params};

use super::upkeep::{BackupError, back_up, beside};
use super::{Sqlite, Text};
use crate::problem::StoreError;
use crate::schema::SqliteSchema;
use crate::time::{Clock, SystemClock};

/// Why a database cannot be migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error(
        "{path} was written by a newer version of Tasklane: it has migration {number} of {service}, this version knows {known}"
    )]
    Newer {
        path: String,
        service: &'static str,
        number: usize,
        known: usize,
    },
    #[error("{path} lacks {missing} migrations of {service}: run `tasklane migrate`")]
    Missing {
        path: String,
        service: &'static str,
        missing: usize,
    },
    #[error("a copy of {path} cannot be made before it is migrated: {cause}")]
    Backup { path: String, cause: BackupError },
    #[error("{path} cannot be migrated: {cause}")]
    Failed { path: String, cause: StoreError },
}

const MIGRATIONS: &str = "CREATE TABLE IF NOT EXISTS migrations (
    service TEXT NOT NULL,
    number INTEGER NOT NULL,
    applied_at TEXT NOT NULL,
    PRIMARY KEY (service, number)
) STRICT";

/// Brings the tables of the services up to date, in one transaction, and reports each migration to
/// `tell`. A database that already has tables is first copied beside itself.
///
/// # Errors
/// The database is newer than this program, or cannot be written. Then it is unchanged.
pub async fn migrate(
    sqlite: &Sqlite,
    services: &[&'static SqliteSchema],
    tell: &mut dyn FnMut(&str),
) -> Result<(), MigrationError> {
    let path = || sqlite.path().display().to_string();
    let failed = |cause| MigrationError::Failed {
        path: path(),
        cause,
    };
    let applied = numbers(sqlite, services)?;
    let pending: Vec<(&'static SqliteSchema, usize)> = services
        .iter()
        .zip(&applied)
        .filter(|(schema, applied)| schema.migrations.len() > **applied)
        .map(|(schema, applied)| (*schema, *applied))
        .collect();
    if pending.is_empty() {
        return Ok(());
    }
    if applied.iter().any(|applied| *applied > 0) {
        let number: usize = applied.iter().sum();
        let copy = beside(sqlite.path(), &format!(".before-{}", number + 1));
        back_up(sqlite, &copy).map_err(|cause| MigrationError::Backup {
            path: path(),
            cause,
        })?;
        tell(&format!("a copy of the database is in {}", copy.display()));
    }
    let to_apply = pending.clone();
    sqlite
        .write(move |connection| apply(connection, &to_apply))
        .await
        .map_err(failed)?;
    for (schema, applied) in pending {
        let (service, last) = (schema.service, schema.migrations.len());
        tell(&match applied {
            0 => format!("tables of {service}: created"),
            _ => format!("tables of {service}: migrated from {applied} to {last}"),
        });
    }
    Ok(())
}

/// Checks that the tables of the services are up to date.
///
/// # Errors
/// They are not, or the database cannot be read.
pub fn check(sqlite: &Sqlite, services: &[&'static SqliteSchema]) -> Result<(), MigrationError> {
    for (schema, applied) in services.iter().zip(numbers(sqlite, services)?) {
        let missing = schema.migrations.len() - applied;
        if missing > 0 {
            return Err(MigrationError::Missing {
                path: sqlite.path().display().to_string(),
                service: schema.service,
                missing,
            });
        }
    }
    Ok(())
}

/// The number of the last migration of each service.
fn numbers(
    sqlite: &Sqlite,
    services: &[&'static SqliteSchema],
) -> Result<Vec<usize>, MigrationError> {
    let path = || sqlite.path().display().to_string();
    let mut numbers = Vec::new();
    for schema in services {
        let number = sqlite
            .read(|connection| last_migration(connection, schema.service))
            .map_err(|cause| MigrationError::Failed {
                path: path(),
                cause,
            })?;
        if number > schema.migrations.len() {
            return Err(MigrationError::Newer {
                path: path(),
                service: schema.service,
                number,
                known: schema.migrations.len(),
            });
        }
        numbers.push(number);
    }
    Ok(numbers)
}

fn last_migration(connection: &Connection, service: &str) -> Result<usize, StoreError> {
    // `Connection::table_exists` does not see tables that were made since it was opened.
    let exists = "SELECT count(*) FROM sqlite_schema WHERE name = 'migrations'";
    if connection.query_row(exists, [], |row| row.get::<_, i32>(0))? == 0 {
        return Ok(0);
    }
    let sql = "SELECT coalesce(max(number), 0) FROM migrations WHERE service = ?1";
    Ok(connection.query_row(sql, [service], |row| row.get(0))?)
}

fn apply(connection: &Connection, pending: &[(&SqliteSchema, usize)]) -> Result<(), StoreError> {
    connection.execute_batch(MIGRATIONS)?;
    let now = SystemClock.now();
    for (schema, applied) in pending {
        for (at, statements) in schema.migrations.iter().enumerate().skip(*applied) {
            connection.execute_batch(statements)?;
            connection.execute(
                "INSERT INTO migrations (service, number, applied_at) VALUES (?1, ?2, ?3)",
                params![schema.service, at + 1, Text(now)],
            )?;
        }
    }
    Ok(())
}
