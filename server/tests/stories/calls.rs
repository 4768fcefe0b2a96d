//! Records the DynamoDB calls of each function during the stories. `.ci/check_policies.py` compares
//! them with the template.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Mutex;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use common::config::Environment;
use common::database::Database;
use common::dynamodb::connect_through;
use common::telemetry;
use serde_json::{Map, Value, json};
use server::engine::Engine;
use server::start::create_tables;

/// The variable that names the file to which calls are written, one JSON object a line.
const FILE: &str = "TASKLANE_RECORD_CALLS";

/// An engine with tables, as a database. The calls of each function are recorded.
pub(crate) async fn recorded_database(engine: &Engine, environment: Environment<'_>) -> Database {
    let database = Database::DynamoDb(connect_through(Recorder(engine.clone())));
    create_tables(&database, environment).await.expect("tables");
    database
}

/// The engine behind a client that records calls.
#[derive(Debug, Clone)]
struct Recorder(Engine);

impl HttpConnector for Recorder {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if let (Some(function), Ok(file)) = (telemetry::current_function(), std::env::var(FILE)) {
            record(function, &request, &file);
        }
        self.0.call(request)
    }
}

impl HttpClient for Recorder {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

fn record(function: &str, request: &HttpRequest, file: &str) {
    static KNOWN: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let operation = request
        .headers()
        .get("x-amz-target")
        .and_then(|target| target.rsplit('.').next())
        .expect("an operation");
    let body: Value =
        serde_json::from_slice(request.body().bytes().expect("a body")).expect("JSON");
    let call = format!(
        "{}\n",
        json!({"function": function, "operation": operation, "body": outline(&body)})
    );
    let mut known = KNOWN.lock().expect("the calls");
    // The first call of a run truncates the file.
    let mut options = OpenOptions::new();
    options
        .create(true)
        .write(true)
        .truncate(known.is_none())
        .append(known.is_some());
    if known.get_or_insert_default().insert(call.clone()) {
        options
            .open(file)
            .expect("the file of calls")
            .write_all(call.as_bytes())
            .expect("written");
    }
}

/// The body of a call without its items: only the tables and the index of each part.
fn outline(body: &Value) -> Value {
    let names = |body: &Value| {
        let names = ["TableName", "IndexName"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), body.get(name)?.clone())));
        names.collect::<Map<_, _>>()
    };
    let mut outline = names(body);
    if let Some(tables) = body["RequestItems"].as_object() {
        outline.insert(
            "RequestItems".to_owned(),
            tables
                .keys()
                .map(|table| (table.clone(), json!({})))
                .collect(),
        );
    }
    if let Some(parts) = body["TransactItems"].as_array() {
        let part = |part: &Value| {
            part.as_object()
                .into_iter()
                .flatten()
                .map(|(kind, call)| (kind.clone(), json!(names(call))))
                .collect()
        };
        outline.insert(
            "TransactItems".to_owned(),
            parts.iter().map(part).collect::<Vec<Value>>().into(),
        );
    }
    outline.into()
}
