//! The two sides of a copy: a database, and its name in messages.

use super::notes::Notes;
use super::record::{CopyStore, Record, RecordKind, RecordPage};
use crate::config::{DATABASE_URL, DatabaseUrl, Environment, SettingError};
use crate::database::Database;
use crate::problem::StoreError;
use crate::storage::Storage;
use crate::storage::migration::tables;

/// A database to copy from or to.
pub struct Side {
    services: Vec<Service>,
    pub(super) notes: Notes,
    /// What and where it is. The same database always has the same name.
    pub(super) name: String,
}

struct Service {
    kinds: &'static [RecordKind],
    store: Box<dyn CopyStore>,
}

impl Side {
    /// The records of these services in the database at `DATABASE_URL`.
    ///
    /// # Errors
    /// A setting cannot be used.
    pub fn of_settings(
        database: &Database,
        storages: &[&Storage],
        environment: Environment<'_>,
    ) -> Result<Self, SettingError> {
        let place = match environment.get(&DATABASE_URL)? {
            DatabaseUrl::DynamoDb => {
                format!(
                    "DynamoDB in {}",
                    environment.variable("AWS_REGION").unwrap_or_default()
                )
            }
            DatabaseUrl::DynamoDbAt(address) => {
                format!(
                    "DynamoDB at {}",
                    address.rsplit('@').next().unwrap_or_default()
                )
            }
            DatabaseUrl::MongoDb(url) => {
                format!(
                    "the database {} of MongoDB at {}",
                    url.database(),
                    url.hosts()
                )
            }
            DatabaseUrl::Sqlite(path) => format!("the SQLite file {}", path.display()),
        };
        Self::new(database, storages, environment, &place)
    }

    /// The records of these services in a database with this name.
    ///
    /// # Errors
    /// A setting cannot be used.
    pub fn new(
        database: &Database,
        storages: &[&Storage],
        environment: Environment<'_>,
        place: &str,
    ) -> Result<Self, SettingError> {
        let tables = tables(storages, environment)?;
        let tables: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let services = storages
            .iter()
            .zip(&tables)
            .map(|(storage, table)| Service {
                kinds: storage.kinds,
                store: (storage.open)(database, table),
            });
        let name = match database {
            #[cfg(feature = "dynamodb")]
            Database::DynamoDb(_) => format!("the tables {} of {place}", tables.join(" and ")),
            #[cfg(feature = "mongodb")]
            Database::MongoDb(_) => place.to_owned(),
            #[cfg(feature = "sqlite")]
            Database::Sqlite(_) => place.to_owned(),
        };
        Ok(Self {
            services: services.collect(),
            notes: Notes::new(database, tables.first().copied().unwrap_or_default()),
            name,
        })
    }

    /// The kind and address of the database, without a password.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is any record of this kind. Stops reading at the first one.
    ///
    /// # Errors
    /// The database is unavailable.
    pub async fn has_any(&self, kind: &RecordKind) -> Result<bool, StoreError> {
        let mut after = None;
        loop {
            let page = self.read(kind, after.as_deref()).await?;
            if !page.records.is_empty() {
                return Ok(true);
            }
            let Some(next) = page.next else {
                return Ok(false);
            };
            after = Some(next);
        }
    }

    /// Every kind of record, in the order in which they are copied.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &'static RecordKind> {
        self.services.iter().flat_map(|service| service.kinds)
    }

    pub(super) async fn read(
        &self,
        kind: &RecordKind,
        after: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        self.store(kind)?.read(kind, after).await
    }

    pub(super) async fn add(&self, kind: &RecordKind, record: &Record) -> Result<(), StoreError> {
        self.store(kind)?.add(kind, record).await
    }

    fn store(&self, kind: &RecordKind) -> Result<&dyn CopyStore, StoreError> {
        let service = self
            .services
            .iter()
            .find(|service| service.kinds.contains(kind));
        let store = service.map(|service| service.store.as_ref());
        store.ok_or_else(|| StoreError::Corrupt(format!("no service stores {}", kind.many).into()))
    }
}
