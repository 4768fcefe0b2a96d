//! The two sides of a copy: a store, and what people call it.

use async_trait::async_trait;

use super::record::{Record, RecordKind, RecordPage};
use crate::config::{DatabaseUrl, SettingError, Settings};
use crate::problem::StoreError;
use crate::store::{dynamodb, mongodb};

/// How many records, or documents and items, a page is read from at the most. A page of the largest
/// tasks there can be is some ten megabytes.
pub(in crate::store) const PAGE: usize = 200;

/// A store from end to end.
#[async_trait]
pub(in crate::store) trait CopyStore: Send + Sync {
    /// Reads the records of a kind, from the beginning or from where the page before ended. What
    /// cannot be read as any kind is in the pages of one. What has expired may be among them.
    async fn read(&self, kind: RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError>;

    /// Adds a record, unless there is one in its place, which stays as it is. Nothing else is
    /// changed.
    async fn add(&self, record: &Record) -> Result<(), StoreError>;

    /// What was noted here, beside the records.
    async fn note(&self) -> Result<Option<String>, StoreError>;

    /// Notes this in place of what was noted before.
    async fn put_note(&self, note: &str) -> Result<(), StoreError>;
}

/// A store that is copied from or to.
pub struct Side {
    pub(super) store: Box<dyn CopyStore>,
    /// What and where it is. The same place is always called the same.
    pub(super) name: String,
}

impl Side {
    /// The database of these settings.
    ///
    /// # Errors
    /// A setting cannot be used. Whether the database answers is found out by using it.
    pub async fn connect(
        settings: &Settings,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingError> {
        match &settings.database {
            DatabaseUrl::DynamoDb => {
                let region = environment("AWS_REGION").unwrap_or_default();
                Ok(Self::dynamodb(
                    crate::dynamodb::connect(settings, environment).await?,
                    settings,
                    &format!("DynamoDB in {region}"),
                ))
            }
            DatabaseUrl::DynamoDbAt(address) => Ok(Self::dynamodb(
                crate::dynamodb::connect(settings, environment).await?,
                settings,
                &format!(
                    "DynamoDB at {}",
                    address.rsplit('@').next().unwrap_or_default()
                ),
            )),
            DatabaseUrl::MongoDb(url) => {
                let connection = crate::mongodb::Connection::new(url, settings, environment)?;
                let name = format!(
                    "the database {} of MongoDB at {}",
                    url.database(),
                    url.hosts()
                );
                Ok(Self {
                    store: Box::new(mongodb::FullScan::new(connection)),
                    name,
                })
            }
        }
    }

    /// Whether there is any account. It reads no further than to the first one.
    ///
    /// # Errors
    /// The store cannot answer.
    pub async fn has_accounts(&self) -> Result<bool, StoreError> {
        let mut after = None;
        loop {
            let page = self
                .store
                .read(RecordKind::Account, after.as_deref())
                .await?;
            if !page.records.is_empty() {
                return Ok(true);
            }
            let Some(next) = page.next else {
                return Ok(false);
            };
            after = Some(next);
        }
    }

    /// The tables of these settings, through a client of the DynamoDB-compatible engine in this
    /// place.
    pub fn dynamodb(client: aws_sdk_dynamodb::Client, settings: &Settings, place: &str) -> Self {
        let (users, tasks) = (&settings.users_table, &settings.tasks_table);
        Self {
            store: Box::new(dynamodb::FullScan::new(client, users, tasks)),
            name: format!("the tables {users} and {tasks} of {place}"),
        }
    }

    /// What and where it is, without a password.
    pub fn name(&self) -> &str {
        &self.name
    }
}
