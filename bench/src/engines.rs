//! The measured databases, and how they are filled.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use common::config::Environment;
use common::dynamodb::connect_through;
use common::sqlite::Sqlite;
use common::storage::migrate;
use dynoxide::Database;
use serde_json::Value;
use server::engine::Engine;
use server::storages;

/// An engine on `dynamodb.db` in this folder that does not wait for the disk. A crash of the
/// machine may lose data, which is only acceptable in a bench.
///
/// # Errors
/// The file cannot be created.
pub(crate) fn hasty(folder: &Path) -> anyhow::Result<Engine> {
    let database = Database::new(&folder.join("dynamodb.db").to_string_lossy())?;
    database.enable_bulk_loading()?;
    Ok(Engine::from(database))
}

/// The database of a server whose data is in this folder, with its tables.
///
/// # Errors
/// The file cannot be created.
pub(crate) async fn sqlite(folder: &Path) -> anyhow::Result<common::database::Database> {
    let sqlite = Sqlite::open(&folder.join("tasklane.db"))?;
    let database = common::database::Database::Sqlite(Arc::new(sqlite));
    migrate(&database, &storages(), defaults(), &mut |_| {})
        .await
        .map_err(anyhow::Error::msg)?;
    Ok(database)
}

/// The environment of a bench: every setting has its default value.
pub(crate) fn defaults() -> Environment<'static> {
    Environment::new(&|_| None)
}

/// The embedded engine, measuring what each call would cost on DynamoDB.
#[derive(Clone, Debug)]
pub(crate) struct Metered {
    engine: Engine,
    used: Arc<Mutex<Used>>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// The number of calls.
    pub(crate) calls: u32,
    /// Read capacity units, as the engine counts them.
    pub(crate) units: f64,
    /// The number of items read.
    pub(crate) items: u64,
}

impl Metered {
    pub(crate) fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            used: Arc::default(),
        }
    }

    pub(crate) fn database(&self) -> common::database::Database {
        common::database::Database::DynamoDb(connect_through(self.clone()))
    }

    /// Returns what was used since the last call.
    pub(crate) fn take(&self) -> Used {
        std::mem::take(&mut self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, answer: &Value) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.calls += 1;
        used.units += answer["ConsumedCapacity"]["CapacityUnits"]
            .as_f64()
            .unwrap_or_default();
        used.items += answer["ScannedCount"].as_u64().unwrap_or_default();
    }
}

impl HttpConnector for Metered {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        if let Some(Ok(mut body)) = request.body().bytes().map(serde_json::from_slice::<Value>) {
            body["ReturnConsumedCapacity"] = "TOTAL".into();
            *request.body_mut() = SdkBody::from(body.to_string());
        }
        let (meter, answering) = (self.clone(), self.engine.call(request));
        HttpConnectorFuture::new(async move {
            let answer: HttpResponse = answering.await?;
            if let Some(Ok(body)) = answer.body().bytes().map(serde_json::from_slice) {
                meter.note(&body);
            }
            Ok(answer)
        })
    }
}

impl HttpClient for Metered {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
