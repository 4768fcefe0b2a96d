//! The store calls of each endpoint, compared with the table in `bench/store-calls.md`.

use std::collections::BTreeSet;
use std::fmt::Write;

use reqwest::Method;
use serde_json::{Value, json};
use server::SERVICES;

use crate::client::{Answer, PASSWORD, Person, Server};
use crate::secrets;

/// The maximum number of store calls of a task request.
const TASK_CALLS: usize = 1;
/// The maximum with an idempotency key, with transactions.
const KEYED_TASK_CALLS: usize = 2;
/// The maximum with an idempotency key, if every write is of one document.
const KEYED_TASK_CALLS_ON_MONGODB: usize = 4;

/// The calls, in order.
#[derive(Default)]
struct Calls(Vec<(&'static str, String, Vec<String>)>);

impl Calls {
    /// Records the calls of the request with this response. `how` distinguishes it from other
    /// requests of the function.
    fn note(&mut self, function: &'static str, how: &str, answer: &Answer) {
        assert!(
            answer.status.is_success() || function == "not-found",
            "{function}: {:?}",
            answer.body
        );
        let id = answer.header("x-request-id").expect("a name");
        let log = secrets::log();
        let line = log
            .lines()
            .find(|line| line.contains(&format!("\"request_id\":\"{id}\"")))
            .expect("a line of the log");
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(line["function"], function);
        let operation = |call: &Value| call["operation"].as_str().expect("a name").to_owned();
        let calls = line["store"]
            .as_array()
            .expect("calls")
            .iter()
            .map(operation)
            .collect();
        self.0.push((function, how.to_owned(), calls));
    }

    /// The rows of the table, in the order in which the functions are declared.
    fn table(&self) -> String {
        let mut table = "| request | calls | which |\n|---|---|---|\n".to_owned();
        for endpoint in SERVICES.iter().flat_map(|service| service.endpoints) {
            for (_, how, calls) in self
                .0
                .iter()
                .filter(|(function, _, _)| *function == endpoint.name)
            {
                let which = if calls.is_empty() {
                    "-".to_owned()
                } else {
                    calls.join(", ")
                };
                writeln!(
                    table,
                    "| {}{how} | {} | {which} |",
                    endpoint.name,
                    calls.len()
                )
                .expect("written");
            }
        }
        table
    }
}

const WITH_KEY: &str = ", with a key";

/// Uses every task endpoint, in each way that makes different calls.
async fn use_tasks(calls: &mut Calls, ada: &Person<'_>) {
    let key = |key| [("idempotency-key", key)];
    let draft = |title: &str| Some(json!({"title": title, "due": "2026-03-01"}));
    let created = ada
        .call(Method::POST, "/v1/tasks", &[], draft("Water the plants"))
        .await;
    calls.note("create-task", "", &created);
    calls.note(
        "create-task",
        WITH_KEY,
        &ada.call(Method::POST, "/v1/tasks", &key("plants"), draft("Once"))
            .await,
    );
    calls.note(
        "create-task",
        ", repeated with its key",
        &ada.call(Method::POST, "/v1/tasks", &key("plants"), draft("Once"))
            .await,
    );

    calls.note("list-tasks", "", &ada.get("/v1/tasks").await);
    let filtered = "/v1/tasks?status=todo&priority=none&due_before=2026-04-01&sort=priority";
    calls.note("list-tasks", ", filtered", &ada.get(filtered).await);
    calls.note(
        "list-tasks",
        ", searched",
        &ada.get("/v1/tasks?q=plants").await,
    );
    calls.note(
        "list-tasks",
        ", latest due first",
        &ada.get("/v1/tasks?sort=-due&limit=1").await,
    );

    let path = format!("/v1/tasks/{}", created.body["id"].as_str().expect("an id"));
    let restore = format!("{path}/restore");
    calls.note("get-task", "", &ada.get(&path).await);
    calls.note(
        "update-task",
        "",
        &ada.patch(&path, json!({"status": "done"})).await,
    );
    let changed = ada
        .call(
            Method::PATCH,
            &path,
            &[("if-match", "\"2\"")],
            Some(json!({"status": "todo"})),
        )
        .await;
    calls.note("update-task", ", with a precondition", &changed);
    calls.note("delete-task", "", &ada.delete(&path).await);
    calls.note("list-trash", "", &ada.get("/v1/trash").await);
    calls.note(
        "restore-task",
        "",
        &ada.call(Method::POST, &restore, &[], None).await,
    );
    ada.delete(&path).await;
    calls.note(
        "restore-task",
        WITH_KEY,
        &ada.call(Method::POST, &restore, &key("restore"), None)
            .await,
    );
    calls.note(
        "restore-task",
        ", repeated with its key",
        &ada.call(Method::POST, &restore, &key("restore"), None)
            .await,
    );
}

/// Uses every endpoint of accounts and sessions.
async fn use_accounts(calls: &mut Calls, server: &Server) {
    let credentials = |email: &str| json!({"email": email, "password": PASSWORD});
    calls.note(
        "register",
        "",
        &server
            .post("/v1/auth/register", credentials("grace@example.com"))
            .await,
    );
    let grace = server.log_in("grace@example.com").await;
    calls.note(
        "login",
        "",
        &server
            .post("/v1/auth/login", credentials("grace@example.com"))
            .await,
    );
    calls.note(
        "refresh-token",
        "",
        &server.refresh(grace.refresh_token()).await,
    );
    calls.note("get-me", "", &grace.get("/v1/me").await);
    calls.note(
        "update-me",
        "",
        &grace.patch("/v1/me", json!({"name": "Grace"})).await,
    );
    let sessions = grace.get("/v1/me/sessions").await;
    calls.note("list-sessions", "", &sessions);
    let items = sessions.body["items"].as_array().expect("sessions");
    let other = items
        .iter()
        .find(|session| session["current"] == false)
        .expect("another session");
    calls.note(
        "revoke-session",
        "",
        &grace
            .delete(&format!(
                "/v1/me/sessions/{}",
                other["id"].as_str().expect("an id")
            ))
            .await,
    );
    calls.note(
        "revoke-other-sessions",
        "",
        &grace.delete("/v1/me/sessions").await,
    );
    let change = |from: &str, to: &str| json!({"current_password": from, "new_password": to});
    calls.note(
        "change-password",
        "",
        &grace
            .post("/v1/me/password", change(PASSWORD, "another lane of tasks"))
            .await,
    );
    let keyed = Some(change("another lane of tasks", "a third lane of tasks"));
    let keyed = grace
        .call(
            Method::POST,
            "/v1/me/password",
            &[("idempotency-key", "password")],
            keyed,
        )
        .await;
    calls.note("change-password", WITH_KEY, &keyed);
    calls.note(
        "logout",
        "",
        &grace.call(Method::POST, "/v1/auth/logout", &[], None).await,
    );
}

#[tokio::test]
async fn every_endpoint_makes_the_store_calls_that_the_table_lists() {
    let server = Server::start().await;
    let mut calls = Calls::default();

    use_accounts(&mut calls, &server).await;
    use_tasks(&mut calls, &server.register("ada@example.com").await).await;
    for (function, path) in [
        ("health", "/v1/health"),
        ("get-openapi", "/v1/openapi.json"),
        ("get-jwks", "/.well-known/jwks.json"),
        ("not-found", "/nowhere"),
    ] {
        calls.note(function, "", &server.get(path).await);
    }

    let noted = calls
        .0
        .iter()
        .map(|(function, _, _)| *function)
        .collect::<BTreeSet<_>>();
    let declared = SERVICES
        .iter()
        .flat_map(|service| service.endpoints)
        .map(|endpoint| endpoint.name)
        .collect::<BTreeSet<_>>();

    assert_eq!(noted, declared);

    let is_set = |name: &str| std::env::var_os(name).is_some();
    let (store, keyed) = if is_set("TEST_DYNAMODB_ENGINE") {
        ("DynamoDB", KEYED_TASK_CALLS)
    } else if is_set("TEST_MONGODB_URL") {
        ("MongoDB", KEYED_TASK_CALLS_ON_MONGODB)
    } else {
        ("SQLite", TASK_CALLS)
    };
    for (function, how, made) in &calls.0 {
        let at_most = if how.ends_with("key") {
            keyed
        } else {
            TASK_CALLS
        };
        let is_task = tasks::SERVICE
            .endpoints
            .iter()
            .any(|endpoint| endpoint.name == *function);

        assert!(
            !is_task || made.len() <= at_most,
            "{function}{how} calls {made:?}"
        );
    }

    let table = format!("## {store}\n\n{}", calls.table());
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/store-calls.md");
    let golden = std::fs::read_to_string(file).expect("the table");
    assert!(
        golden.contains(&table),
        "bench/store-calls.md should hold:\n\n{table}"
    );
}
