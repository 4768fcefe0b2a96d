//! The servers on which the cases run.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use common::config::{DATABASE_URL, DatabaseUrl, Environment, Setting};
use common::database::Database;
use common::dynamodb::connect_through;
use common::part::Starter;
use common::problem::StoreError;
use common::records;
use common::schema::SqliteSchema;
use common::sqlite::Sqlite;
use common::storage::copy::{CopyStore, Record, RecordKind, RecordPage, Side};
use common::storage::{self, Storage};
use common::time::{Clock, SystemClock, Timestamp};
use common::{counter_table, record_table};
use contract::Ground;
use server::engine::Engine;
use server::storages;
use tempfile::TempDir;
use uuid::Uuid;

use crate::lost_answers::LosesAnswers;

/// How far the time of the cases is ahead of the clock, in seconds, so that a server that sweeps
/// expired data sweeps none of theirs.
const AHEAD: i64 = 24 * 60 * 60;

/// A table and a collection that have only records.
static RECORDS: Storage = Storage {
    table: Setting::new(RECORDS_TABLE, "records"),
    indexes: &records::ORDER_INDEXES,
    collections: &[
        records::collection(RECORDS_COLLECTION),
        records::collection(COUNTERS_COLLECTION),
    ],
    sqlite: &RECORDS_SCHEMA,
    kinds: &[],
    open: |_, _| Box::new(Nothing),
};
pub(crate) const RECORDS_TABLE: &str = "TEST_RECORDS_TABLE";
pub(crate) const RECORDS_COLLECTION: &str = "records";
pub(crate) const COUNTERS_COLLECTION: &str = "counts";

static RECORDS_SCHEMA: SqliteSchema = SqliteSchema {
    service: "records",
    migrations: &[concat!(record_table!("records"), counter_table!("counts"))],
    sweeps: &[],
};

/// A service without data to copy.
struct Nothing;

#[async_trait]
impl CopyStore for Nothing {
    async fn read(&self, _: &RecordKind, _: Option<&str>) -> Result<RecordPage, StoreError> {
        Ok(RecordPage::default())
    }

    async fn add(&self, _: &RecordKind, _: &Record) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A server on which stores can be created.
#[derive(Clone)]
pub(crate) enum Server {
    /// An SQLite file.
    Sqlite,
    /// The embedded engine, in memory.
    Embedded,
    /// A DynamoDB-compatible server at this URL.
    DynamoDb(String),
    /// A MongoDB-compatible server at this URL.
    MongoDb(String),
    /// FerretDB at this URL.
    FerretDb(String),
}

/// The stores of all services on one database.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) accounts: auth::contract::Store,
    pub(crate) lists: tasks::contract::Store,
    /// The start time of the case.
    pub(crate) now: Timestamp,
}

/// An empty database, created for one case.
pub(crate) struct Made {
    pub(crate) ground: Ground,
    pub(crate) store: Store,
    /// The database as one side of a copy.
    pub(crate) side: Side,
    /// Direct access to the data.
    pub(crate) kept: Kept,
    /// Whether it disappears when it is dropped.
    in_memory: bool,
    /// The folder of the file, if it is one; deleted after the case.
    _folder: Option<TempDir>,
}

/// Direct access to the data of a store.
pub(crate) enum Kept {
    Tables(aws_sdk_dynamodb::Client, Vec<String>),
    Collections(mongodb::Database),
    File(Arc<Sqlite>),
}

impl Server {
    /// SQLite, and what these environment variables name:
    ///
    /// - `TEST_DYNAMODB_ENGINE`: the engine of `tasklane dynamodb`, in memory
    /// - `TEST_DYNAMODB_URL`, such as `dynamodb://127.0.0.1:5000`: a DynamoDB-compatible server
    /// - `TEST_MONGODB_URL`, such as `mongodb://127.0.0.1:27017`: a MongoDB-compatible server
    /// - `TEST_FERRETDB_URL`, likewise: FerretDB, which cannot race
    pub(crate) fn in_environment() -> Vec<Self> {
        let given = |name: &str| {
            std::env::var(name)
                .ok()
                .filter(|url| !url.trim().is_empty())
        };
        let mut servers = vec![Self::Sqlite];
        servers.extend(given("TEST_DYNAMODB_ENGINE").map(|_| Self::Embedded));
        servers.extend(given("TEST_DYNAMODB_URL").map(Self::DynamoDb));
        servers.extend(given("TEST_MONGODB_URL").map(Self::MongoDb));
        servers.extend(given("TEST_FERRETDB_URL").map(Self::FerretDb));
        servers
    }

