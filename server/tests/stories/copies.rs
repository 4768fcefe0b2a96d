//! Moves to another store with `tasklane copy`: users continue with their accounts there, and an
//! interrupted copy can be resumed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use common::auth::UserId;
use common::config::Environment;
use common::part::Starter;
use common::storage;
use common::time::{Clock, SystemClock};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use server::engine::Engine;
use server::start::create_tables;
use server::storages;
use tasks::{Task, TaskDraft, TaskFilter, TaskQuery, TaskSort, TaskStore, Tasks};

use crate::client::Server;
use crate::network::{Fault, Network, StoreKind, StoreProcess};

/// More than four pages of a copy; a page has 200.
const TASKS: usize = 1000;

fn copy(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tasklane"));
    command
        .env_clear()
        .arg("copy")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

async fn a_user_continues_on_another_store(from: StoreKind, to: StoreKind) {
    let from = StoreProcess::start(from).await;
    let to = StoreProcess::start(to).await;
    let [from_url, to_url] = [&from, &to].map(|store| store.url_at(store.address));
    let before = Server::start_with(&[("DATABASE_URL", &from_url)]).await;
    let ada = before.register("ada@example.com").await;
    let draft = json!({"title": "Water the plants", "due": "2026-03-01", "labels": ["home"]});
    let key = [("idempotency-key", "plants-1")];
    let created = ada
        .call(Method::POST, "/v1/tasks", &key, Some(draft.clone()))
        .await
        .body;
    ada.patch(
        &format!("/v1/tasks/{}", created["id"].as_str().expect("an id")),
        json!({"status": "done"}),
    )
    .await;
    let deleted = ada.create_task(json!({"title": "Not this"})).await;
    ada.delete(&format!(
        "/v1/tasks/{}",
        deleted["id"].as_str().expect("an id")
    ))
    .await;
    ada.create_task(json!({"title": "Call the bank", "priority": "urgent"}))
        .await;

    let copied = copy(&["--from", &from_url, "--to", &to_url])
        .output()
        .expect("the program runs");
    assert!(copied.status.success(), "{}", said(&copied));
    assert!(
        said(&copied).contains(
            "Everything was copied, and both stores have the same data: 1 account, 1 session"
        ),
        "{}",
        said(&copied)
    );

    let public = serde_json::to_string(&before.keys.public()).expect("keys");
    let settings = [
        ("DATABASE_URL", to_url.as_str()),
        ("TASKLANE_SIGNING_KEYS", &before.keys.to_json()),
        ("TASKLANE_PUBLIC_KEYS", &public),
    ];
    let after = Server::start_with(&settings).await;
    let there = async |path: &str| {
        after
            .send(Method::GET, path, Some(ada.access_token()), &[], None)
            .await
            .body
    };

    for path in [
        "/v1/me",
        "/v1/me/sessions",
        "/v1/tasks?sort=due",
        "/v1/tasks?sort=-priority",
        "/v1/tasks?status=done",
        "/v1/trash",
    ] {
        assert_eq!(there(path).await, ada.get(path).await.body, "{path}");
    }

    let repeated = after
        .send(
            Method::POST,
            "/v1/tasks",
            Some(ada.access_token()),
            &key,
            Some(draft),
        )
        .await;
    assert_eq!((repeated.status.as_u16(), repeated.body), (201, created));
    assert_eq!(after.refresh(ada.refresh_token()).await.status, 200);

    after.log_in("ADA@example.com").await;
}

/// A folder with an SQLite file that has the tasks of one user.
async fn filled_folder() -> (tempfile::TempDir, UserId) {
    let folder = tempfile::tempdir().expect("a folder");
    let url = sqlite_in(folder.path());
    let variable = |name: &str| (name == "DATABASE_URL").then(|| url.clone());
    let environment = Environment::new(&variable);
    let starter = Starter::new(environment);
    let database = starter.part().await.expect("a database");
    storage::migrate(&database, &storages(), environment, &mut |_| {})
        .await
        .expect("tables");
    let owner = fill(&starter.part().await.expect("tasks")).await;
    (folder, owner)
}

fn sqlite_in(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("tasklane.db").display())
}

/// Adds the tasks of one user.
async fn fill(tasks: &Tasks) -> UserId {
    let now = SystemClock.now();
    let owner = UserId::new(now);
    let new = |n: usize| -> Task {
        let title = format!("Task {n}").parse().expect("a title");
        TaskDraft {
            title,
            notes: None,
            status: None,
            priority: None,
            labels: None,
            due: None,
        }
        .into_task(now)
    };
    // Not all at once: each must be finished within the timeout of a call.
    for some in (0..TASKS).collect::<Vec<_>>().chunks(50) {
        for result in join_all(some.iter().map(|n| tasks.create(owner, new(*n), None))).await {
            result.expect("a task");
        }
    }
    owner
}

