//! A DynamoDB engine on a file, for Lambda functions on this machine and for tests.
//!
//! The same DynamoDB code as in AWS runs on it: the client passes every request to the engine in
//! this process.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use dynoxide::{Database, DynoxideError};
use rusqlite::{Connection, OpenFlags};

use crate::private;

/// The prefix of the header that names the operation.
pub(crate) const TARGET: &str = "DynamoDB_20120810.";
/// How often expired items are deleted; DynamoDB does this automatically.
const SWEEP: Duration = Duration::from_secs(15 * 60);

/// An engine, on a file or in memory.
#[derive(Clone)]
pub struct Engine(Database);

impl Engine {
    /// Opens the engine on `dynamodb.db` in this folder, and creates both if needed.
    ///
    /// # Errors
    /// The folder or the file cannot be created or read.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join("dynamodb.db");
        // SQLite creates its other files with the same mode as this one.
        let open = || {
            private::create_folder(folder)?;
            private::open_file(&file)?;
            anyhow::Ok(Self(Database::new(&file.to_string_lossy())?))
        };
        open().with_context(|| format!("{} cannot be opened", file.display()))
    }

    /// Opens the engine on an existing file.
    ///
    /// # Errors
    /// The file does not exist, or is not the engine's.
    pub fn open_file(file: &Path) -> anyhow::Result<Self> {
        if !Self::owns(file) {
            bail!("{} is not a file of the DynamoDB engine", file.display());
        }
        let open = Database::new(&file.to_string_lossy());
        let engine = open.with_context(|| format!("{} cannot be opened", file.display()))?;
        Ok(Self(engine))
    }

    /// Whether this is a file of the engine, in which the server kept its data before it had a
    /// store of its own.
    pub fn owns(file: &Path) -> bool {
        let has_tables = || {
            let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.table_exists(None, "_tables")
        };
        has_tables().unwrap_or(false)
    }

    /// Creates an engine in memory, whose data is lost when it is dropped.
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn in_memory() -> anyhow::Result<Self> {
        Ok(Self(Database::memory()?))
    }

    pub fn database(&self) -> common::database::Database {
        common::database::Database::DynamoDb(self.client())
    }

    pub fn client(&self) -> aws_sdk_dynamodb::Client {
        common::dynamodb::connect_through(self.clone())
    }

    /// Deletes expired items now and every quarter of an hour, until the runtime ends.
    pub fn keep_swept(&self) {
        let engine = self.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(SWEEP);
            loop {
                ticks.tick().await;
                let database = engine.0.clone();
                // Expired items count as deleted anyway; until they are swept they only use space.
                let _ = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
            }
        });
    }

    /// Runs an operation. Returns the status and JSON of the answer.
    ///
    /// # Errors
    /// The engine panicked, or the runtime ends.
    pub(crate) async fn call(
        &self,
        operation: String,
        body: Bytes,
    ) -> Result<(u16, String), tokio::task::JoinError> {
        let engine = self.clone();
        let ran = tokio::task::spawn_blocking(move || engine.run(&operation, &body)).await?;
        Ok(match ran {
            Ok(json) => (200, json),
            Err(error) => (error.status_code(), error.to_json()),
        })
    }

    fn run(&self, operation: &str, body: &[u8]) -> Result<String, DynoxideError> {
        let database = &self.0;
        match operation {
            "GetItem" => answer(body, |request| database.get_item(request)),
            "PutItem" => answer(body, |request| database.put_item(request)),
            "UpdateItem" => answer(body, |request| database.update_item(request)),
            "DeleteItem" => answer(body, |request| database.delete_item(request)),
            "Query" => answer(body, |request| database.query(request)),
            "Scan" => answer(body, |request| database.scan(request)),
            "BatchWriteItem" => answer(body, |request| database.batch_write_item(request)),
            "BatchGetItem" => answer(body, |request| database.batch_get_item(request)),
            "TransactGetItems" => answer(body, |request| database.transact_get_items(request)),
            "TransactWriteItems" => answer(body, |request| database.transact_write_items(request)),
            "ListTables" => answer(body, |request| database.list_tables(request)),
            "DescribeTable" => answer(body, |request| database.describe_table(request)),
            "DeleteTable" => answer(body, |request| database.delete_table(request)),
            "DescribeTimeToLive" => answer(body, |request| database.describe_time_to_live(request)),
            "CreateTable" => answer(body, |request| database.create_table(request)),
            "UpdateTimeToLive" => answer(body, |request| database.update_time_to_live(request)),
            _ => Err(DynoxideError::ValidationException(format!(
                "{operation} is not an operation that Tasklane uses"
            ))),
        }
    }
}

fn answer<Request, Answer>(
    body: &[u8],
    run: impl FnOnce(Request) -> Result<Answer, DynoxideError>,
) -> Result<String, DynoxideError>
where
    Request: serde::de::DeserializeOwned,
    Answer: serde::Serialize,
{
    let refused =
        |error: serde_json::Error| DynoxideError::SerializationException(error.to_string());
    let answer = run(serde_json::from_slice(body).map_err(refused)?)?;
    serde_json::to_string(&answer).map_err(refused)
}

impl From<Database> for Engine {
    /// The engine on an already opened database.
    fn from(database: Database) -> Self {
        Self(database)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engine(..)")
    }
}

impl HttpConnector for Engine {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let engine = self.clone();
        HttpConnectorFuture::new(async move {
            let operation = request
                .headers()
                .get("x-amz-target")
                .and_then(|target| target.strip_prefix(TARGET))
                .unwrap_or_default()
                .to_owned();
            let body = Bytes::copy_from_slice(request.body().bytes().unwrap_or_default());
            let (status, json) = engine
                .call(operation, body)
                .await
                .map_err(|error| ConnectorError::other(error.into(), None))?;
            let status = status
                .try_into()
                .map_err(|error| ConnectorError::other(Box::new(error), None))?;
            Ok(HttpResponse::new(status, SdkBody::from(json)))
        })
    }
}

impl HttpClient for Engine {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