    /// The prefix of the names of its tests.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Embedded => "embedded",
            Self::DynamoDb(_) => "dynamodb",
            Self::MongoDb(_) => "mongodb",
            Self::FerretDb(_) => "ferretdb",
        }
    }

    /// Why this server cannot run cases with parallel calls; `None` if it can.
    pub(crate) fn cannot_race(&self) -> Option<&'static str> {
        match self {
            Self::FerretDb(_) => Some(
                "FerretDB 1.24 reads, then writes, when it updates; what happens between is lost",
            ),
            Self::Sqlite | Self::Embedded | Self::DynamoDb(_) | Self::MongoDb(_) => None,
        }
    }

    /// Creates an empty store for one case.
    ///
    /// # Errors
    /// The server cannot be used or does not answer.
    pub(crate) async fn make(&self) -> Result<Made, String> {
        let name = format!("contract-{}", Uuid::new_v4().simple());
        let folder = match self {
            Self::Sqlite => Some(tempfile::tempdir().map_err(|error| error.to_string())?),
            _ => None,
        };
        let url = match self {
            Self::Sqlite => {
                let folder = folder.as_ref().map_or(Path::new(""), TempDir::path);
                format!("sqlite://{}", folder.join("tasklane.db").display())
            }
            Self::Embedded => "dynamodb://".to_owned(),
            Self::DynamoDb(url) => url.clone(),
            Self::MongoDb(url) | Self::FerretDb(url) => {
                format!("{}/{name}", url.trim_end_matches('/'))
            }
        };
        let variable = |variable: &str| match variable {
            "DATABASE_URL" => Some(url.clone()),
            // A separate table for each service.
            setting => {
                let mut tables = storages()
                    .into_iter()
                    .chain([&RECORDS])
                    .map(|own| own.table);
                let own = tables.find(|table| table.name == setting)?;
                Some(format!("{name}-{}", own.default.unwrap_or_default()))
            }
        };
        let environment = Environment::new(&variable);
        let (database, losing_answers) = self.database(environment).await?;
        let storages: Vec<&Storage> = storages().into_iter().chain([&RECORDS]).collect();
        let mut tables = Vec::new();
        for storage in &storages {
            tables.push(
                storage
                    .table(environment)
                    .map_err(|error| error.to_string())?,
            );
        }
        storage::create_tables(&database, &tables)
            .await
            .map_err(|error| error.to_string())?;
        if let Database::MongoDb(_) | Database::Sqlite(_) = database {
            storage::migrate(&database, &storages, environment, &mut |_| {}).await?;
        }
        let side = Side::of_settings(&database, &storages, environment);
        let kept = match (&database, environment.get(&DATABASE_URL)) {
            (Database::DynamoDb(client), _) => Kept::Tables(
                client.clone(),
                tables.iter().map(|table| table.name.clone()).collect(),
            ),
            (Database::MongoDb(_), Ok(DatabaseUrl::MongoDb(url))) => {
                let client = mongodb::Client::with_uri_str(url.expose()).await;
                let client = client.map_err(|error| error.to_string())?;
                Kept::Collections(client.database(url.database()))
            }
            (Database::Sqlite(sqlite), _) => Kept::File(Arc::clone(sqlite)),
            _ => return Err("the database is not that of its URL".to_owned()),
        };
        let names = storages.iter().map(|storage| storage.table.name);
        let ground = Ground {
            database,
            tables: names.zip(tables).collect(),
            losing_answers,
            now: Timestamp::from_millisecond((SystemClock.now().as_second() + AHEAD) * 1000),
        };
        Ok(Made {
            store: Store {
                accounts: (&ground).into(),
                lists: (&ground).into(),
                now: ground.now,
            },
            ground,
            side: side.map_err(|error| error.to_string())?,
            kept,
            in_memory: matches!(self, Self::Embedded),
            _folder: folder,
        })
    }

    /// The database, and the same database over a client that loses answers.
    async fn database(
        &self,
        environment: Environment<'_>,
    ) -> Result<(Database, Option<Database>), String> {
        if let Self::Embedded = self {
            let engine = Engine::in_memory().map_err(|error| format!("{error:#}"))?;
            let losing = Database::DynamoDb(connect_through(LosesAnswers::of(&engine)));
            return Ok((engine.database(), Some(losing)));
        }
        let database = Starter::new(environment).part().await;
        match (self, database.map_err(|error| error.to_string())?) {
            (Self::DynamoDb(_), Database::DynamoDb(client)) => {
                // A test server may be slow, and unlike the real one it does not recognise a
                // retried transaction.
                let timeouts = TimeoutConfig::disabled();
                let patient = client
                    .config()
                    .to_builder()
                    .timeout_config(timeouts)
                    .build();
                let client = aws_sdk_dynamodb::Client::from_conf(patient);
                Ok((Database::DynamoDb(client), None))
            }
            (Self::MongoDb(_) | Self::FerretDb(_), database @ Database::MongoDb(_)) => {
                Ok((database, None))
            }
            (Self::Sqlite, database @ Database::Sqlite(_)) => Ok((database, None)),
            (Self::DynamoDb(_), _) => {
                Err("TEST_DYNAMODB_URL must name a host and a port".to_owned())
            }
            _ => Err(format!(
                "the URL of {} must begin with mongodb://",
                self.name()
            )),
        }
    }
}

impl Made {
    /// Removes the store.
    ///
    /// # Errors
    /// The server does not answer.
    pub(crate) async fn remove(self) -> Result<(), String> {
        match self.kept {
            Kept::Tables(..) if self.in_memory => {}
            Kept::File(_) => {}
            Kept::Tables(client, names) => {
                for name in names {
                    client
                        .delete_table()
                        .table_name(name)
                        .send()
                        .await
                        .map_err(|error| format!("{error:?}"))?;
                }
            }
            Kept::Collections(database) => {
                database.drop().await.map_err(|error| error.to_string())?
            }
        }
        Ok(())
    }
}

/// The timeout of a case on a server.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);