/// The tasks of a store.
async fn tasks_at(url: &str) -> Tasks {
    let variable = |name: &str| (name == "DATABASE_URL").then(|| url.to_owned());
    Starter::new(Environment::new(&variable))
        .part()
        .await
        .expect("tasks")
}

/// How many tasks this owner has; 0 if the table or collection does not exist yet.
async fn count(tasks: &dyn TaskStore, owner: UserId) -> usize {
    let mut count = 0;
    let mut after = None;
    loop {
        let query = TaskQuery {
            filter: TaskFilter::default(),
            sort: TaskSort::default(),
            limit: 100,
            after,
        };
        let Ok(page) = tasks.list(owner, &query).await else {
            return 0;
        };
        count += page.items.len();
        match page.next {
            Some(next) => after = Some(next),
            None => return count,
        }
    }
}

/// The command that copies from the folder to a store over this network.
fn copy_over(network: &Network, store: &StoreProcess, folder: &Path) -> Command {
    copy(&[
        "--from",
        &sqlite_in(folder),
        "--to",
        &store.url_at(network.address),
    ])
}

async fn wait_for(tasks: &dyn TaskStore, owner: UserId, wanted: usize, process: &mut Child) {
    while count(tasks, owner).await < wanted {
        assert!(
            process.try_wait().expect("a status").is_none(),
            "it ended by itself"
        );
    }
}

async fn a_copy_that_is_killed_or_stopped_is_resumed_by_the_same_command(kind: StoreKind) {
    let (folder, owner) = filled_folder().await;
    let store = StoreProcess::start(kind).await;
    let network = Network::to(store.address).await;
    let tasks = tasks_at(&store.url_at(store.address)).await;

    network.be(Fault::Slow(Duration::from_millis(20)));
    let mut killed = copy_over(&network, &store, folder.path())
        .spawn()
        .expect("the program starts");
    wait_for(&*tasks, owner, 250, &mut killed).await;
    killed.kill().expect("killed");
    killed.wait().expect("ended");

    let mut stopped = copy_over(&network, &store, folder.path())
        .spawn()
        .expect("the program starts");
    wait_for(&*tasks, owner, 650, &mut stopped).await;

    let signal = Command::new("sh")
        .args(["-c", &format!("kill -INT {}", stopped.id())])
        .status()
        .expect("a shell");
    assert!(signal.success());

    let stopped = stopped.wait_with_output().expect("ended");
    assert_eq!(stopped.status.code(), Some(1));
    assert!(
        said(&stopped).contains("run the same command again to resume"),
        "{}",
        said(&stopped)
    );

    let resumed_after = |output: &Output| -> usize {
        let said = said(output);
        let (_, after) = said.split_once("resumed after ").expect("it goes on");
        after
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok())
            .expect("a number")
    };

    assert!(resumed_after(&stopped) >= 200, "{}", said(&stopped));

    network.be(Fault::None);
    let finished = copy_over(&network, &store, folder.path())
        .output()
        .expect("the program runs");
    assert!(finished.status.success(), "{}", said(&finished));
    assert!(resumed_after(&finished) >= 600, "{}", said(&finished));
    assert!(
        said(&finished).contains(&format!("{TASKS} tasks")),
        "{}",
        said(&finished)
    );
    assert_eq!(count(&*tasks, owner).await, TASKS);
}

async fn a_copy_waits_for_a_store_that_is_unavailable_for_a_while(kind: StoreKind, fault: Fault) {
    let (folder, owner) = filled_folder().await;
    let store = StoreProcess::start(kind).await;
    let network = Network::to(store.address).await;
    let tasks = tasks_at(&store.url_at(store.address)).await;
    network.be(Fault::Slow(Duration::from_millis(20)));
    let mut copying = copy_over(&network, &store, folder.path())
        .spawn()
        .expect("the program starts");
    wait_for(&*tasks, owner, 250, &mut copying).await;
    network.be(fault);

    let mut lines = BufReader::new(copying.stderr.take().expect("stderr")).lines();
    let waiting = lines.next().expect("it says so").expect("text");
    assert!(waiting.contains("trying again"), "{waiting}");

    network.be(Fault::None);
    let finished = copying.wait_with_output().expect("ended");
    assert!(finished.status.success(), "{}", said(&finished));
    assert_eq!(count(&*tasks, owner).await, TASKS);
}

