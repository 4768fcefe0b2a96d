//! The services' data in the database: creating and checking tables, collections and indexes, and
//! copying everything from one database to another.

pub mod copy;
mod migration;

pub use migration::{check, create_tables, migrate, schemas};

use crate::config::{Environment, Setting, SettingError};
use crate::database::Database;
use crate::schema::{Collection, SqliteSchema, Table};

/// A service's data in the database.
pub struct Storage {
    /// The setting that names its DynamoDB table.
    pub table: Setting,
    /// The local secondary indexes of the table.
    pub indexes: &'static [&'static str],
    pub collections: &'static [Collection],
    pub sqlite: &'static SqliteSchema,
    /// The kinds of records to copy, in this order: a record comes after the records that it needs.
    pub kinds: &'static [copy::RecordKind],
    /// Opens the service's records in a database for a copy; on DynamoDB in the table of this name.
    pub open: fn(&Database, &str) -> Box<dyn copy::CopyStore>,
}

impl Storage {
    /// The DynamoDB table of the service.
    ///
    /// # Errors
    /// The setting is malformed.
    pub fn table(&self, environment: Environment<'_>) -> Result<Table, SettingError> {
        Ok(Table {
            name: environment.text(&self.table)?,
            indexes: self.indexes,
        })
    }
}
