//! The servers that the cases run on.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use common::config::{DatabaseUrl, Settings};
use common::dynamodb::{Table, connect, connect_through, create_tables};
use common::http::Part;
use common::mongodb::Connection;
use common::records::mongodb::{Records, collection};
use common::records::{self, RecordStore};
use common::store::copy::Side;
use common::store::{Stores, migrate};
use common::time::{Clock, SystemClock, Timestamp};
use server::embedded::Engine;
use server::start::embedded_stores;
use uuid::Uuid;

use crate::Store;
use crate::lost_answers::LosesAnswers;

/// How far ahead of the clock the cases are, in seconds: a server that sweeps what has expired
/// sweeps nothing of theirs.
const AHEAD: i64 = 24 * 60 * 60;

/// The collection of records.
const RECORDS: &str = "records";

/// A server that stores can be made on.
#[derive(Clone)]
pub enum Server {
    /// The embedded engine, in memory.
    Embedded,
    /// A DynamoDB-compatible server at this URL.
    DynamoDb(String),
    /// A MongoDB-compatible server at this URL.
    MongoDb(String),
    /// FerretDB at this URL.
    FerretDb(String),
}

/// A store that was made for one case.
pub struct Made {
    pub store: Store,
    /// The same, from end to end.
    pub(crate) side: Side,
    /// What it is kept in.
    pub(crate) database: Database,
    /// Whether it is gone when nobody has it any more.
    in_memory: bool,
}

/// What a store is kept in.
pub(crate) enum Database {
    /// Three tables: users, tasks and records.
    Tables(aws_sdk_dynamodb::Client, [String; 3]),
    Collections(mongodb::Database),
}

impl Server {
    /// The embedded engine, and the servers that the environment names:
    ///
    /// - `TEST_DYNAMODB_URL`, such as `dynamodb://127.0.0.1:5000`: a DynamoDB-compatible server
    /// - `TEST_MONGODB_URL`, such as `mongodb://127.0.0.1:27017`: a MongoDB-compatible server
    /// - `TEST_FERRETDB_URL`, likewise: FerretDB, which cannot race
    pub fn in_environment() -> Vec<Self> {
        let given = |name: &str| {
            std::env::var(name)
                .ok()
                .filter(|url| !url.trim().is_empty())
        };
        let mut servers = vec![Self::Embedded];
        servers.extend(given("TEST_DYNAMODB_URL").map(Self::DynamoDb));
        servers.extend(given("TEST_MONGODB_URL").map(Self::MongoDb));
        servers.extend(given("TEST_FERRETDB_URL").map(Self::FerretDb));
        servers
    }

