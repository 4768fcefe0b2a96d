//! Creates and checks tables, collections and indexes, for a command or at a server's start.

use super::Storage;
use crate::config::{Environment, SettingError};
use crate::database::Database;
use crate::problem::StoreError;
#[cfg(feature = "mongodb")]
use crate::schema::Collection;
use crate::schema::{SqliteSchema, Table};
use crate::{record_sweep, record_table};

/// The table of the notes of copies.
static COPIES: SqliteSchema = SqliteSchema {
    service: "copy",
    migrations: &[record_table!("copies")],
    sweeps: &[record_sweep!("copies")],
};

/// Creates the tables, collections and indexes of the services, and reports each to `tell`. It can
/// be run again, also while the database is in use.
///
/// # Errors
/// One line: what cannot be done, and why.
pub async fn migrate(
    database: &Database,
    storages: &[&Storage],
    environment: Environment<'_>,
    tell: &mut dyn FnMut(&str),
) -> Result<(), String> {
    match database {
        #[cfg(feature = "dynamodb")]
        Database::DynamoDb(client) => {
            let tables = tables(storages, environment).map_err(|error| error.to_string())?;
            crate::dynamodb::migrate(client, &tables, tell).await
        }
        #[cfg(feature = "mongodb")]
        Database::MongoDb(connection) => {
            let _ = environment;
            let migrated = crate::mongodb::migrate(connection, &collections(storages), tell).await;
            migrated.map_err(|error| error.to_string())
        }
        #[cfg(feature = "sqlite")]
        Database::Sqlite(sqlite) => {
            let _ = environment;
            let migrated = crate::sqlite::migrate(sqlite, &schemas(storages), tell).await;
            migrated.map_err(|error| error.to_string())
        }
    }
}

/// Checks that the database answers and has its tables and indexes, where that does not need the
/// permission to change them: on MongoDB and SQLite.
///
/// # Errors
/// One line: what is missing and how to create it, or that the database does not answer.
pub async fn check(database: &Database, storages: &[&Storage]) -> Result<(), String> {
    match database {
        #[cfg(feature = "dynamodb")]
        Database::DynamoDb(_) => {
            let _ = storages;
            Ok(())
        }
        #[cfg(feature = "mongodb")]
        Database::MongoDb(connection) => {
            let checked = crate::mongodb::check(connection, &collections(storages)).await;
            checked.map_err(|error| error.to_string())
        }
        #[cfg(feature = "sqlite")]
        Database::Sqlite(sqlite) => {
            let checked = crate::sqlite::check(sqlite, &schemas(storages));
            checked.map_err(|error| error.to_string())
        }
    }
}

/// Creates the missing tables, on an engine that creates them at once.
///
/// # Errors
/// The engine refuses.
pub async fn create_tables(database: &Database, tables: &[Table]) -> Result<(), StoreError> {
    match database {
        #[cfg(feature = "dynamodb")]
        Database::DynamoDb(client) => crate::dynamodb::create_tables(client, tables).await,
        #[cfg(feature = "mongodb")]
        Database::MongoDb(_) => {
            let _ = tables;
            Ok(())
        }
        #[cfg(feature = "sqlite")]
        Database::Sqlite(_) => {
            let _ = tables;
            Ok(())
        }
    }
}

pub(super) fn tables(
    storages: &[&Storage],
    environment: Environment<'_>,
) -> Result<Vec<Table>, SettingError> {
    storages
        .iter()
        .map(|storage| storage.table(environment))
        .collect()
}

/// The SQLite tables of the services, and that of the notes of copies.
pub fn schemas(storages: &[&Storage]) -> Vec<&'static SqliteSchema> {
    storages
        .iter()
        .map(|storage| storage.sqlite)
        .chain([&COPIES])
        .collect()
}

#[cfg(feature = "mongodb")]
fn collections(storages: &[&Storage]) -> Vec<Collection> {
    storages
        .iter()
        .flat_map(|storage| storage.collections)
        .copied()
        .collect()
}
