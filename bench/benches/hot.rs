//! What every request passes, measured apart (`cargo bench -p bench`): verifying a token, reading a
//! task, building a page, writing a problem.

use std::hint::black_box;
use std::io::sink;
use std::net::Ipv4Addr;
use std::sync::Arc;

use async_trait::async_trait;
use common::auth::{Issuer, Role, SessionId, SigningKeys, UserId, Verifier};
use common::config::Environment;
use common::fields::{Fields, parse_json};
use common::http::{Endpoint, Request, Response, Running, serve};
use common::idempotency::IdempotencyKey;
use common::paging::{Cursor, Page};
use common::part::Starter;
use common::precondition::Precondition;
use common::problem::StoreError;
use common::telemetry::{self, Format, Level};
use common::time::{Clock, SystemClock, Timestamp};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method, header};
use server::engine::Engine;
use server::start::create_tables;
use tasks::endpoints::{create_task, list_tasks};
use tasks::{Task, TaskDraft, TaskId, TaskPatch, TaskQuery, TaskStore, Tasks};
use tokio::runtime::Runtime;

#[path = "../src/people.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod people;

const PAGE: usize = 50;

const BODY: &str = r#"{"title": "Call the bank about the contract", "notes": "Ask for a copy of the **old** one.",
    "status": "todo", "priority": "high", "labels": ["home", "money"], "due": "2026-03-01T09:30:00Z"}"#;

/// An app on an embedded engine, with somebody who may use it.
struct Subject {
    runtime: Runtime,
    keys: SigningKeys,
    issuer: Arc<Issuer>,
    verifier: Arc<Verifier>,
    token: String,
    owner: UserId,
}

impl Subject {
    fn new() -> Self {
        telemetry::init(Level::Info, Format::Json, Box::new(sink()));
        let keys = SigningKeys::generate("bench").expect("keys");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let (issuer, verifier): (Arc<Issuer>, Arc<Verifier>) = with_keys(&keys, |starter| {
            runtime.block_on(async {
                let issuer = starter.part().await.expect("an issuer");
                (issuer, starter.part().await.expect("a verifier"))
            })
        });
        let now = SystemClock.now();
        let owner = UserId::new(now);
        let token = issuer
            .issue(owner, SessionId::new(now), Role::User, now)
            .expect("a token");
        Self {
            runtime,
            keys,
            issuer,
            verifier,
            token,
            owner,
        }
    }

    /// An endpoint of tasks on this store.
    fn running(&self, endpoint: &'static Endpoint, store: Tasks) -> Running {
        with_keys(&self.keys, |starter| {
            let starter = starter.with(store);
            self.runtime
                .block_on(endpoint.start(&starter))
                .expect("it starts")
        })
    }

    fn request(&self, method: Method, path: &str, query: &str, body: &'static str) -> Request {
        let mut headers = HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )]);
        headers.insert(
            header::AUTHORIZATION,
            format!("Bearer {}", self.token).parse().expect("a header"),
        );
        Request {
            id: "01900000-0000-7000-8000-000000000000".to_owned(),
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: body.into(),
            invocation: None,
            source: Ipv4Addr::LOCALHOST.into(),
            secure: false,
            parameters: Vec::new(),
        }
    }

    fn answer(&self, running: &Running, request: Request, status: u16) -> Response {
        let response = self.runtime.block_on(serve(running, request));
        assert_eq!(response.status(), status);
        response
    }
}