    /// The name that its tests begin with.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::DynamoDb(_) => "dynamodb",
            Self::MongoDb(_) => "mongodb",
            Self::FerretDb(_) => "ferretdb",
        }
    }

    /// Why this server cannot keep a promise about calls at the same moment, where it cannot.
    pub fn cannot_race(&self) -> Option<&'static str> {
        match self {
            Self::FerretDb(_) => Some(
                "FerretDB 1.24 reads, then writes, when it updates; what happens between is lost",
            ),
            Self::Embedded | Self::DynamoDb(_) | Self::MongoDb(_) => None,
        }
    }

    /// Makes an empty store of its own for a case.
    ///
    /// # Errors
    /// The server cannot be used or does not answer.
    pub async fn make(&self) -> Result<Made, String> {
        let name = format!("contract-{}", Uuid::new_v4().simple());
        let url = match self {
            Self::Embedded => "dynamodb://".to_owned(),
            Self::DynamoDb(url) => url.clone(),
            Self::MongoDb(url) | Self::FerretDb(url) => {
                format!("{}/{name}", url.trim_end_matches('/'))
            }
        };
        let environment = |variable: &str| match variable {
            "DATABASE_URL" => Some(url.clone()),
            "TASKLANE_USERS_TABLE" => Some(format!("{name}-users")),
            "TASKLANE_TASKS_TABLE" => Some(format!("{name}-tasks")),
            _ => None,
        };
        let needs = |part| matches!(part, Part::Users | Part::Tasks);
        let settings = Settings::read(&environment, &needs).map_err(|error| error.to_string())?;
        let records_table = format!("{name}-records");
        let names = [
            settings.users_table.clone(),
            settings.tasks_table.clone(),
            records_table.clone(),
        ];
        let mut losing_answers: Option<Arc<dyn RecordStore>> = None;
        let (stores, records, side, database) = match (self, &settings.database) {
            (Self::Embedded, _) => {
                let engine = Engine::in_memory().map_err(|error| format!("{error:#}"))?;
                let side = Side::dynamodb(engine.client(), &settings, "an engine");
                let losing = connect_through(LosesAnswers::of(&engine));
                losing_answers = Some(Arc::new(records::dynamodb::Records::new(
                    losing,
                    &records_table,
                )));
                (
                    embedded_stores(&engine, &settings)
                        .await
                        .map_err(|error| format!("{error:#}"))?,
                    records_in(engine.client(), &records_table).await?,
                    side,
                    Database::Tables(engine.client(), names),
                )
            }
            (Self::DynamoDb(_), DatabaseUrl::DynamoDbAt(_)) => {
                let client = connect(&settings, &environment)
                    .await
                    .map_err(|error| error.to_string())?;
                create_tables(&client, &common::store::tables(&settings))
                    .await
                    .map_err(|error| error.to_string())?;
                // A server for tests may be slow, and what is then sent again is not recognised by
                // it, as it is by the real one.
                let patient = client
                    .config()
                    .to_builder()
                    .timeout_config(TimeoutConfig::disabled())
                    .build();
                let client = aws_sdk_dynamodb::Client::from_conf(patient);
                let side = Side::dynamodb(client.clone(), &settings, "a server");
                (
                    Stores::dynamodb(client.clone(), &settings, &needs),
                    records_in(client.clone(), &records_table).await?,
                    side,
                    Database::Tables(client, names),
                )
            }
            (Self::MongoDb(_) | Self::FerretDb(_), DatabaseUrl::MongoDb(url)) => {
                let connection = Connection::new(url, &settings, &environment)
                    .map_err(|error| error.to_string())?;
                let collections = [collection(RECORDS)];
                common::mongodb::migrate(&connection, &collections, &mut |_| {})
                    .await
                    .map_err(|error| error.to_string())?;
                migrate(&settings, &environment, &mut |_| {}).await?;
                let stores = Stores::connect(&settings, &environment, &needs)
                    .await
                    .map_err(|error| error.to_string())?;
                let client = mongodb::Client::with_uri_str(url.expose())
                    .await
                    .map_err(|error| error.to_string())?;
                let side = Side::connect(&settings, &environment)
                    .await
                    .map_err(|error| error.to_string())?;
                (
                    stores,
                    Arc::new(Records::new(&Arc::new(connection), RECORDS)) as Arc<dyn RecordStore>,
                    side,
                    Database::Collections(client.database(url.database())),
                )
            }
            (Self::MongoDb(_), _) => {
                return Err("TEST_MONGODB_URL must begin with mongodb://".to_owned());
            }
            (Self::FerretDb(_), _) => {
                return Err("TEST_FERRETDB_URL must begin with mongodb://".to_owned());
            }
            (Self::DynamoDb(_), _) => {
                return Err("TEST_DYNAMODB_URL must name a host and a port".to_owned());
            }
        };
        let missing = || "the store lacks a part".to_owned();
        let store = Store {
            users: stores.users.ok_or_else(missing)?,
            counters: stores.counters.ok_or_else(missing)?,
            tasks: stores.tasks.ok_or_else(missing)?,
            records,
            losing_answers,
            transactions: matches!(self, Self::Embedded | Self::DynamoDb(_)),
            now: Timestamp::from_millisecond((SystemClock.now().as_second() + AHEAD) * 1000),
        };
        Ok(Made {
            store,
            side,
            database,
            in_memory: matches!(self, Self::Embedded),
        })
    }
}

/// Makes a table for records.
async fn records_in(
    client: aws_sdk_dynamodb::Client,
    table: &str,
) -> Result<Arc<dyn RecordStore>, String> {
    let tables = [Table {
        name: table.to_owned(),
        indexes: &records::dynamodb::ORDER_INDEXES,
    }];
    create_tables(&client, &tables)
        .await
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(records::dynamodb::Records::new(client, table)))
}

impl Made {
    /// Takes the store away again.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn remove(self) -> Result<(), String> {
        match self.database {
            Database::Tables(..) if self.in_memory => {}
            Database::Tables(client, names) => {
                for name in names {
                    client
                        .delete_table()
                        .table_name(name)
                        .send()
                        .await
                        .map_err(|error| format!("{error:?}"))?;
                }
            }
            Database::Collections(database) => {
                database.drop().await.map_err(|error| error.to_string())?
            }
        }
        Ok(())
    }
}

/// How long a case may take on a server before it counts as hanging.
pub const PATIENCE: Duration = Duration::from_mins(5);