mod dynamodb {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_user_continues_on_another_store() {
        super::a_user_continues_on_another_store(StoreKind::DynamoDb, StoreKind::DynamoDb).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_copy_that_is_killed_or_stopped_is_resumed_by_the_same_command() {
        super::a_copy_that_is_killed_or_stopped_is_resumed_by_the_same_command(StoreKind::DynamoDb)
            .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_copy_waits_for_a_store_that_is_unavailable_for_a_while() {
        super::a_copy_waits_for_a_store_that_is_unavailable_for_a_while(
            StoreKind::DynamoDb,
            Fault::Throttled,
        )
        .await;
    }
}

/// On the server that `.ci/stores/build.sh` builds. Run with `--ignored` once it is built.
mod mongodb {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs .ci/stores/build.sh"]
    async fn a_user_continues_on_another_store() {
        super::a_user_continues_on_another_store(StoreKind::DynamoDb, StoreKind::MongoDb).await;
        super::a_user_continues_on_another_store(StoreKind::MongoDb, StoreKind::DynamoDb).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs .ci/stores/build.sh"]
    async fn a_copy_that_is_killed_or_stopped_is_resumed_by_the_same_command() {
        super::a_copy_that_is_killed_or_stopped_is_resumed_by_the_same_command(StoreKind::MongoDb)
            .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs .ci/stores/build.sh"]
    async fn a_copy_waits_for_a_store_that_is_unavailable_for_a_while() {
        super::a_copy_waits_for_a_store_that_is_unavailable_for_a_while(
            StoreKind::MongoDb,
            Fault::Broken,
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_a_version_before_sqlite_is_copied_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Engine::open(folder.path()).expect("an engine");
    let environment = Environment::new(&|_| None);
    create_tables(&engine.database(), environment)
        .await
        .expect("tables");
    let starter = Starter::new(environment).with(engine.database());
    let owner = fill(&starter.part().await.expect("tasks")).await;
    drop((starter, engine));
    let [old, file] = ["dynamodb.db", "tasklane.db"].map(|name| folder.path().join(name));
    std::fs::copy(&old, &file).expect("copied");

    let refused = Command::new(env!("CARGO_BIN_EXE_tasklane"))
        .env_clear()
        .arg("--data")
        .arg(folder.path())
        .output()
        .expect("the program runs");
    assert!(!refused.status.success());
    assert!(
        said(&refused).contains("written by an earlier version"),
        "{}",
        said(&refused)
    );

    std::fs::remove_file(&file).expect("removed");
    let from = format!("embedded:{}", old.display());
    let to = sqlite_in(folder.path());
    let copied = copy(&["--from", &from, "--to", &to])
        .output()
        .expect("the program runs");

    assert!(copied.status.success(), "{}", said(&copied));
    let tasks = tasks_at(&to).await;
    assert_eq!(count(&*tasks, owner).await, TASKS);
}

#[test]
fn an_error_of_a_copy_shows_no_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let refused = |from: &str, to: &str, word: &str| {
        let ended = copy(&["--from", from, "--to", to])
            .output()
            .expect("the program runs");
        let said = said(&ended);

        assert!(
            !ended.status.success() && said.contains(word),
            "{from}, {to}: {said}"
        );
        assert!(!said.contains("s3cret"), "{said}");

        said
    };

    let missing = format!("sqlite://{}", file("missing.db"));
    refused(&missing, "mongodb://ada:s3cret@db", "does not exist");
    refused(
        &format!("embedded:{}", file("missing.db")),
        "mongodb://ada:s3cret@db",
        "is not a file of the DynamoDB engine",
    );
    refused(
        "postgres://ada:s3cret@db",
        &missing,
        "--from must be `embedded:FILE` or a URL",
    );
    refused(
        &missing,
        &format!("embedded:{}", file("target.db")),
        "is only copied from",
    );
    drop(Engine::open(folder.path()).expect("an engine"));
    let embedded = &format!("embedded:{}", file("dynamodb.db"));
    refused(
        embedded,
        "mongodb://ada:s3c@ret@db",
        "--to must be `embedded:FILE` or a URL",
    );
    refused(
        embedded,
        "mongodb://ada:s3cret@db/lane?w=majority&s3cret=1",
        "--to has an option that cannot be used: number 2",
    );
    refused(
        embedded,
        "dynamodb://",
        "AWS_ACCESS_KEY_ID is missing; --to=dynamodb:// needs it",
    );
    refused(embedded, embedded, "--from and --to are the same");

    let unreachable = refused(
        embedded,
        "mongodb://ada:s3cret@127.0.0.1:1/lane",
        "--to cannot be reached",
    );
    assert!(unreachable.lines().count() <= 3, "{unreachable}");

    let tables = copy(&[
        "--from",
        embedded,
        "--to",
        "dynamodb://db:1",
        "--to-tables",
        "one",
    ])
    .output()
    .expect("the program runs");
    assert!(
        said(&tables).contains("2 names separated by commas"),
        "{}",
        said(&tables)
    );

    let half = copy(&["--from", embedded])
        .output()
        .expect("the program runs");
    assert!(said(&half).contains("--to <URL>"), "{}", said(&half));
}