/// What starts parts with these keys.
fn with_keys<T>(keys: &SigningKeys, start: impl FnOnce(Starter<'_>) -> T) -> T {
    let variable = |name: &str| match name {
        "TASKLANE_SIGNING_KEYS" => Some(keys.to_json()),
        "TASKLANE_PUBLIC_KEYS" => serde_json::to_string(&keys.public()).ok(),
        _ => None,
    };
    start(Starter::new(Environment::new(&variable)))
}

/// A store that has its one page ready, so that only what is around it is measured.
struct Ready(Vec<Task>);

#[async_trait]
impl TaskStore for Ready {
    async fn create(
        &self,
        _: UserId,
        task: Task,
        _: Option<&IdempotencyKey>,
    ) -> Result<Task, StoreError> {
        Ok(task)
    }

    async fn get(&self, _: UserId, _: TaskId) -> Result<Task, StoreError> {
        self.0.first().cloned().ok_or(StoreError::NotFound("task"))
    }

    async fn list(&self, _: UserId, _: &TaskQuery) -> Result<Page<Task>, StoreError> {
        Ok(Page {
            items: self.0.clone(),
            next: None,
        })
    }

    async fn update(
        &self,
        _: UserId,
        _: TaskId,
        _: &TaskPatch,
        _: &Precondition,
        _: Timestamp,
    ) -> Result<Task, StoreError> {
        Err(StoreError::NotFound("task"))
    }

    async fn trash(
        &self,
        _: UserId,
        _: TaskId,
        _: &Precondition,
        _: Timestamp,
    ) -> Result<(), StoreError> {
        Err(StoreError::NotFound("task"))
    }

    async fn list_trash(
        &self,
        _: UserId,
        _: usize,
        _: Option<&Cursor>,
        _: Timestamp,
    ) -> Result<Page<Task>, StoreError> {
        Ok(Page {
            items: Vec::new(),
            next: None,
        })
    }

    async fn restore(
        &self,
        _: UserId,
        _: TaskId,
        _: &Precondition,
        _: Option<&IdempotencyKey>,
        _: Timestamp,
    ) -> Result<Task, StoreError> {
        Err(StoreError::NotFound("task"))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn ready(page: Vec<Task>) -> Tasks {
    Tasks::from(Arc::new(Ready(page)) as Arc<dyn TaskStore>)
}

fn token(bench: &mut Criterion) {
    let subject = Subject::new();
    let (issuer, verifier, now) = (&subject.issuer, &subject.verifier, SystemClock.now());
    bench.bench_function("verify a token for the first time", |bench| {
        bench.iter_batched(
            || {
                issuer
                    .issue(subject.owner, SessionId::new(now), Role::User, now)
                    .expect("a token")
            },
            |token| verifier.verify(&token, now).expect("a caller"),
            BatchSize::SmallInput,
        );
    });
    bench.bench_function("verify it again", |bench| {
        bench.iter(|| {
            verifier
                .verify(black_box(&subject.token), now)
                .expect("a caller")
        });
    });
}

fn task(bench: &mut Criterion) {
    bench.bench_function("parse and validate a task", |bench| {
        bench.iter(|| {
            let serde_json::Value::Object(members) =
                parse_json(black_box(BODY).as_bytes()).expect("JSON")
            else {
                unreachable!("a task is an object")
            };
            Fields::read::<TaskDraft>(members).expect("a task")
        });
    });
    let subject = Subject::new();
    let running = subject.running(&create_task::ENDPOINT, ready(Vec::new()));
    bench.bench_function("answer create-task, without the store", |bench| {
        bench.iter_batched(
            || subject.request(Method::POST, "/v1/tasks", "", BODY),
            |request| subject.answer(&running, request, 201),
            BatchSize::SmallInput,
        );
    });
}

fn page(bench: &mut Criterion) {
    let subject = Subject::new();
    let list = people::tasks(PAGE, SystemClock.now()).expect("tasks");
    let ready = subject.running(&list_tasks::ENDPOINT, ready(list.clone()));
    let store = subject.runtime.block_on(async {
        let environment = Environment::new(&|_| None);
        let database = Engine::in_memory().expect("an engine").database();
        create_tables(&database, environment).await.expect("tables");
        let starter = Starter::new(environment).with(database);
        let store: Tasks = starter.part().await.expect("tasks");
        people::add_tasks(&store, subject.owner, &list)
            .await
            .expect("tasks");
        store
    });
    let embedded = subject.running(&list_tasks::ENDPOINT, store);
    for (name, running) in [
        ("answer list-tasks with 50 tasks, without the store", &ready),
        ("answer list-tasks with 50 tasks, embedded", &embedded),
    ] {
        bench.bench_function(name, |bench| {
            bench.iter_batched(
                || subject.request(Method::GET, "/v1/tasks", "limit=50", ""),
                |request| subject.answer(running, request, 200),
                BatchSize::SmallInput,
            );
        });
    }
}

fn problem(bench: &mut Criterion) {
    let subject = Subject::new();
    let running = subject.running(&create_task::ENDPOINT, ready(Vec::new()));
    let wrong = r#"{"title": "", "status": "later", "priority": 3, "labels": ["", "home", "home"], "due": "soon", "colour": "red"}"#;
    bench.bench_function(
        "answer create-task with a problem that names seven fields",
        |bench| {
            bench.iter_batched(
                || subject.request(Method::POST, "/v1/tasks", "", wrong),
                |request| subject.answer(&running, request, 422),
                BatchSize::SmallInput,
            );
        },
    );
}

criterion_group!(hot, token, task, page, problem);
criterion_main!(hot);
